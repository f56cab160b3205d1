"""What of a prompt input may leave this machine: searches its parts and leaves out what may not.

The text of an excluded file and a snippet with a secret are left out, and nothing is predicted
remotely where the cursor is in one. Counts by rule, never by text or path. Knows nothing of
consent, or of where the prompt would go.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.secret_checks import entropy
from zeta_context.consent.secrets import SecretHit, find_secrets
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput, RelatedFile
from zeta_context.text.point import Span

PartKind = Literal["cursor_excerpt", "event", "related_excerpt", "diagnostic"]

_PIECE = 12
_PIECE_STEP = 6
_MAX_PIECES = 400
_WORD = re.compile(r"[^\W\d_][\w.$-]*\w|\S*\d\S*|\w+")
_QUOTED = re.compile(r"[\"'`‘“«]([^\"'`’”»\n]{1,400})[\"'`’”»]")
_PLAIN_WORD = re.compile(r"[A-Za-z]?[a-z]*\Z|\d{1,5}\W*\Z")


class Part(NamedTuple):
    """A part of a prompt input: its kind, its number there, and an excerpt's number in its file."""

    kind: PartKind
    number: int = 0
    excerpt_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHits:
    """The secrets in one part; spans are in its text, which of an event is its diff."""

    part: Part
    hits: tuple[SecretHit, ...]


class Redacted(NamedTuple):
    """What may leave, None for nothing, and how many parts were left out by which rule.

    Reasons are `excluded_` and a rule of exclusions, or `secret_` and a rule of secrets.
    """

    prompt_input: PromptInput | None
    dropped: Mapping[str, int]


def scan_prompt_input(prompt_input: PromptInput) -> tuple[PartHits, ...]:
    """The secrets in an input, by part; parts without any are left out.

    Secrets are found in what a diff adds, removes and shows, in paths, in what several events wrote
    one after the other, and in parts that hold only a piece of a secret found elsewhere.
    """
    texts = _part_texts(prompt_input)
    found: dict[Part, list[SecretHit]] = {part: [] for part in texts}
    secrets: dict[str, str] = {}
    for part, views in texts.items():
        for view in views:
            for hit in find_secrets(view.text):
                secrets.setdefault(view.text[hit.span.start : hit.span.end], hit.rule_id)
                found[part].append(replace(hit, span=view.origin_of(hit.span)))
    for part, hit, secret in _scan_sequences(prompt_input.events):
        secrets.setdefault(secret, hit.rule_id)
        found[part].append(hit)
    pieces = _pieces(secrets)
    for part, views in texts.items():
        if not found[part]:
            found[part] += _find_pieces(views, pieces)
    return tuple(
        PartHits(part=part, hits=tuple(dict.fromkeys(hits))) for part, hits in found.items() if hits
    )


def redact_prompt_input(
    prompt_input: PromptInput, exclusions: Exclusions | Mapping[str, Exclusions]
) -> Redacted:
    """The input without what may not leave; nothing when that is what the cursor is in.

    `exclusions` are those of the input's own project, or of each project by name: a file of any
    other project is left out. So are files outside the project, and diagnostics that say more than
    the parts that remain.
    """
    if isinstance(exclusions, Exclusions):
        exclusions = {prompt_input.project: exclusions}
    dropped: Counter[str] = Counter()
    reason = _reason_against(prompt_input, exclusions)
    if reason:
        return Redacted(None, {reason: 1})
    hits = {found.part: found.hits for found in scan_prompt_input(prompt_input)}
    if Part("cursor_excerpt") in hits:
        return Redacted(None, _reasons(hits[Part("cursor_excerpt")]))
    events: list[Event] = []
    for index, event in enumerate(prompt_input.events):
        reason = _rule_against(event.project, (event.path, event.old_path), exclusions)
        if reason:
            dropped[reason] += 1
        elif Part("event", index) in hits:
            dropped.update(_reasons(hits[Part("event", index)]))
        else:
            events.append(event)
    related = tuple(
        kept
        for index, file in enumerate(prompt_input.related_files)
        if (kept := _redact_file(file, index, exclusions, hits, dropped)) is not None
    )
    remaining = replace(prompt_input, events=tuple(events), related_files=related, diagnostics=())
    known = "\n".join(view.text for views in _part_texts(remaining).values() for view in views)
    diagnostics = []
    for index, diagnostic in enumerate(prompt_input.diagnostics):
        if Part("diagnostic", index) in hits:
            dropped.update(_reasons(hits[Part("diagnostic", index)]))
        elif not _says_only(f"{diagnostic.source} {diagnostic.message}", known):
            dropped["excluded_foreign_text"] += 1
        else:
            diagnostics.append(diagnostic)
    return Redacted(replace(remaining, diagnostics=tuple(diagnostics)), dict(dropped))


