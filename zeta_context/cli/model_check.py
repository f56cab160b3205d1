"""Checks one model: that it loads, that its format fits, how fast it is, what it predicts.

The sample is made here, so nothing of the user's files is shown to any model. Works with every
runner; of a local one it tells more.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from zeta_context.errors import OutputError, SettingsError, ZetaError
from zeta_context.events.event import Event
from zeta_context.predict.remote_use import meter
from zeta_context.predict.report import read_memory_mb
from zeta_context.prompt.format import Format, RenderedPrompt
from zeta_context.prompt.input import PromptInput
from zeta_context.runners.base import Completion, CompletionRequest, Runner
from zeta_context.runners.endpoint import RemotePermission
from zeta_context.runners.opening import choose_format, find_endpoint, open_runner
from zeta_context.runners.settings import ModelSettings
from zeta_context.text.edit import apply_edits
from zeta_context.text.patch import render_unified
from zeta_context.text.point import Span

MOST_TOKENS = 256
"""About three times the sample: a model that says more wanders."""

PATIENCE_MS = 180_000.0

_SAMPLE = """\
class Order:
    def __init__(self, items: list[Item]) -> None:
        self.lines = items

    def total(self) -> int:
        return sum(item.price for item in self.items)

    def count(self) -> int:
        return len(self.items)
