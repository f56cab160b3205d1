"""A runner that passes everything on to another one: what stands in between derives from it.

Knows nothing of why somebody stands there.
"""

from __future__ import annotations

from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    OnText,
    Runner,
)


class PassingRunner:
    """The runner behind, as it is."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def model(self) -> str:
        """What the model behind is called."""
        return self._runner.model

    @property
    def is_remote(self) -> bool:
        """Whether prompts leave this machine."""
        return self._runner.is_remote

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        """The answer of the runner behind; see `Runner.complete`."""
        return self._runner.complete(request, cancel=cancel, on_text=on_text)

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        """Passed on."""
        self._runner.prefill(prompt, cancel=cancel)

    def close(self) -> None:
        """Passed on."""
        self._runner.close()
