"""What a model on another machine may be shown: prompt inputs without excluded files and secrets.

Decides for each prediction anew and counts what was left out by rule, never by path or text. Knows
no runner; whether the machine may be asked at all is decided there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.redaction import redact_prompt_input
from zeta_context.counts import Counts
from zeta_context.events.projects import Project
from zeta_context.predict.prediction import Discarded
from zeta_context.prompt.input import PromptInput

Redact = Callable[[PromptInput], PromptInput | Discarded]
"""Gives what of an input may leave this machine, or why nothing may."""

NOT_ALLOWED = Discarded(
    reason="remote_not_allowed", detail="the model is on another machine, and nothing may be sent"
)


class RemoteRedaction:
    """Redacts the prompt inputs of some projects; thread-safe, as its exclusions are."""

    def __init__(
        self,
        projects: Iterable[Project],
        *,
        user_globs: Iterable[str] = (),
        counts: Counts | None = None,
    ) -> None:
        """`projects` is asked again for each input, since a session can take in more roots.

        Raises SettingsError for a glob that would take an exclusion back.
        """
        self._projects = projects
        self._user_globs = tuple(user_globs)
        self._counts = counts if counts is not None else Counts()
        self._exclusions: dict[Project, Exclusions] = {}
        self._current()

    def __call__(self, prompt_input: PromptInput) -> PromptInput | Discarded:
        """The input as it may leave; Discarded `excluded_file` or `secret_in_excerpt` otherwise."""
        redacted = redact_prompt_input(prompt_input, self._current())
        for rule, count in redacted.dropped.items():
            self._counts.add(f"remote_{rule}", count)
        if redacted.prompt_input is not None:
            return redacted.prompt_input
        rules = sorted(redacted.dropped)
        is_secret = all(rule.startswith("secret_") for rule in rules)
        return Discarded(
            reason="secret_in_excerpt" if is_secret else "excluded_file",
            detail=f"nothing is sent from here: {', '.join(rules)}",
        )

    def _current(self) -> Mapping[str, Exclusions]:
        found: dict[str, Exclusions] = {}
        for project in self._projects:
            if project not in self._exclusions:
                self._exclusions[project] = Exclusions(
                    project.root, user_globs=self._user_globs, counts=self._counts
                )
            found[project.name] = self._exclusions[project]
        return found
