"""Which requests for predictions are sent, and when: throttle, debounce, bound, duplicates.

Pure: times are passed in, in seconds, and nothing is waited for. Knows nothing of what a request
does. Only *automatic* requests, which typing triggers, are held back or given up for others; a
direct one always goes at once and gets its own answer.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

from zeta_context.runners.base import CancelToken

RequestState = Literal["waiting", "sent", "done", "canceled"]


@dataclass(slots=True, eq=False)
class Request:
    """A request about a document (`key`); the same `frame` of it is the same question.

    `due` is when it may be sent, `cancel` tells whoever works on it that nobody waits any more.
    """

    number: int
    key: Hashable
    frame: Hashable
    is_automatic: bool
    submitted: float
    due: float
    state: RequestState = "waiting"
    cancel: CancelToken = field(default_factory=CancelToken)

    @property
    def is_pending(self) -> bool:
        """Whether its answer is still to come."""
        return self.state in ("waiting", "sent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The request that answers, which may be an earlier one (`is_joined`), and those given up."""

    request: Request
    is_joined: bool = False
    canceled: tuple[Request, ...] = ()


class RequestSchedule:
    """The pending requests; belongs to one thread."""

    def __init__(
        self, *, throttle_s: float = 0.3, debounce_s: float = 0.0, max_in_flight: int = 2
    ) -> None:
        self._throttle_s = throttle_s
        self._debounce_s = debounce_s
        self._max_in_flight = max_in_flight
        self._count = 0
        self._pending: list[Request] = []
        self._last_sent: dict[Hashable, float] = {}

    @property
    def pending(self) -> tuple[Request, ...]:
        """The requests whose answers are still to come, oldest first."""
        return tuple(self._pending)

    def submit(
        self,
        key: Hashable,
        frame: Hashable,
        now: float,
        *,
        is_automatic: bool,
        pause_s: float = 0.0,
    ) -> Submitted:
        """Take a request in. It is to be sent, with `send`, once its `due` time has come.

        `pause_s` is how long an automatic one waits besides the debounce.

        A question that is being answered is not asked again. An automatic request takes the place
        of one that waits for the same document, and, where there are too many, of the newest: the
        oldest is the first to have an answer.
        """
        for one in self._pending:
            if (one.key, one.frame) == (key, frame) and (is_automatic or one.state == "sent"):
                return Submitted(request=one, is_joined=True)
        self._count += 1
        due = now
        if is_automatic:
            last = self._last_sent.get(key)
            due = now + self._debounce_s + pause_s
            if last is not None:
                due = max(due, last + self._throttle_s)
        request = Request(self._count, key, frame, is_automatic, now, due)
        canceled = []
        if is_automatic:
            automatic = [one for one in self._pending if one.is_automatic]
            canceled = [one for one in automatic if one.key == key and one.state == "waiting"]
            others = [one for one in automatic if one not in canceled]
            canceled += others[max(1, self._max_in_flight) - 1 :]
        for one in canceled:
            self.give_up(one)
        self._pending.append(request)
        return Submitted(request=request, canceled=tuple(canceled))

    def send(self, request: Request, now: float) -> bool:
        """Whether a request whose time has come is to be sent; then it counts as sent.

        Not if it was given up, or if another was sent for its document since it was submitted.
        """
        if request.state != "waiting":
            return False
        last = self._last_sent.get(request.key)
        if request.is_automatic and last is not None and last > request.submitted:
            self.give_up(request)
            return False
        request.state = "sent"
        self._last_sent[request.key] = now
        while len(self._last_sent) > 256:
            del self._last_sent[next(iter(self._last_sent))]
        return True

    def finish(self, request: Request) -> tuple[Request, ...]:
        """A request was answered: automatic ones from before it are given up, and returned."""
        if not request.is_pending:
            return ()
        request.state = "done"
        self._pending.remove(request)
        older = tuple(
            one for one in self._pending if one.is_automatic and one.number < request.number
        )
        for one in older:
            self.give_up(one)
        return older

    def give_up(self, request: Request) -> None:
        """Nobody wants the answer any more."""
        if request.is_pending:
            request.state = "canceled"
            request.cancel.cancel()
            self._pending.remove(request)
