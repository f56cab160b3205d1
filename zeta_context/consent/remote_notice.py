"""What the user is told before prompts go to a model on another machine, and that it was.

The permission itself is in the user's own configuration; this notes which words were shown for
which endpoint. Versioned: when the words change, they are shown again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from zeta_context.consent.safe_read import CannotRead
from zeta_context.consent.state_folder import (
    read_private_file,
    state_folder,
    write_private_file,
)

VERSION = 1
TEXT = """\
Your configuration allows predictions by a model on another machine:

  {endpoint}

With every request that you make there by editing, it is sent: the text around your cursor, your
recent edits, excerpts of files that your code refers to, and the diagnostics near the cursor. It
is not sent: files that git ignores or that are excluded, files outside the project, anything in
which a secret is found, and anything of a project whose .zeta_context.toml says `remote = false`.

It goes to whoever runs that server; what they keep and do with it is for them to say, not for us.
At most {requests} requests are sent a day, and none once the day's cost, by the prices you set, is
{cost:g}. Each day's use is written to your ledger: `zeta-context ledger show`. To stop, take the
address out of `allowed` under [remote] in your configuration.
"""


class NoticeStore:
    """Which endpoints the user was told about; reading never creates anything."""

    def __init__(
        self, folder: Path | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = (folder if folder is not None else state_folder()) / "consent"
        self._clock = clock

    def was_shown(self, endpoint: str) -> bool:
        """Whether these words were shown for this endpoint; in doubt they were not."""
        try:
            content = read_private_file(self._path(endpoint))
            table = json.loads(content) if content is not None else {}
        except (CannotRead, OSError, ValueError, RecursionError):
            return False
        return isinstance(table, dict) and (
            table.get("endpoint") == endpoint
            and table.get("version") == VERSION
            and table.get("text") == _digest()
        )

    def note_shown(self, endpoint: str) -> None:
        """Write down that the words were shown; raises OSError."""
        table = {
            "endpoint": endpoint,
            "version": VERSION,
            "text": _digest(),
            "shown_at": self._clock(),
        }
        write_private_file(self._path(endpoint), json.dumps(table, indent=1).encode())

    def forget(self, endpoint: str) -> None:
        """Have the words shown again before anything is sent."""
        self._path(endpoint).unlink(missing_ok=True)

    def _path(self, endpoint: str) -> Path:
        return self._folder / f"remote-{hashlib.sha256(endpoint.encode()).hexdigest()[:32]}"


def _digest() -> str:
    return hashlib.sha256(TEXT.encode()).hexdigest()
