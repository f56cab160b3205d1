"""Names and rows of the user's own work, and the text of now carried over from a while ago."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.context import syntax
from zeta_context.context.current import MAX_CHANGED_LENGTH, continue_document
from zeta_context.context.diagnostics import (
    MAX_DIAGNOSTICS,
    diagnostics_near,
    to_prompt_diagnostics,
)
from zeta_context.context.files import SourceFile
from zeta_context.context.grammars import language_of
from zeta_context.context.imports import import_pieces, imported_names
from zeta_context.context.nearby import ROWS_AROUND, names_near
from zeta_context.context.related import (
    edited_rows,
    edited_spans,
    module_pieces,
    outline_pieces,
    pieces_around,
    recent_names,
)
from zeta_context.events.event import Event
from zeta_context.lsp.diagnostics import ServerDiagnostic
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

TEXT = """\
import os
from a.b import (
    helper,
    other as renamed,
)

LIMIT = 1


class Shop:
    def open(self, door: Door) -> None:
        local = 1

        def inner() -> None:
            pass

    def close(self) -> None:
        pass


def last() -> None:
    pass
"""


def source_file(text: str = TEXT) -> SourceFile:
    snapshot = TextSnapshot(text)
    tree = syntax.parse("python", snapshot)
    return SourceFile(path=Path("/p/a.py"), language="python", snapshot=snapshot, tree=tree)


def event(path: str, old: Span, new: Span, diff: str = "", project: str = "p") -> Event:
    return Event(project=project, path=path, diff=diff, old_span=old, new_span=new)


def test_names_near_the_cursor_come_with_those_of_the_enclosing_headers() -> None:
    file = source_file()
    cursor = TEXT.index("local = 1")
    names = names_near(file.snapshot, file.tree, cursor)
    assert names[0].name == "local"
    assert {"Shop", "open", "door", "Door", "inner"} <= {one.name for one in names}
    assert "last" not in {one.name for one in names}
    assert [one.rank for one in names] == sorted(one.rank for one in names)


def test_ranks_follow_the_cursor() -> None:
    text = "alpha = 1\nbeta = 2\ngamma = 3\n"
    file = source_file(text)
    first = {one.name: one.rank for one in names_near(file.snapshot, file.tree, 0)}
    last = {one.name: one.rank for one in names_near(file.snapshot, file.tree, len(text))}
    assert first["alpha"] < first["beta"] < first["gamma"]
    assert last["gamma"] < last["beta"] < last["alpha"]


def test_names_at_the_same_distance_share_a_rank() -> None:
    names = names_near(TextSnapshot("ab = cd"), syntax.parse("python", "ab = cd"), 3)
    assert [(one.name, one.rank) for one in names] == [("ab", 0), ("cd", 1)]
    shared = names_near(TextSnapshot("ab + cd"), syntax.parse("python", "ab + cd"), 2)
    assert [one.rank for one in shared] == [0, 1]
    equal = names_near(TextSnapshot("ab  cd"), None, 3)
    assert [one.rank for one in equal] == [0, 0]


def test_plain_text_gives_its_words_in_the_rows_around() -> None:
    rows = "".join(f"word{n}\n" for n in range(20))
    names = names_near(TextSnapshot(rows), None, rows.index("word10"))
    expected = {f"word{n}" for n in range(10 - ROWS_AROUND, 11 + ROWS_AROUND)}
    assert {one.name for one in names} == expected


def test_imported_names_and_their_rows_are_found() -> None:
    file = source_file()
    names = [one.name for one in imported_names(file, 2000)]
    assert {"os", "helper", "renamed"} <= set(names)
    (piece,) = import_pieces(file, 7)
    assert (piece.rows, piece.order) == ((0, 5), 7)


def parsed(name: str, text: str) -> SourceFile:
    language = language_of(name)
    tree = syntax.parse(language, text, path=name)
    return SourceFile(
        path=Path("/p") / name, language=language, snapshot=TextSnapshot(text), tree=tree
    )


@pytest.mark.parametrize(
    ("name", "text", "names", "rows"),
    [
        ("a.c", '#include <stdio.h>\n#include "shop.h"\nint x;\n', ['"shop.h"'], (0, 2)),
        ("a.go", 'package a\n\nimport (\n\t"shop/door"\n)\n', ['"shop/door"'], (2, 5)),
        (
            "a.py",
            "if TYPE_CHECKING:\n    from shop import Door\nx = 1\n",
            ["shop", "Door"],
            (1, 2),
        ),
    ],
)
def test_imports_are_known_by_their_paths_and_below_conditions(
    name: str, text: str, names: list[str], rows: tuple[int, int]
) -> None:
    file = parsed(name, text)
    assert [one.name for one in imported_names(file, 0)] == names
    assert [piece.rows for piece in import_pieces(file, 0)] == [rows]


def test_a_c_header_is_told_by_its_declarations_within_its_guard() -> None:
    text = (
        '#ifndef SHOP_H\n#define SHOP_H\n#ifdef __cplusplus\nextern "C" {\n#endif\n'
        "#define LIMIT 4\nstruct door { int width; };\nint open_door(struct door *door);\n"
        "#ifdef __cplusplus\n}\n#endif\n#endif\n"
    )
    file = parsed("shop.h", text)
    rows = {file.snapshot.row(piece.rows[0]).strip() for piece in module_pieces(file, 1)}
    expected = {
        "#define LIMIT 4",
        "struct door { int width; };",
        "int open_door(struct door *door);",
    }
    assert expected <= rows


def test_the_outline_begins_with_the_members_around_the_cursor() -> None:
    file = source_file()
    pieces = outline_pieces(file, TEXT.index("pass\n\n\ndef last"), 100)
    rows = [file.snapshot.row(piece.rows[0]).strip() for piece in pieces]
    assert rows[0] == "def close(self) -> None:"
    assert rows.index("def open(self, door: Door) -> None:") < rows.index("def last() -> None:")
    assert "LIMIT = 1" in rows
    assert not any("inner" in row for row in rows)
    assert [piece.order for piece in pieces] == list(range(100, 100 + len(pieces)))


def test_a_module_is_told_by_its_top_level() -> None:
    file = source_file()
    rows = {file.snapshot.row(piece.rows[0]).strip() for piece in module_pieces(file, 1)}
    assert rows == {"LIMIT = 1", "class Shop:", "def last() -> None:"}


def test_edits_are_where_later_edits_have_moved_them() -> None:
    events = [
        event("a.py", Span(10, 12), Span(10, 20)),
        event("b.py", Span(0, 0), Span(0, 99)),
        event("a.py", Span(0, 0), Span(0, 5)),
        event("a.py", Span(40, 50), Span(40, 40)),
    ]
    assert edited_spans(events, "a.py", 100) == [Span(40, 40), Span(0, 5), Span(15, 25)]
    assert edited_spans(events, "a.py", 20) == [Span(0, 5)]


def test_recent_names_come_from_the_newest_edit_first() -> None:
    file = source_file()
    spans = [Span(TEXT.index(word), TEXT.index(word)) for word in ("last()", "LIMIT")]
    names = recent_names(file.snapshot, file.tree, spans, 200)
    assert [(one.name, one.rank) for one in names] == [("last", 200), ("LIMIT", 201)]


def test_rows_of_edits_elsewhere_are_read_off_their_diffs() -> None:
    nothing = Span(0, 0)
    events = [
        event("b.py", nothing, nothing, "@@ -1,3 +1,4 @@\n a\n+b\n"),
        event("b.py", nothing, nothing, "@@ -9 +12 @@\n-a\n+b\n"),
        event("c.py", nothing, nothing, "@@ -0,0 +1,2 @@\n+a\n+b\n"),
        event("a.py", nothing, nothing, "@@ -1 +1 @@\n"),
        event("d.py", nothing, nothing, "@@ -1 +1 @@\n", project="another"),
    ]
    assert edited_rows(events, "p", "a.py") == {"c.py": [(0, 2)], "b.py": [(11, 12), (0, 4)]}


def test_an_excerpt_around_rows_has_the_heads_of_what_encloses_them() -> None:
    text = "class Shop:\n" + "    def m(self):\n" + "        pass\n" * 60
    pieces = pieces_around(source_file(text), [(50, 51), (900, 901)], 5, "recent_file")
    assert [piece.rows for piece in pieces] == [(0, 2), (42, 59)]


awkward = st.text(alphabet="ab\n\r é𝒳", max_size=40)


@given(awkward, awkward, awkward, awkward, st.data())
def test_rows_of_a_base_are_where_their_text_is_now(
    head: str, old_middle: str, new_middle: str, tail: str, data: st.DataObject
) -> None:
    old, new = TextSnapshot(head + old_middle + tail), TextSnapshot(head + new_middle + tail)
    base = SourceFile(path=Path("/p/a"), language="", snapshot=old, tree=None)
    current = continue_document(base, base.path, "", new, None)
    assert current.base is base
    start = data.draw(st.integers(0, old.row_count - 1))
    end = data.draw(st.integers(start + 1, old.row_count))
    now = current.rows_now((start, end))
    assert 0 <= now[0] <= now[1] <= new.row_count
    first, last, _ = current.changed_rows
    if end <= first or start > last or current.change.is_empty:
        assert new.rows(*now) == old.rows(start, end)


def test_a_base_that_differs_too_much_is_given_up() -> None:
    base = source_file()
    pasted = TextSnapshot(TEXT + "x" * (MAX_CHANGED_LENGTH + 1))
    assert continue_document(base, base.path, "python", pasted, None).base is not base
    typed = TextSnapshot(TEXT + "x")
    assert continue_document(base, base.path, "python", typed, None).base is base
    assert continue_document(base, base.path, "rust", typed, None).base is not base


def diagnostic(start: int, end: int, severity: int = 1, message: str = "m") -> ServerDiagnostic:
    return ServerDiagnostic(severity=severity, message=message, span=Span(start, end))


def test_diagnostics_are_those_within_twenty_rows_nearest_first() -> None:
    snapshot = TextSnapshot("ab\n" * 100)
    at_row = {row: diagnostic(row * 3, row * 3 + 2) for row in (29, 30, 50, 52, 70, 71)}
    near = diagnostics_near(at_row.values(), snapshot, 50 * 3)
    assert near == (at_row[50], at_row[52], at_row[30], at_row[70])
    reaching = diagnostic(0, 31 * 3)
    assert diagnostics_near([reaching, diagnostic(400, 500)], snapshot, 150) == (reaching,)


def test_the_search_for_diagnostics_ends_with_the_nearest_of_them() -> None:
    snapshot = TextSnapshot("ab\n" * 100)
    many = [diagnostic(row * 3, row * 3 + 1, 1 + row % 4) for row in range(100) for _ in range(3)]
    near = diagnostics_near(many, snapshot, 50 * 3)
    assert len(near) == MAX_DIAGNOSTICS
    distances = [max(one.span.start - 150, 150 - one.span.end, 0) for one in near]
    assert distances == sorted(distances)
    assert distances[-1] < 20 * 3
    # Two as near as each other: the worse one first. One that lies in no text is passed over.
    warning, error = diagnostic(150, 151, 2), diagnostic(150, 151, 1)
    assert diagnostics_near([diagnostic(299, 900), warning, error], snapshot, 150) == (
        error,
        warning,
    )


def test_diagnostics_are_moved_into_the_excerpt_and_clipped() -> None:
    found = to_prompt_diagnostics(
        [diagnostic(0, 5), diagnostic(8, 12), diagnostic(15, 99, 2, "x" * 5000)], Span(10, 20)
    )
    assert [one.span for one in found] == [Span(0, 2), Span(5, 10)]
    assert found[1].severity == 2
    assert len(found[1].message) == 600