class _View(NamedTuple):
    """A text to be searched, and where its rows are in the part it was made from."""

    text: str
    starts: tuple[int, ...] = (0,)
    origins: tuple[int, ...] = (0,)

    def origin_of(self, span: Span) -> Span:
        first = bisect_right(self.starts, span.start) - 1
        last = max(bisect_right(self.starts, span.end - 1) - 1, first)
        start = self.origins[first] + span.start - self.starts[first]
        return Span(start, self.origins[last] + span.end - self.starts[last])


def _part_texts(prompt_input: PromptInput) -> dict[Part, tuple[_View, ...]]:
    texts: dict[Part, tuple[_View, ...]] = {
        Part("cursor_excerpt"): (_View(prompt_input.cursor_excerpt), _path_view(prompt_input.path))
    }
    for index, event in enumerate(prompt_input.events):
        paths = (_path_view(path) for path in (event.path, event.old_path) if path)
        sides = (_side(event.diff, " +"), _side(event.diff, " -"))
        texts[Part("event", index)] = (*sides, *paths)
    for index, file in enumerate(prompt_input.related_files):
        for number, excerpt in enumerate(file.excerpts):
            views = (_View(excerpt.text), _path_view(file.path), _View(excerpt.symbol))
            texts[Part("related_excerpt", index, number)] = views
    for index, diagnostic in enumerate(prompt_input.diagnostics):
        texts[Part("diagnostic", index)] = (_View(diagnostic.message),)
    return texts


def _path_view(path: str) -> _View:
    """A path to be searched; all of it counts as being where the part begins."""
    return _View(path)


def _side(diff: str, signs: str) -> _View:
    """The rows of a diff that one side has, without their signs."""
    rows: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = at = 0
    for row in diff.splitlines(keepends=True):
        if row[0] in signs:
            rows.append(row[1:])
            starts.append(length)
            origins.append(at + 1)
            length += len(row) - 1
        at += len(row)
    return _View("".join(rows), tuple(starts) or (0,), tuple(origins) or (0,))


def _scan_sequences(events: Iterable[Event]) -> list[tuple[Part, SecretHit, str]]:
    """The secrets that several events wrote piece by piece, for each event that wrote a piece."""
    written: dict[tuple[str, str], list[tuple[int, str, int]]] = {}
    for index, event in enumerate(events):
        fragment = _inserted(event.diff)
        if fragment:
            entry = (index, fragment, len(event.diff))
            written.setdefault((event.project, event.path), []).append(entry)
    found: list[tuple[Part, SecretHit, str]] = []
    for fragments in written.values():
        if len(fragments) < 2:
            continue
        text = "".join(fragment for _, fragment, _ in fragments)
        hits = find_secrets(text)
        at = 0
        for index, fragment, length in fragments:
            for hit in hits:
                if hit.span.start < at + len(fragment) and hit.span.end > at:
                    own = replace(hit, span=Span(0, length), is_derived=True)
                    found.append((Part("event", index), own, text[hit.span.start : hit.span.end]))
            at += len(fragment)
    return found


