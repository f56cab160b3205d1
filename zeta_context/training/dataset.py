"""From what a collection server exported to a set of examples, and what it was made from.

Only the starting state enters: what users wrote afterwards is not even looked at, unless the caller
asks for it by name; and then only where a record holds it, which takes the second consent. Every
loss has a counted reason. A set has a manifest beside it, and can be cut again when records were
withdrawn. Knows nothing of servers or teachers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from zeta_context.capture.codec import from_dict
from zeta_context.capture.example import Example as Captured
from zeta_context.consent.secrets import find_secrets
from zeta_context.counts import Counts
from zeta_context.errors import CaptureError, DatasetError, PatchError, PromptError
from zeta_context.prompt.input import PromptInput
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import TextEdit
from zeta_context.text.patch import apply_hunks, parse_patch
from zeta_context.training.example import Example, Target, encode_example, read_examples
from zeta_context.training.leakage import NearDuplicates, assign_purpose, sign_example

MANIFEST_SCHEMA = 1
Settled = Literal["none", "evaluation", "training"]
"""What the users' own continuations are used for, where their second consent gave them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSettings:
    """What is taken: `held_out_share` of the repositories are for evaluation, and so is what is
    not before `cutoff` (seconds since the epoch)."""

    held_out_share: float = 0.1
    cutoff: float | None = None
    settled: Settled = "none"
    salt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that examples came from: its name, never a path, and the SHA-256 of its bytes."""

    name: str
    sha256: str
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a set of examples is: its own digest, where it came from, by which filters, and how
    many were lost to what. `parent` is the digest of the set that it was cut from."""

    examples: int
    sha256: str
    sources: tuple[Source, ...]
    filters: Mapping[str, Any] = field(default_factory=dict)
    funnel: Mapping[str, int] = field(default_factory=dict)
    parent: str = ""
    schema: int = MANIFEST_SCHEMA


def pull_examples(
    lines: Iterable[str | bytes], settings: PullSettings, counts: Counts
) -> Iterator[Example]:
    """The trainable and measurable examples of exported lines.

    Counted: `captured`, then for every loss `lost_` and the reason (`unreadable`, `not_asked`: no
    prediction was asked for by an event, `not_open_source`, `outside_project`, `secret`,
    `duplicate`, `near_duplicate`), and `kept_training` or `kept_evaluation`.
    """
    seen = NearDuplicates()
    known: set[str] = set()
    for line in lines:
        counts.add("captured")
        example = _read(line, settings, counts)
        if example is None:
            continue
        if example.name in known:
            counts.add("lost_duplicate")
            continue
        known.add(example.name)
        signature = sign_example(replace(example, targets=()))
        if seen.holds(signature):
            counts.add("lost_near_duplicate")
            continue
        seen.add(signature)
        counts.add(f"kept_{example.purpose}")
        yield example


def recut_examples(
    examples: Iterable[Example], lines: Iterable[str | bytes], counts: Counts
) -> Iterator[Example]:
    """Those that a newer export still holds: what was withdrawn since is not in it."""
    there = {str(json.loads(line).get("id", "")) for line in lines if line.strip()}
    for example in examples:
        if example.name in there:
            counts.add("kept")
            yield example
        else:
            counts.add("lost_withdrawn")