"""
_CHANGED = "@@ -1,3 +1,3 @@\n class Order:\n     def __init__(self, items: list[Item]) -> None:\n"
_CHANGED += "-        self.items = items\n+        self.lines = items\n"


@dataclass(slots=True, kw_only=True)
class Report:
    """What was found; `problem` is empty when the model works, times are milliseconds.

    `pass_ms` tells what a pass of so many tokens takes, as the engine was measured when loaded,
    `memory_mb` what this process holds once a local model has answered, in megabytes.
    """

    model: str
    runner: str
    format: str = ""
    is_remote: bool = False
    engine: str = ""
    notes: list[str] = field(default_factory=list)
    pass_ms: dict[int, float] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    load_ms: float | None = None
    memory_mb: float | None = None
    answer_ms: float | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    prompt_tokens_per_s: float | None = None
    output_tokens_per_s: float | None = None
    prediction: str = ""
    diff: str = ""
    problem: str = ""

    def as_data(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def make_sample() -> PromptInput:
    """A small file in which an attribute was just renamed, with the cursor at the next use."""
    start = _SAMPLE.index("lines")
    span = Span(start, start + len("lines"))
    event = Event(
        project="sample", path="shop/order.py", diff=_CHANGED, old_span=span, new_span=span
    )
    return PromptInput(
        project="sample",
        path="shop/order.py",
        language="python",
        cursor_excerpt=_SAMPLE,
        cursor_offset=_SAMPLE.index("self.items)"),
        excerpt_start_row=0,
        syntax_spans=(Span(0, len(_SAMPLE)),),
        events=(event,),
        trigger="testing",
    )


def make_request(prompt_format: Format) -> tuple[RenderedPrompt, CompletionRequest]:
    """The sample in a format, as a prediction would ask for it."""
    sample = make_sample()
    rendered = prompt_format.render(sample)
    region = sample.cursor_excerpt[rendered.editable.start : rendered.editable.end]
    request = CompletionRequest(
        prompt=rendered.text,
        stop=rendered.stop,
        max_output_tokens=min(rendered.max_output_tokens, MOST_TOKENS),
        guesses=(prompt_format.encode(sample, region),),
        reference=region,
        messages=rendered.messages,
    )
    return rendered, request


def check_model(settings: ModelSettings, permission: RemotePermission) -> Report:
    """Check the model of the settings; what goes wrong is the report's `problem`.

    Raises SettingsError when the settings choose no model.
    """
    if settings.kind == "none":
        raise SettingsError("no model is chosen: name one, or set one under [model]")
    if settings.kind == "local":  # a slow model is told to be slow, not given up
        settings = replace(settings, timeout_ms=max(settings.timeout_ms, PATIENCE_MS))
    report = Report(model=settings.model_name or settings.endpoint, runner=settings.kind)
    try:
        runner = open_runner(settings, permission=permission)
        if runner.is_remote:
            runner = meter(runner, find_endpoint(settings), permission)
    except ZetaError as problem:
        report.problem = str(problem)
        return report
    try:
        report.is_remote = runner.is_remote
        prompt_format = choose_format(settings)
        report.format = prompt_format.name
        _load(runner, report)
        _predict(runner, prompt_format, report)
    except ZetaError as problem:
        report.problem = str(problem)
    finally:
        runner.close()
    return report


def _load(runner: Runner, report: Report) -> None:
    """Load a local model, which checks that it was made for the format."""
    if report.runner != "local":
        return
    from zeta_context.runners.local.runner import LocalRunner

    if not isinstance(runner, LocalRunner):
        return
    started = time.perf_counter()
    loaded = runner.load()
    report.load_ms = (time.perf_counter() - started) * 1000
    report.engine, report.notes = loaded.engine.name, list(loaded.notes)
    cost = loaded.engine.cost
    report.pass_ms = dict(zip(cost.widths, cost.times_ms, strict=True))
    report.sha256 = dict(loaded.sha256)


def _predict(runner: Runner, prompt_format: Format, report: Report) -> None:
    _, request = make_request(prompt_format)
    started = time.perf_counter()
    answer = runner.complete(request)
    report.answer_ms = (time.perf_counter() - started) * 1000
    report.memory_mb = read_memory_mb() if report.runner == "local" else None
    if not isinstance(answer, Completion):
        report.problem = f"the request was {answer.reason}"
        return
    usage = answer.usage
    report.model = answer.model or report.model
    report.prompt_tokens, report.output_tokens = usage.prompt_tokens, usage.output_tokens
    read = usage.prompt_tokens - usage.cached_tokens
    if usage.prefill_ms and read > 0:
        report.prompt_tokens_per_s = read / usage.prefill_ms * 1000
    if usage.decode_ms and usage.output_tokens:
        report.output_tokens_per_s = usage.output_tokens / usage.decode_ms * 1000
    sample = make_sample()
    try:
        parsed = prompt_format.parse(answer.text, sample, finish_reason=answer.finish_reason)
    except OutputError as problem:
        report.prediction = "bad_output"
        report.notes.append(
            f"its answer is not in the format ({problem}): the model was made for another one, or "
            "is too small"
        )
        return
    report.prediction = parsed.kind
    if parsed.kind == "truncated":
        report.notes.append(
            f"it did not end within {MOST_TOKENS} tokens, or only repeated itself: the model was "
            "made for another format, or is too small"
        )
    if parsed.kind == "edits":
        after = apply_edits(_SAMPLE, parsed.edits)
        report.diff = render_unified(_SAMPLE, after, paths=(sample.path, sample.path))


def print_report(report: Report) -> None:
    """Show a report to people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from zeta_context.cli.rendering import make_harmless

    console = Console(soft_wrap=True, highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    place = "on another machine" if report.is_remote else "on this machine"
    for name, value in (
        ("model", f"{report.model} ({report.runner}, {place})"),
        ("format", report.format),
        ("engine", report.engine),
        ("a pass takes", ", ".join(f"{w} tokens {ms:.0f} ms" for w, ms in report.pass_ms.items())),
        ("loaded in", _tell(report.load_ms, "ms")),
        ("memory", _tell(report.memory_mb, "MB")),
        ("answered in", _tell(report.answer_ms, "ms")),
        ("reads", _tell(report.prompt_tokens_per_s, f"tokens/s ({report.prompt_tokens} read)")),
        ("writes", _tell(report.output_tokens_per_s, f"tokens/s ({report.output_tokens} written)")),
        ("prediction", report.prediction.replace("_", " ")),
        *(("note", note) for note in report.notes),
    ):
        if value:
            table.add_row(name, Text(make_harmless(value)))
    console.print(table)
    for row in report.diff.splitlines():
        style = {"+": "green", "-": "red"}.get(row[:1], "")
        console.print(Text(make_harmless(row), style=style))
    if report.problem:
        console.print(Text.assemble(("problem ", "bold red"), make_harmless(report.problem)))


def _tell(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.0f} {unit}"
