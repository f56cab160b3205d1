"""Proposes the next edit by asking a model: renders the prompt, runs it, reads the answer.

Knows neither the format nor the runner beyond their seams, and nothing of editors.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from zeta_context.errors import (
    BadAnswer,
    ContextOverflow,
    ModelRefused,
    OutOfMemory,
    OutputError,
    OverBudget,
    RemoteNotAllowed,
    RunnerBusy,
    RunnerError,
    RunnerGone,
    RunnerTimeout,
    SettingsError,
    SpecialTokens,
    TextError,
)
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.proposers.accepted import AcceptedTexts
from zeta_context.predict.proposers.guesses import (
    carry_over,
    find_first_finished,
    find_substitutions,
)
from zeta_context.predict.remote import NOT_ALLOWED, Redact
from zeta_context.predict.view import Proposer, View
from zeta_context.prompt.budget import estimate_tokens
from zeta_context.prompt.format import (
    FinishReason,
    Format,
    Parsed,
    RenderedPrompt,
    shift_edits,
)
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.runners.base import CancelToken, Completion, CompletionRequest, Runner
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Point, Span

OnPrediction = Callable[[Prediction], None]

_MAX_REMEMBERED = 16
_NEW_TOKENS = 256
"""What an answer may say beyond twice the region: one that goes on longer has lost its way."""

_REASONS: tuple[tuple[type[RunnerError | SettingsError], str], ...] = (
    (ContextOverflow, "prompt_too_long"),
    (OutOfMemory, "out_of_memory"),
    (ModelRefused, "model_refused"),
    (RunnerTimeout, "runner_timeout"),
    (RunnerGone, "runner_gone"),
    (RunnerBusy, "runner_busy"),
    (RemoteNotAllowed, "remote_not_allowed"),
    (BadAnswer, "bad_answer"),
    (SettingsError, "model_not_set_up"),
)

_DocumentKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Answered:
    """The last answer for a document: the region as it was, and what the model made of it."""

    region: str
    predicted: str


class ModelProposer:
    """Asks one model in one format. A new question about a document ends the one before.

    `on_first_edit` is given the first change of an answer as soon as it is certain, in the
    runner's thread and before `propose` returns; it is part of the final prediction as a rule,
    but need not be. `redact` decides what a model on another machine is shown: without it, nothing.
    `guesser` is a quick proposer whose guess may speed the model up; it never changes an answer.
    """

    def __init__(
        self,
        runner: Runner,
        prompt_format: Format,
        *,
        name: str = "model",
        on_first_edit: OnPrediction | None = None,
        redact: Redact | None = None,
        guesser: Proposer | None = None,
    ) -> None:
        self._runner = runner
        self._format = prompt_format
        self._name = name
        self._on_first_edit = on_first_edit
        self._redact = redact
        self._guesser = guesser
        self._accepted = AcceptedTexts()
        self._lock = threading.Lock()
        self._asking: dict[_DocumentKey, CancelToken] = {}
        self._answered: OrderedDict[_DocumentKey, _Answered] = OrderedDict()

    @property
    def name(self) -> str:
        """What its predictions carry as `proposer`."""
        return self._name

    def propose(self, view: View) -> Prediction | Discarded:
        """The model's next edit, or why there is none.

        Reasons: `no_context`, `special_tokens`, `over_budget`, `canceled`, `no_edit`, `truncated`,
        `bad_output`; for a model on another machine those of `Redact`; and for a model that cannot
        be asked `prompt_too_long`, `out_of_memory`, `model_refused`, `runner_timeout`,
        `runner_gone`, `runner_busy`, `remote_not_allowed`, `bad_answer`, `model_not_set_up`,
        `runner_error`.
        """
        prompt_input = self._input_to_show(view.prompt_input)
        if isinstance(prompt_input, Discarded):
            return prompt_input
        try:
            rendered = self._format.render(prompt_input)
        except SpecialTokens as problem:
            return Discarded(reason="special_tokens", detail=str(problem))
        except OverBudget as problem:
            return Discarded(reason="over_budget", detail=str(problem))
        offset = _excerpt_offset(view, prompt_input)
        if offset is None:
            return Discarded(reason="stale", detail="the document changed since it was looked at")
        return self._ask(view, prompt_input, rendered, offset)

    def cancel(self, project: str, path: str) -> None:
        """End the question about a document, if one is under way."""
        with self._lock:
            token = self._asking.get((project, path))
        if token is not None:
            token.cancel()

    def close(self) -> None:
        """Let go of the runner; what it answers meanwhile ends as `closed`."""
        self._runner.close()

    def read_ahead(self, view: View) -> None:
        """Let an idle runner read what the next prompt will begin with: all above the cursor's row.

        Silent when there is nothing to read; a model on another machine is not asked to.
        """
        prompt_input = view.prompt_input
        if prompt_input is None or self._runner.is_remote:
            return
        try:
            text = self._format.render(prompt_input).text
            changed = self._format.render(_with_changed_row(prompt_input)).text
        except (SpecialTokens, OverBudget):
            return
        same = next(
            (at for at, (a, b) in enumerate(zip(text, changed, strict=False)) if a != b),
            min(len(text), len(changed)),
        )
        row_start = text.rfind("\n", 0, same) + 1
        if row_start:
            self._runner.prefill(text[:row_start])

    def make_request(
        self, prompt_input: PromptInput, rendered: RenderedPrompt, view: View | None = None
    ) -> CompletionRequest:
        """The request for a rendered prompt, with what can be guessed of its answer."""
        region = _region(prompt_input, rendered)
        key = (prompt_input.project, prompt_input.path)
        with self._lock:
            before = self._answered.get(key)
        regions: list[str] = []
        if before is not None:
            carried = carry_over(before.region, before.predicted, region)
            if carried is not None:
                regions.append(carried)
        regions.append(region)
        # What is guessed from a view may come from files that another machine is not shown.
        if view is not None and not self._runner.is_remote:
            guessed = self._guess(view, prompt_input, rendered)
            regions += () if guessed is None else (guessed,)
        guesses = [self._format.encode(prompt_input, one) for one in dict.fromkeys(regions)]
        return CompletionRequest(
            prompt=rendered.text,
            stop=rendered.stop,
            max_output_tokens=min(
                rendered.max_output_tokens, _NEW_TOKENS + 2 * estimate_tokens(region)
            ),
            guesses=tuple(dict.fromkeys(guesses)),
            reference=region,
            substitutions=find_substitutions(prompt_input.events),
            texts=() if self._runner.is_remote else self._accepted.texts(),
            messages=rendered.messages,
        )

    def remember(self, prompt_input: PromptInput, rendered: RenderedPrompt, predicted: str) -> None:
        """Keep what the model made of a region: the first guess for the next answer there."""
        key = (prompt_input.project, prompt_input.path)
        with self._lock:
            self._answered[key] = _Answered(_region(prompt_input, rendered), normalize(predicted))
            self._answered.move_to_end(key)
            while len(self._answered) > _MAX_REMEMBERED:
                self._answered.popitem(last=False)

    def _input_to_show(self, prompt_input: PromptInput | None) -> PromptInput | Discarded:
        if prompt_input is None:
            return Discarded(reason="no_context", detail="nothing was gathered around the cursor")
        if not self._runner.is_remote:
            return prompt_input
        return NOT_ALLOWED if self._redact is None else self._redact(prompt_input)

    def _guess(self, view: View, prompt_input: PromptInput, rendered: RenderedPrompt) -> str | None:
        """The region as the guesser would leave it, where it changes that and nothing else."""
        offset = _excerpt_offset(view, prompt_input)
        answer = None if self._guesser is None else self._guesser.propose(view)
        if offset is None or not isinstance(answer, Prediction) or answer.path != prompt_input.path:
            return None
        start, end = rendered.editable
        edits = shift_edits(answer.edits, -offset - start)
        if any(edit.span.start < 0 or edit.span.end > end - start for edit in edits):
            return None
        return normalize(apply_edits(prompt_input.cursor_excerpt[start:end], edits))

    def _ask(
        self, view: View, prompt_input: PromptInput, rendered: RenderedPrompt, offset: int
    ) -> Prediction | Discarded:
        key = (prompt_input.project, prompt_input.path)
        token = view.cancel
        with self._lock:
            before = self._asking.get(key)
            self._asking[key] = token
        if before is not None and before is not token:
            before.cancel()
        self._accepted.add_events(view.events)
        request = self.make_request(prompt_input, rendered, view)
        unchanged = self._format.encode(prompt_input, _region(prompt_input, rendered))
        stream = _FirstEdit(unchanged, self._read_first(view, prompt_input, offset))
        try:
            answer = self._runner.complete(
                request, cancel=token, on_text=stream if self._on_first_edit else None
            )
        except (RunnerError, SettingsError) as problem:
            return _silence(problem)
        finally:
            with self._lock:
                if self._asking.get(key) is token:
                    del self._asking[key]
        if not isinstance(answer, Completion):
            return Discarded(reason=answer.reason, detail="the question was dropped")
        return self._read(view, prompt_input, rendered, answer, offset)

    def _read(
        self,
        view: View,
        prompt_input: PromptInput,
        rendered: RenderedPrompt,
        answer: Completion,
        offset: int,
    ) -> Prediction | Discarded:
        try:
            parsed = self._format.parse(
                answer.text, prompt_input, finish_reason=answer.finish_reason
            )
        except OutputError as problem:
            return Discarded(reason="bad_output", detail=str(problem))
        if parsed.kind == "truncated":
            return Discarded(reason="truncated", detail="the answer was cut off")
        region = parsed.region
        self.remember(
            prompt_input, rendered, _region(prompt_input, rendered) if region is None else region
        )
        if parsed.kind == "no_edit":
            return Discarded(reason="no_edit", detail=f"the model changes nothing: {parsed.reason}")
        confidence = None if answer.mean_logprob is None else math.exp(answer.mean_logprob)
        return self._prediction(view, parsed, offset, confidence)

    def _read_first(
        self, view: View, prompt_input: PromptInput, offset: int
    ) -> Callable[[str], None]:
        def read(output: str) -> None:
            finish: FinishReason = "stop"
            try:
                parsed = self._format.parse(output, prompt_input, finish_reason=finish)
            except (OutputError, TextError):
                return
            if parsed.kind == "edits" and self._on_first_edit is not None:
                self._on_first_edit(self._prediction(view, parsed, offset, None))

        return read

    def _prediction(
        self, view: View, parsed: Parsed, offset: int, confidence: float | None
    ) -> Prediction:
        document = view.document
        edits = shift_edits(parsed.edits, offset)
        key = (document.project, document.path, document.version, edits)
        return Prediction(
            id=hashlib.sha256(repr(key).encode("utf-8", "backslashreplace")).hexdigest()[:32],
            project=document.project,
            path=document.path,
            version=document.version,
            edits=edits,
            proposer=self._name,
            why=f"the model {self._runner.model} changes {_count_places(edits)}",
            cursor=None if parsed.cursor is None else parsed.cursor + offset,
            confidence=confidence,
        )


class _FirstEdit:
    """Takes the output as it grows and passes on, once, the answer with its first change."""

    def __init__(self, unchanged: str, take: Callable[[str], None]) -> None:
        self._unchanged = unchanged
        self._take = take
        self._is_done = False

    def __call__(self, output: str) -> None:
        if self._is_done:
            return
        finished = find_first_finished(self._unchanged, output)
        if finished is not None:
            self._is_done = True
            self._take(finished)


def _region(prompt_input: PromptInput, rendered: RenderedPrompt) -> str:
    start, end = rendered.editable
    return normalize(prompt_input.cursor_excerpt[start:end])


def _excerpt_offset(view: View, prompt_input: PromptInput) -> int | None:
    """Where the cursor excerpt starts in the document; None when it is not there any more."""
    snapshot = view.document.snapshot
    try:
        start = snapshot.offset(Point(prompt_input.excerpt_start_row, 0))
        there = snapshot.slice(Span(start, start + len(prompt_input.cursor_excerpt)))
    except TextError:
        return None
    return start if there == prompt_input.cursor_excerpt else None


def _with_changed_row(prompt_input: PromptInput) -> PromptInput:
    """The input with another character at the start of the cursor's row."""
    text = prompt_input.cursor_excerpt
    start = text.rfind("\n", 0, prompt_input.cursor_offset) + 1
    here = text[start : start + 1]
    other = "b" if here == "a" else "a"
    changed = text[:start] + other + text[start + (0 if here in ("", "\n", "\r") else 1) :]
    return replace(
        prompt_input,
        cursor_excerpt=changed,
        cursor_offset=min(prompt_input.cursor_offset, len(changed)),
    )


def _silence(problem: RunnerError | SettingsError) -> Discarded:
    reason = next((name for kind, name in _REASONS if isinstance(problem, kind)), "runner_error")
    return Discarded(reason=reason, detail=str(problem))


def _count_places(edits: tuple[TextEdit, ...]) -> str:
    return "one place" if len(edits) == 1 else f"{len(edits)} places"
