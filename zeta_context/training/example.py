"""The example: a starting state, what should follow, and where it comes from; and files of them.

One JSON object a line. What should follow is said as edits of the cursor excerpt, several times
where several are right. Knows nothing of how examples are made, taught or scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zeta_context.errors import DatasetError
from zeta_context.prompt.codec import decode_dict, encode_dict
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit, apply_edits, validate_edits
from zeta_context.text.point import Span

EXAMPLE_SCHEMA = 1

Origin = Literal["commit", "session", "capture", "handwritten"]
"""Where the starting state comes from: `commit` was typed out by a model, the others by people."""

TargetSource = Literal["settled", "teacher", "repaired", "handwritten"]
"""Who said what should follow: `settled` is what the user made of it."""

Purpose = Literal["evaluation", "training"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Edits of the cursor excerpt that are right: none at all where nothing should follow.

    `teacher` names the model and the prompt that said so. `cursor` is an offset in the excerpt as
    edited.
    """

    edits: tuple[TextEdit, ...]
    source: TargetSource
    teacher: str = ""
    cursor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A starting state and its targets; `rejected` is what somebody saw and did not want.

    `repository` is what examples of one project share and others do not; `at` is when the state
    was, in seconds since the epoch (0: unknown).
    """

    name: str
    repository: str
    prompt_input: PromptInput
    origin: Origin
    purpose: Purpose = "evaluation"
    revision: str = ""
    at: float = 0.0
    targets: tuple[Target, ...] = ()
    rejected: tuple[TextEdit, ...] | None = None
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    schema: int = EXAMPLE_SCHEMA

    def text_after(self, target: Target) -> str:
        """The cursor excerpt as a target leaves it."""
        return apply_edits(self.prompt_input.cursor_excerpt, target.edits)


def encode_example(example: Example) -> str:
    """An example as one line of JSON, without a line feed."""
    data = {
        "schema": example.schema,
        "name": example.name,
        "repository": example.repository,
        "revision": example.revision,
        "at": example.at,
        "origin": example.origin,
        "purpose": example.purpose,
        "tags": list(example.tags),
        "prompt_input": encode_dict(example.prompt_input),
        "targets": [
            {
                "edits": _encode_edits(target.edits),
                "source": target.source,
                "teacher": target.teacher,
                "cursor": target.cursor,
            }
            for target in example.targets
        ],
        "rejected": None if example.rejected is None else _encode_edits(example.rejected),
        "extra": dict(example.extra),
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def decode_example(line: str | bytes) -> Example:
    """The example that a line holds; raises DatasetError, which says what is wrong."""
    try:
        data = json.loads(line)
        schema = data["schema"]
        if not isinstance(schema, int) or not 1 <= schema <= EXAMPLE_SCHEMA:
            raise DatasetError(f"an example of schema {schema!r}: this version reads 1")
        prompt_input = decode_dict(data["prompt_input"])
        rejected = data.get("rejected")
        example = Example(
            name=str(data["name"]),
            repository=str(data["repository"]),
            revision=str(data.get("revision", "")),
            at=float(data.get("at", 0.0)),
            origin=data["origin"],
            purpose=data["purpose"],
            tags=tuple(map(str, data.get("tags", ()))),
            prompt_input=prompt_input,
            targets=tuple(
                Target(
                    edits=_decode_edits(one["edits"], prompt_input),
                    source=one["source"],
                    teacher=str(one.get("teacher", "")),
                    cursor=one.get("cursor"),
                )
                for one in data["targets"]
            ),
            rejected=None if rejected is None else _decode_edits(rejected, prompt_input),
            extra=data.get("extra", {}),
        )
    except DatasetError:
        raise
    except Exception as error:  # what json and the codec say may quote the text
        raise DatasetError(f"no example: {type(error).__name__}") from None
    return example


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a file, one at a time; raises DatasetError with the number of a bad line."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield decode_example(line)
                except DatasetError as error:
                    raise DatasetError(f"{path.name}, line {number}: {error}") from None
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read: {error.strerror}") from error


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write a file of examples, whole or not at all; returns how many."""
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(encode_example(example) + "\n")
            count += 1
    partial.replace(path)
    return count


def _encode_edits(edits: Iterable[TextEdit]) -> list[list[Any]]:
    return [[edit.span.start, edit.span.end, edit.new_text] for edit in edits]


def _decode_edits(data: Any, prompt_input: PromptInput) -> tuple[TextEdit, ...]:
    edits = tuple(TextEdit(Span(int(start), int(end)), str(text)) for start, end, text in data)
    validate_edits(edits, len(prompt_input.cursor_excerpt))
    return edits
