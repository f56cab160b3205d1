"""A runner without a model: it answers with the prompt's words, one at a time, and can be held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    OnText,
    Usage,
)


class ToyRunner:
    """Answers `a b c` with `A B C`. A prompt that begins with `hold` waits for `release`."""

    def __init__(self, *, is_remote: bool = False) -> None:
        self.model = "toy"
        self.is_remote = is_remote
        self.is_closed = False
        self.requests: list[CompletionRequest] = []
        self.prefilled: list[str] = []
        self.cancelled: list[str] = []
        self.overlaps = 0
        self.release = threading.Event()
        self.started = threading.Event()
        self.faults: dict[str, Callable[[], Exception]] = {}
        self._busy = threading.Lock()

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            self._busy.acquire()
        try:
            self.requests.append(request)
            self.started.set()
            if request.prompt in self.faults:
                raise self.faults[request.prompt]()
            return self._answer(request, cancel or CancelToken(), on_text or (lambda _: None))
        finally:
            self._busy.release()

    def _answer(
        self, request: CompletionRequest, cancel: CancelToken, on_text: OnText
    ) -> Completion | Cancelled:
        words = request.prompt.upper().split()
        text = ""
        for n, word in enumerate(words):
            text += word if not n else f" {word}"
            on_text(text)
            while request.prompt.startswith("hold") and not self.release.is_set():
                if cancel.is_cancelled:
                    break
                time.sleep(0.002)
            if cancel.is_cancelled:
                self.cancelled.append(request.prompt)
                return Cancelled()
        usage = Usage(prompt_tokens=len(words), output_tokens=len(words), passes=2, prefill_ms=1.5)
        return Completion(
            text=text, finish_reason="stop", model="toy", usage=usage, mean_logprob=-0.5
        )

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        self.prefilled.append(prompt)
        while prompt.startswith("hold") and not (cancel and cancel.is_cancelled):
            time.sleep(0.002)

    def close(self) -> None:
        self.is_closed = True
