"""What the user has just changed that other places depend on: a name, a signature, a type.

Judged from the text and from what was done to it; whether other places do depend on it is for the
language server to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from zeta_context.context.syntax import SyntaxTree, enclosing_items
from zeta_context.events.document import OpenDocument
from zeta_context.predict.provenance import Provenance
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

CauseKind = Literal["rename", "signature", "type"]

MAX_UNDOS = 80
"""Keys that a name is traced back by."""

_IDENTIFIER = re.compile(r"[^\W\d]\w*\Z")
_IMPORT = re.compile(r"\s*(?:from|import|use|pub use)\b|\s*export\s*[*{]|.*\brequire\(")
_TYPED = re.compile(r"\s*(?:[a-z]+(?:\([a-z]+\))?\s+)*([^\W\d]\w*)[?!]?\s*:(?!:)\s*([^=]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`name` at `span` of a document's text was changed.

    For a rename `name` is the old one, `new_name` stands at `span` now, and `before` is the whole
    text that had the old one there; else both names are the same and `before` is the text now.
    A name brought in by an import (`is_import`) concerns this document alone.
    """

    kind: CauseKind
    project: str
    path: str
    name: str
    new_name: str
    span: Span
    before: TextSnapshot
    is_import: bool = False


def find_cause(
    document: OpenDocument,
    provenance: Provenance,
    tree: SyntaxTree | None,
    *,
    is_used: Callable[[str], bool],
) -> Cause | None:
    """The cause that the latest change of a document is, if it is one.

    `is_used` tells whether a name stands anywhere else: only such a one was renamed.
    """
    if not provenance.undos or provenance.last is None or not provenance.last.is_intended:
        return None
    place = provenance.undos[0].span
    return _find_rename(document, provenance, place, is_used) or _find_declaration(
        document, place, tree
    )


def word_at(snapshot: TextSnapshot, offset: int) -> Span:
    """The span of the word that an offset touches; empty where there is none."""
    row = snapshot.point(offset).row
    start, text = snapshot.row_start(row), snapshot.row(row)
    first = last = offset - start
    while first > 0 and _is_word(text[first - 1]):
        first -= 1
    while last < len(text) and _is_word(text[last]):
        last += 1
    return Span(start + first, start + last)


def has_word(text: str, word: str) -> bool:
    """Whether a text has a word as a whole."""
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(word) : at + len(word) + 1]
        if not _is_word(before) and not _is_word(after):
            return True
        at = text.find(word, at + 1)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _find_rename(
    document: OpenDocument, provenance: Provenance, place: Span, is_used: Callable[[str], bool]
) -> Cause | None:
    snapshot = document.snapshot
    span = word = word_at(snapshot, place.start)
    new_name = snapshot.slice(span)
    if not _IDENTIFIER.match(new_name):
        return None
    text = snapshot
    undos = provenance.undos[:MAX_UNDOS]
    for undo, older in zip(undos, [*undos[1:], None], strict=True):
        if not word.start <= undo.span.start <= undo.span.end <= word.end:
            return None
        text = text.edit(undo.span, undo.new_text)
        word = Span(word.start, word.end + undo.growth)
        # A name stood there where typing it had ended: what was typed is gone before and after it.
        is_end = (
            older is None
            or (bool(undo.new_text) and not older.new_text)
            or bool(undo.span.length and undo.new_text)
            or not word.start <= older.span.start <= older.span.end <= word.end
        )
        name = text.slice(word)
        is_whole = is_end and word_at(text, word.start) == word and _IDENTIFIER.match(name)
        if is_whole and name != new_name and is_used(name):
            row = text.row(text.point(word.start).row)
            return Cause(
                kind="rename",
                project=document.project,
                path=document.path,
                name=name,
                new_name=new_name,
                span=span,
                before=text,
                is_import=bool(_IMPORT.match(row)),
            )
    return None


def _find_declaration(document: OpenDocument, place: Span, tree: SyntaxTree | None) -> Cause | None:
    snapshot = document.snapshot
    if tree is None:
        return None
    found: tuple[CauseKind, Span] | None = None
    for item in reversed(enclosing_items(tree, place.start)):
        name = item.name_span
        if name is not None and name.end < place.start and place.end <= item.header.end:
            found = ("signature" if item.kind in ("function", "method") else "type", name)
            break
    if found is None:
        row = snapshot.point(place.start).row
        start = snapshot.row_start(row)
        typed = _TYPED.match(snapshot.row(row))
        if typed and typed.start(2) <= place.start - start <= typed.end(2):
            found = ("type", Span(start + typed.start(1), start + typed.end(1)))
    if found is None:
        return None
    kind, span = found
    name_text = snapshot.slice(span)
    return Cause(
        kind=kind,
        project=document.project,
        path=document.path,
        name=name_text,
        new_name=name_text,
        span=span,
        before=snapshot,
    )
