"""The ledger: what was sent where, under which consent and which licence evidence.

Holds digests, identifiers and times, no text and no path. Kept in a chain that shows whether
anything was changed (see `consent.chain`). Sends nothing and decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from zeta_context.capture.upload import Sent
from zeta_context.consent.chain import Chain, ledger_path
from zeta_context.consent.grant import Grant


class Ledger:
    """The user's ledger; each note is on the disk when the method returns, or raises OSError."""

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.chain = Chain(path or ledger_path(), clock=clock)

    def note_sending(self, sent: Sent) -> None:
        """Before a batch leaves: where it goes, the digest of each record, and under what."""
        self.chain.append(
            "sending",
            {
                "server": sent.server,
                "records": [
                    {
                        "id": item.id,
                        "sha256": item.sha256,
                        "kind": item.kind,
                        "project": item.project,
                        "consent": item.claims.consent_id,
                        "second_consent": item.claims.settled_consent_id,
                        "evidence": item.claims.evidence_digest,
                    }
                    for item in sent.items
                ],
            },
        )

    def note_answer(self, sent: Sent) -> None:
        """After the answer: what the server said of each record."""
        self.chain.append("answer", {"server": sent.server, "results": dict(sent.results)})

    def note_counts(self, server: str, rows: Sequence[str], consent: str) -> None:
        """Before rows of counts leave (docs/rollout.md): where they go, and under which consent."""
        self.chain.append("counts", {"server": server, "rows": list(rows), "consent": consent})

    def note_consent(self, grant: Grant) -> None:
        """A consent was given, to these words and these processors."""
        self.chain.append("consent", _of_grant(grant))

    def note_withdrawal(self, grant: Grant, n_wiped: int) -> None:
        """A consent was taken back, and so many records were wiped here."""
        self.chain.append("withdrawal", {**_of_grant(grant), "wiped": n_wiped})


def _of_grant(grant: Grant) -> dict[str, object]:
    return {
        "consent": grant.consent_id,
        "purpose": grant.purpose,
        "project": grant.project,
        "server": grant.server,
        "operator": grant.operator,
        "teacher": grant.teacher,
        "text_version": grant.text_version,
        "text_digest": grant.text_digest,
        "actor": grant.actor,
    }
