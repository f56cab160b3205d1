"""Which rows are shown of what was found, and how they come together."""

import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from zeta_context.context import syntax
from zeta_context.context.assemble import (
    MAX_EXCERPT_ROWS,
    ORDERS_OF_A_KIND,
    Piece,
    assemble_file,
    definition_rows,
    head_rows,
    merge_rows,
)
from zeta_context.context.files import OUTLINE_STRETCH, SourceFile
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

LONG_BODY = "        pass  # a long body\n" * 30

PYTHON = f'''\
LIMIT = 10


class Big:
    """Does much."""

    size: int = 0

    def first(
        self,
        name: str,
    ) -> None:
{LONG_BODY}
    def second(self) -> int:
        return 2


class Small:
    def only(self) -> int:
        return 1
'''

RUST = """\
struct Point { x: i32 }

impl Point {
    fn long(&self) -> i32 {
%s        1
    }

    fn short(&self) -> i32 { 2 }
}
""" % ('        println!("{}", self.x);\n' * 30)


def source_file(text: str, name: str) -> SourceFile:
    snapshot = TextSnapshot(text)
    tree = syntax.parse("", snapshot, path=name)
    return SourceFile(path=Path(name), language="", snapshot=snapshot, tree=tree)


def shown(file: SourceFile, rows: tuple[tuple[int, int], ...]) -> str:
    return "...\n".join("".join(file.snapshot.rows(*one)) for one in rows)


def name_at(text: str, before: str, name: str) -> Span:
    start = text.index(before + name) + len(before)
    return Span(start, start + len(name))


def test_a_small_definition_is_shown_whole() -> None:
    file = source_file(PYTHON, "a.py")
    found = definition_rows(file, name_at(PYTHON, "class ", "Small"))
    assert shown(file, found.own) == PYTHON[PYTHON.index("class Small") :]
    assert found.members == ()


def test_a_big_definition_is_shown_by_its_head_and_those_of_its_members() -> None:
    file = source_file(PYTHON, "a.py")
    found = definition_rows(file, name_at(PYTHON, "class ", "Big"))
    assert shown(file, found.own) == "class Big:\n"
    assert shown(file, found.members) == (
        "    def first(\n        self,\n        name: str,\n    ) -> None:\n"
        "...\n    def second(self) -> int:\n"
    )


def test_a_method_is_shown_with_the_heads_of_what_encloses_it() -> None:
    file = source_file(PYTHON, "a.py")
    found = definition_rows(file, name_at(PYTHON, "def ", "second"))
    assert shown(file, found.own) == (
        "class Big:\n...\n    def second(self) -> int:\n        return 2\n"
    )
    assert found.members == ()


def test_what_closes_a_big_item_is_shown_with_its_head() -> None:
    file = source_file(RUST, "a.rs")
    found = definition_rows(file, name_at(RUST, "fn ", "long"))
    assert shown(file, found.own) == (
        "impl Point {\n    fn long(&self) -> i32 {\n...\n    }\n...\n}\n"
    )


def test_a_constant_is_shown_by_its_row_or_by_all_that_the_server_named() -> None:
    text = "TABLE = {\n    1: 2,\n}\nx = 1\n"
    span = Span(0, 5)
    assert definition_rows(source_file(text, "a.py"), span).own == ((0, 1),)
    whole = definition_rows(source_file(text, "a.py"), span, full_rows=(0, 3))
    assert whole.own == ((0, 3),)
    long = "TABLE = {\n" + "    1: 2,\n" * 200 + "}\n"
    assert definition_rows(source_file(long, "a.py"), span, full_rows=(0, 202)).own == ((0, 1),)


def test_a_head_is_the_signature_without_decorators() -> None:
    text = "@decorated\ndef name(\n    a,\n):\n    pass\n"
    file = source_file(text, "a.py")
    assert head_rows(file, name_at(text, "def ", "name")) == (1, 4)
    assert head_rows(file, Span(0, 5)) == (0, 1)


def test_plain_text_is_shown_by_the_row_of_the_target() -> None:
    file = source_file("one\ntwo\nthree\n", "notes.txt")
    assert definition_rows(file, Span(4, 7)).own == ((1, 2),)


def test_an_outline_in_stretches_is_the_outline() -> None:
    text = PYTHON * (4 * OUTLINE_STRETCH // len(PYTHON))
    file = source_file(text, "a.py")
    assert file.tree is not None
    assert file.outline == syntax.outline(file.tree)


def test_the_members_of_a_long_type_wait_for_its_outline() -> None:
    text = "class Long:\n" + "    def method(self):\n        pass\n" * (OUTLINE_STRETCH // 20)
    file = source_file(text, "a.py")
    first = definition_rows(file, Span(6, 10))
    assert (first.members, first.is_final) == ((), False)
    file.work_out()
    again = definition_rows(file, Span(6, 10))
    assert again.is_final
    assert len(again.members) > 0


rows_lists = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda pair: (pair[0], sum(pair))),
    max_size=12,
)


@given(rows_lists)
def test_merged_rows_are_apart_and_hold_every_row(rows: list[tuple[int, int]]) -> None:
    merged = merge_rows(rows)
    held = {row for start, end in merged for row in range(start, end)}
    assert {row for start, end in rows for row in range(start, end)} <= held
    for (_, end), (start, _) in itertools.pairwise(merged):
        assert start > end + 1


@given(st.lists(st.tuples(rows_lists, st.integers(0, 3 * ORDERS_OF_A_KIND)), max_size=6))
def test_assembled_excerpts_are_disjoint_sorted_and_complete(
    wanted: list[tuple[list[tuple[int, int]], int]],
) -> None:
    snapshot = TextSnapshot("".join(f"row {n}\n" for n in range(80)))
    pieces = [
        Piece(rows=rows, order=order, source="current_file")
        for several, order in wanted
        for rows in several
    ]
    file = assemble_file(snapshot, pieces, project="p", path="a")
    last = 0
    held: dict[int, int] = {}
    for excerpt in file.excerpts:
        assert last <= excerpt.start_row < excerpt.end_row
        last = excerpt.end_row
        assert excerpt.text == "".join(snapshot.rows(excerpt.start_row, excerpt.end_row))
        held |= dict.fromkeys(range(excerpt.start_row, excerpt.end_row), excerpt.order)
    for piece in pieces:
        for row in range(*piece.rows):
            assert held[row] // ORDERS_OF_A_KIND <= piece.order // ORDERS_OF_A_KIND


def test_excerpts_of_one_kind_merge_and_later_kinds_give_way() -> None:
    snapshot = TextSnapshot("".join(f"row {n}\n" for n in range(20)))
    pieces = [
        Piece(rows=(2, 4), order=5, source="lsp_definition", symbol="a"),
        Piece(rows=(5, 6), order=3, source="lsp_type_definition", symbol="b"),
        Piece(rows=(0, 10), order=3000, source="current_file"),
    ]
    file = assemble_file(snapshot, pieces, project="p", path="a")
    assert [(one.start_row, one.end_row, one.order, one.symbol) for one in file.excerpts] == [
        (0, 2, 3000, ""),
        (2, 6, 3, "b"),
        (6, 10, 3000, ""),
    ]


def test_merging_stops_before_an_excerpt_is_too_long_to_choose() -> None:
    snapshot = TextSnapshot("row\n" * 300)
    pieces = [Piece(rows=(n, n + 1), order=1, source="current_file") for n in range(0, 200, 2)]
    file = assemble_file(snapshot, pieces, project="p", path="a")
    assert len(file.excerpts) > 1
    assert all(one.end_row - one.start_row <= MAX_EXCERPT_ROWS for one in file.excerpts)
