"""How much a model on another machine is asked: told beforehand, counted, capped by the day.

Stands before a runner that is remote. What may be in a prompt is decided in `remote`; whether the
endpoint is allowed, in the runner. Whatever cannot be counted is not sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zeta_context.consent.chain import Chain, ledger_path
from zeta_context.consent.policy import Policy, load_policy
from zeta_context.consent.remote_notice import VERSION, NoticeStore
from zeta_context.consent.safe_read import CannotRead
from zeta_context.consent.state_folder import (
    locked,
    make_private_folder,
    read_private_file,
    state_folder,
    write_private_file,
)
from zeta_context.counts import Counts
from zeta_context.errors import RemoteNotAllowed, RunnerBusy
from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    OnText,
    Runner,
    Usage,
)
from zeta_context.runners.endpoint import Endpoint, RemotePermission
from zeta_context.runners.passing import PassingRunner

_DAY_S = 86_400.0
_CHARS_PER_TOKEN = 3
"""For a server that does not tell what it used: rather too many tokens than too few."""


class RemoteUse:
    """The use of one endpoint; all processes of a user share the count."""

    def __init__(
        self,
        endpoint: Endpoint,
        permission: RemotePermission,
        *,
        folder: Path | None = None,
        chain: Chain | None = None,
        read_policy: Callable[[], Policy] = load_policy,
        clock: Callable[[], float] = time.time,
        counts: Counts | None = None,
    ) -> None:
        self._address = endpoint
        self._endpoint = str(endpoint)
        self._permission = permission
        folder = folder if folder is not None else state_folder()
        self._path = folder / "remote" / "use.json"
        self._notices = NoticeStore(folder, clock=clock)
        self._chain = chain if chain is not None else Chain(ledger_path(), clock=clock)
        self._read_policy = read_policy
        self._clock = clock
        self._counts = counts if counts is not None else Counts()

    def admit(self) -> None:
        """Count one more request, durably, before it is sent.

        Raises RemoteNotAllowed where it may not be sent at all, RunnerBusy where the day's share is
        used up.
        """
        self._permission.check(self._address)
        if not self._read_policy().allows_remote:
            raise self._refusal("remote_policy_forbids", "the organisation's policy forbids it")
        if not self._notices.was_shown(self._endpoint):
            raise self._refusal(
                "remote_not_shown",
                "you have not been shown what it would get: run `zeta-context consent remote`",
            )
        try:
            make_private_folder(self._path.parent)
            with locked(self._path):
                self._count_request()
        except (OSError, CannotRead, ValueError, KeyError, TypeError):
            raise self._refusal(
                "remote_not_counted",
                "its use cannot be counted: mend or remove `remote/use.json` in your state folder",
            ) from None

    def note(self, request: CompletionRequest, usage: Usage, n_output_chars: int) -> None:
        """Add what a request used; what cannot be added is counted and lost."""
        n_input = usage.prompt_tokens or -(-len(request.prompt) // _CHARS_PER_TOKEN)
        n_output = usage.output_tokens or -(-n_output_chars // _CHARS_PER_TOKEN)
        try:
            with locked(self._path):
                table = self._read()
                used = table["endpoints"].setdefault(self._endpoint, _nothing())
                used["input_tokens"] += n_input
                used["output_tokens"] += n_output
                used["cost"] += self._cost(n_input, n_output)
                self._write(table)
        except (OSError, CannotRead, ValueError, KeyError, TypeError):
            self._counts.note("remote_use_lost")

    def today(self) -> dict[str, Any]:
        """The day's use of this endpoint; raises CannotRead or ValueError when it is damaged."""
        table = self._read()
        return dict(table["endpoints"].get(self._endpoint, _nothing()))

    def _count_request(self) -> None:
        table = self._read()
        used = table["endpoints"].get(self._endpoint)
        permission = self._permission
        if used is None:
            used = table["endpoints"][self._endpoint] = _nothing()
            self._chain.append(
                "remote_day_begins",
                {
                    "endpoint": self._endpoint,
                    "day": table["day"],
                    "notice_version": VERSION,
                    "max_requests": permission.max_requests_per_day,
                    "max_cost": permission.max_cost_per_day,
                },
            )
        is_over = used["requests"] >= permission.max_requests_per_day
        if is_over or used["cost"] >= permission.max_cost_per_day:
            self._counts.note("remote_daily_cap")
            what = "requests" if is_over else "cost"
            raise RunnerBusy(
                f"the day's cap on {what} for {self._endpoint} is reached (see [remote])",
                retry_after_s=_DAY_S - self._clock() % _DAY_S,
            )
        used["requests"] += 1
        self._write(table)

    def _read(self) -> dict[str, Any]:
        """The count of the day; a new day closes the one before in the ledger.

        A clock that was set back goes on with the day that was begun.
        """
        today = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        content = read_private_file(self._path)
        if content is None:
            return {"day": today, "endpoints": {}}
        table: dict[str, Any] = json.loads(content)
        if not isinstance(table["endpoints"], dict) or not isinstance(table["day"], str):
            raise ValueError("it is no count of a day")
        for used in table["endpoints"].values():
            if set(used) != set(_nothing()) or not all(0 <= n < 1e12 for n in used.values()):
                raise ValueError("it is no count of a day")
        if table["day"] >= today:
            return table
        for endpoint, used in sorted(table["endpoints"].items()):
            self._chain.append("remote_day", {"endpoint": endpoint, "day": table["day"], **used})
        fresh: dict[str, Any] = {"day": today, "endpoints": {}}
        self._write(fresh)
        return fresh

    def _write(self, table: dict[str, Any]) -> None:
        write_private_file(self._path, json.dumps(table, indent=1).encode())

    def _cost(self, n_input: int, n_output: int) -> float:
        permission = self._permission
        return (
            n_input * permission.price_per_million_input_tokens
            + n_output * permission.price_per_million_output_tokens
        ) / 1e6

    def _refusal(self, reason: str, why: str) -> RemoteNotAllowed:
        self._counts.note(reason)
        return RemoteNotAllowed(f"nothing is sent to {self._endpoint}: {why}")


def meter(
    runner: Runner, endpoint: Endpoint, permission: RemotePermission, counts: Counts | None = None
) -> Runner:
    """The runner, with its use admitted and counted where it is on another machine."""
    if not runner.is_remote:
        return runner
    return MeteredRunner(runner, RemoteUse(endpoint, permission, counts=counts))


class MeteredRunner(PassingRunner):
    """A runner on another machine whose every request is admitted and noted by `use`."""

    def __init__(self, runner: Runner, use: RemoteUse) -> None:
        super().__init__(runner)
        self._use = use

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        """The model's output; raises what the runner raises, and what `RemoteUse.admit` does."""
        if cancel is not None and cancel.is_cancelled:
            return Cancelled()
        self._use.admit()
        usage, n_chars = Usage(), 0
        try:
            completion = super().complete(request, cancel=cancel, on_text=on_text)
            if isinstance(completion, Completion):
                usage, n_chars = completion.usage, len(completion.text)
        finally:
            # An answer that was given up, or that failed, was asked for and may have to be paid.
            self._use.note(request, usage, n_chars)
        return completion

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        """Never: a machine elsewhere is sent no more than is asked."""


def _nothing() -> dict[str, Any]:
    return {"requests": 0, "input_tokens": 0, "output_tokens": 0, "cost": 0.0}
