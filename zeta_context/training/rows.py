"""Examples as rows that trainers take: prompt and completion, or prompt, chosen and rejected.

The prompt is what the editor would have rendered, the completion what the format's parser reads
back as the target: each row is checked to come back. Sharded over processes of Ray where asked
for, with the same rows in the same order. Knows nothing of tokenizers or models.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

from zeta_context.counts import Counts
from zeta_context.errors import OutputError, PromptError, SettingsError
from zeta_context.installation import install_command
from zeta_context.prompt.format import Format, RenderedPrompt
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.model_text import normalize
from zeta_context.prompt.registry import find_format
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.training.example import Example, decode_example, encode_example
from zeta_context.training.select import find_leak

Engine = Literal["embedded", "ray"]
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a student is trained on; `rejected` is there for preference tuning."""

    name: str
    prompt: str
    completion: str
    rejected: str | None = None


def make_row(example: Example, prompt_format: Format, max_tokens: int | None) -> Row | str:
    """The row of an example's first target, or why there is none.

    Reasons: `no_target`, `no_prompt` (a marker in the text, or no room), `outside_region`, `leak`,
    `does_not_come_back`.
    """
    if not example.targets:
        return "no_target"
    prompt_input = example.prompt_input
    try:
        rendered = prompt_format.render(prompt_input, max_tokens=max_tokens)
    except PromptError:
        return "no_prompt"
    edits = example.targets[0].edits
    completion = _complete(prompt_input, rendered, prompt_format, edits)
    if completion is None:
        return "outside_region"
    if find_leak(apply_edits(prompt_input.cursor_excerpt, edits), prompt_input.cursor_excerpt):
        return "leak"
    if not _comes_back(prompt_input, prompt_format, completion, edits):
        return "does_not_come_back"
    rejected = None
    if example.rejected is not None:
        rejected = _complete(prompt_input, rendered, prompt_format, example.rejected)
    return Row(name=example.name, prompt=rendered.text, completion=completion, rejected=rejected)


def make_rows(
    examples: Iterable[Example],
    prompt_format: str,
    *,
    max_tokens: int | None = None,
    engine: Engine = "embedded",
    workers: int = 2,
    counts: Counts | None = None,
) -> Iterator[Row]:
    """The rows of examples, in their order; what gives none is counted as `row_` and the reason."""
    counts = counts or Counts()
    batches = iter_batches(map(encode_example, examples))
    arguments = (prompt_format, max_tokens)
    if engine == "ray":
        made = _run_on_ray(batches, arguments, workers)
    else:
        made = (_make_batch(batch, *arguments) for batch in batches)
    for results in made:
        for result in results:
            if isinstance(result, str):
                counts.add(f"row_{result}")
            else:
                counts.add("row_made")
                yield result


def encode_row(row: Row) -> str:
    """A row as a line of JSON, in the layout that TRL and its like read."""
    data: dict[str, Any] = {"name": row.name, "prompt": row.prompt}
    if row.rejected is None:
        return json.dumps(data | {"completion": row.completion}, ensure_ascii=False)
    return json.dumps(
        data | {"chosen": row.completion, "rejected": row.rejected}, ensure_ascii=False
    )


def iter_batches(lines: Iterator[str]) -> Iterator[list[str]]:
    """So many lines at a time."""
    while batch := list(islice(lines, BATCH)):
        yield batch


def _make_batch(batch: Sequence[str], name: str, max_tokens: int | None) -> list[Row | str]:
    prompt_format = find_format(name)
    return [make_row(decode_example(line), prompt_format, max_tokens) for line in batch]


def _run_on_ray(
    batches: Iterator[list[str]], arguments: tuple[str, int | None], workers: int
) -> Iterator[list[Row | str]]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would tell its makers that it is used
    try:
        import ray
        import ray.data
    except ImportError:
        raise SettingsError(
            f"the engine `ray` needs its library: {install_command('scale')}"
        ) from None
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        items = [{"lines": "\n".join(batch)} for batch in batches]
        made = ray.data.from_items(items, override_num_blocks=max(1, min(len(items), 4 * workers)))
        for row in made.map(partial(_make_item, arguments=arguments)).iter_rows():
            yield [Row(**one) if isinstance(one, dict) else one for one in json.loads(row["made"])]
    finally:
        ray.shutdown()


def _make_item(item: dict[str, Any], arguments: tuple[str, int | None]) -> dict[str, Any]:
    """The rows of one item of a Ray data set: plain data on both sides, as Ray wants it."""
    made = _make_batch(item["lines"].split("\n"), *arguments)
    return {"made": json.dumps([one if isinstance(one, str) else asdict(one) for one in made])}


def _complete(
    prompt_input: PromptInput,
    rendered: RenderedPrompt,
    prompt_format: Format,
    edits: Sequence[TextEdit],
) -> str | None:
    """The output that a model should give to make the edits; None when it cannot."""
    start, end = rendered.editable
    if edits and (edits[0].span.start < start or edits[-1].span.end > end):
        return None
    text = apply_edits(prompt_input.cursor_excerpt, edits)
    grown = len(text) - len(prompt_input.cursor_excerpt)
    return prompt_format.encode(prompt_input, normalize(text[start : end + grown]))


def _comes_back(
    prompt_input: PromptInput, prompt_format: Format, completion: str, edits: Sequence[TextEdit]
) -> bool:
    try:
        parsed = prompt_format.parse(completion, prompt_input, finish_reason="stop")
    except OutputError:
        return False
    text = prompt_input.cursor_excerpt
    return normalize(apply_edits(text, parsed.edits)) == normalize(apply_edits(text, edits))