def _inserted(diff: str) -> str:
    """What an event wrote: of each run of changed rows, what is new between its ends."""
    fragments: list[str] = []
    old: list[str] = []
    new: list[str] = []
    for row in (*diff.splitlines(keepends=True), " "):
        if row[0] == "-":
            old.append(row[1:])
        elif row[0] == "+":
            new.append(row[1:])
        elif old or new:
            fragments.append(_middle("".join(old), "".join(new)))
            old, new = [], []
    return "".join(fragments)


def _middle(old: str, new: str) -> str:
    start = 0
    limit = min(len(old), len(new))
    while start < limit and old[start] == new[start]:
        start += 1
    end = 0
    while end < limit - start and old[len(old) - 1 - end] == new[len(new) - 1 - end]:
        end += 1
    return new[start : len(new) - end]


def _pieces(secrets: Mapping[str, str]) -> dict[str, str]:
    """Pieces of secrets that tell of them, with their rules: half a key is a secret, too."""
    pieces: dict[str, str] = {}
    for secret, rule_id in secrets.items():
        if len(secret) < _PIECE:
            pieces[secret] = rule_id
            continue
        last = len(secret) - _PIECE
        step = max(_PIECE_STEP, last // _MAX_PIECES)
        for start in (*range(0, last, step), last):
            piece = secret[start : start + _PIECE]
            if entropy(piece) >= 2.5 and "PRIVATE KEY" not in piece:
                pieces[piece] = rule_id
    return {piece: rule_id for piece, rule_id in pieces.items() if len(piece) >= 6}


def _find_pieces(views: Iterable[_View], pieces: Mapping[str, str]) -> list[SecretHit]:
    for view in views:
        for piece, rule_id in pieces.items():
            at = view.text.find(piece)
            if at >= 0:
                span = view.origin_of(Span(at, at + len(piece)))
                return [SecretHit(rule_id=rule_id, span=span, is_derived=True)]
    return []


def _reason_against(prompt_input: PromptInput, exclusions: Mapping[str, Exclusions]) -> str:
    """Why nothing of an input may leave, as far as its file tells; empty when it may."""
    own = exclusions.get(prompt_input.project)
    if own is not None and own.repository_rules.forbids_remote:
        return "excluded_repository_forbids_remote"
    return _rule_against(prompt_input.project, (prompt_input.path,), exclusions)


def _rule_against(
    project: str, paths: Iterable[str | None], exclusions: Mapping[str, Exclusions]
) -> str:
    own = exclusions.get(project)
    if own is None:
        return "excluded_other_project"
    for path in paths:
        if path is not None and (decision := own.decide(path)).is_excluded:
            return f"excluded_{decision.rule_id}"
    return ""


def _redact_file(
    file: RelatedFile,
    index: int,
    exclusions: Mapping[str, Exclusions],
    hits: Mapping[Part, tuple[SecretHit, ...]],
    dropped: Counter[str],
) -> RelatedFile | None:
    if file.is_outside_project:
        dropped["excluded_outside_project"] += 1
        return None
    reason = _rule_against(file.project, (file.path,), exclusions)
    if reason:
        dropped[reason] += 1
        return None
    excerpts = []
    for number, excerpt in enumerate(file.excerpts):
        found = hits.get(Part("related_excerpt", index, number))
        if found is None:
            excerpts.append(excerpt)
        else:
            dropped.update(_reasons(found))
    return replace(file, excerpts=tuple(excerpts)) if excerpts else None


def _reasons(hits: Iterable[SecretHit]) -> dict[str, int]:
    return {f"secret_{rule_id}": 1 for rule_id in sorted({hit.rule_id for hit in hits})}


def _says_only(message: str, known: str) -> bool:
    """Whether a message has, besides plain words, only what `known` has.

    A language server quotes other files in its messages, and does not say which.
    """
    if any(quoted not in known for quoted in _QUOTED.findall(message)):
        return False
    return all(
        _PLAIN_WORD.match(word) is not None or word.strip("\"'`.,:;()[]") in known
        for word in _WORD.findall(message)
    )