def write_dataset(
    path: Path,
    examples: Iterable[Example],
    *,
    sources: Sequence[Source],
    filters: Mapping[str, Any],
    counts: Counts,
    parent: str = "",
) -> Manifest:
    """Write a set and its manifest, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    digest = hashlib.sha256()
    number = 0
    with partial.open("wb") as file:
        for example in examples:
            line = encode_example(example).encode("utf-8", "surrogatepass") + b"\n"
            digest.update(line)
            file.write(line)
            number += 1
    manifest = Manifest(
        examples=number,
        sha256=digest.hexdigest(),
        sources=tuple(sources),
        filters=dict(filters),
        funnel=counts.totals(),
        parent=parent,
    )
    text = json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n"
    manifest_path(path).write_text(text, encoding="utf-8")
    partial.replace(path)
    return manifest


def read_dataset(path: Path) -> tuple[Manifest, Iterator[Example]]:
    """A set with its manifest; raises DatasetError when the file is not what that says."""
    try:
        data = json.loads(manifest_path(path).read_text("utf-8"))
        if data["schema"] != MANIFEST_SCHEMA:
            raise DatasetError(f"{path.name}: its manifest is of schema {data['schema']!r}")
        sources = tuple(Source(**one) for one in data.pop("sources"))
        manifest = Manifest(sources=sources, **data)
    except OSError:
        raise DatasetError(f"{path.name} has no manifest beside it") from None
    except (ValueError, KeyError, TypeError):
        raise DatasetError(f"the manifest of {path.name} cannot be read") from None
    if describe_source(path).sha256 != manifest.sha256:
        raise DatasetError(
            f"{path.name} is not the file that its manifest describes: pull it again"
        )
    return manifest, read_examples(path)


def describe_source(path: Path) -> Source:
    """A file as a source; raises DatasetError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return Source(name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read: {error.strerror}") from None


def manifest_path(path: Path) -> Path:
    """Where the manifest of a set lies."""
    return path.with_name(path.name + ".manifest.json")


def _read(line: str | bytes, settings: PullSettings, counts: Counts) -> Example | None:
    try:
        data = json.loads(line)
        source = data.pop("source", {})
        captured = from_dict(data)
    except (CaptureError, PromptError, ValueError, TypeError, KeyError, AttributeError):
        counts.add("lost_unreadable")
        return None
    if not isinstance(captured, Captured):
        counts.add("lost_unreadable")
        return None
    reason = _refuse(captured.prompt_input, source)
    if reason is not None:
        counts.add(f"lost_{reason}")
        return None
    repository = f"{source.get('tenant', '')}/{source.get('project', '')}"
    purpose = assign_purpose(
        repository,
        captured.at,
        held_out_share=settings.held_out_share,
        cutoff=settings.cutoff,
        salt=settings.salt,
    )
    example = Example(
        name=captured.id,
        repository=repository,
        prompt_input=captured.prompt_input,
        origin="capture",
        purpose=purpose,
        at=captured.at,
        tags=(captured.prompt_input.language,),
        extra={"source": source},
    )
    return _with_settled(example, captured, settings, counts)


def _refuse(prompt_input: PromptInput, source: Mapping[str, Any]) -> str | None:
    if not prompt_input.events:
        return "not_asked"
    verdicts = [prompt_input.in_open_source_repo]
    verdicts += [event.in_open_source_repo for event in prompt_input.events]
    if not source.get("licences") or False in verdicts:
        return "not_open_source"
    if any(one.is_outside_project for one in prompt_input.related_files):
        return "outside_project"
    texts = [prompt_input.cursor_excerpt, *(event.diff for event in prompt_input.events)]
    texts += [one.text for file in prompt_input.related_files for one in file.excerpts]
    return "secret" if any(map(find_secrets, texts)) else None


def _with_settled(
    example: Example, captured: Captured, settings: PullSettings, counts: Counts
) -> Example:
    """The example with what the user made of it, where that was asked for and may be used."""
    outcome = captured.outcome
    is_wanted = settings.settled == "training" or (
        settings.settled == "evaluation" and example.purpose == "evaluation"
    )
    if not is_wanted or outcome is None or outcome.following is None:
        return example
    path = example.prompt_input.path
    diffs = [event.diff for event in outcome.following if event.path == path]
    settled = _apply(example.prompt_input, diffs)
    if not settled:
        counts.add("settled_unusable")
        return example
    rejected = None
    if captured.prediction is not None and outcome.was_shown and not outcome.accepted:
        rejected = _apply(example.prompt_input, [captured.prediction.diff])
    counts.add("settled_used")
    target = Target(edits=settled, source="settled")
    return replace(example, targets=(target,), rejected=rejected or None)


def _apply(prompt_input: PromptInput, diffs: Sequence[str]) -> tuple[TextEdit, ...]:
    """The edits of the cursor excerpt that diffs of its file make; none where they do not fit."""
    blank = "\n" * prompt_input.excerpt_start_row
    text = blank + prompt_input.cursor_excerpt
    try:
        for diff in diffs:
            (file,) = parse_patch(f"--- a/f\n+++ b/f\n{diff}").files
            text = apply_hunks(text, file.hunks, search=True)
    except (PatchError, ValueError):
        return ()
    if not text.startswith(blank):
        return ()
    return diff_text(prompt_input.cursor_excerpt, text[len(blank) :])
