"""Syntax trees: outlines, identifiers, enclosing nodes, and parsing only what changed."""

import gc
import importlib
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.context import syntax
from zeta_context.context.grammars import GRAMMARS, find_grammar, language_of
from zeta_context.context.offsets import ByteOffsets, encode_text, find_changed_bytes
from zeta_context.context.syntax import (
    SyntaxCache,
    SyntaxTree,
    enclosing_items,
    enclosing_scope,
    enclosing_spans,
    error_count,
    identifiers,
    occurrences,
    outline,
    parse,
)
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

OUTLINES: dict[str, tuple[str, list[tuple[int, str, str, str, tuple[int, int, int, int]]]]] = {
    "python": (
        "import os\n\n@deco\nclass A(B):\n    def f(self, x):\n        return x.y\n",
        [
            (0, "class", "A", "@deco\nclass A(B):", (2, 4, 6, 6)),
            (1, "function", "f", "def f(self, x):", (4, 5, 6, 6)),
        ],
    ),
    "javascript": (
        "export class A {\n  m(a) {\n    return a.b;\n  }\n}\nconst f = (a) => {\n  g(a);\n};\n",
        [
            (0, "class", "A", "export class A", (0, 1, 4, 5)),
            (1, "method", "m", "m(a)", (1, 2, 3, 4)),
            (0, "function", "f", "const f = (a) =>", (5, 6, 7, 8)),
        ],
    ),
    "typescript": (
        "export interface I {\n  m(): void;\n}\ntype T = number;\nenum E { A }\n",
        [
            (0, "interface", "I", "export interface I", (0, 1, 2, 3)),
            (1, "method", "m", "m(): void", (1, 2, 2, 2)),
            (0, "type", "T", "type T = number;", (3, 4, 4, 4)),
            (0, "enum", "E", "enum E", (4, 5, 5, 5)),
        ],
    ),
    "tsx": (
        "export const C = () => {\n  return <b>{y}</b>;\n};\n",
        [(0, "function", "C", "export const C = () =>", (0, 1, 2, 3))],
    ),
    "rust": (
        "impl<T> Foo for Bar {\n    fn a(&self) -> u8 {\n        1\n    }\n}\nstruct S;\n",
        [
            (0, "impl", "Bar", "impl<T> Foo for Bar", (0, 1, 4, 5)),
            (1, "function", "a", "fn a(&self) -> u8", (1, 2, 3, 4)),
            (0, "struct", "S", "struct S;", (5, 6, 6, 6)),
        ],
    ),
    "go": (
        "package m\n\nfunc (s *S) M() error {\n\treturn nil\n}\n\ntype S struct {\n\ta int\n}\n",
        [
            (0, "method", "M", "func (s *S) M() error", (2, 3, 4, 5)),
            (0, "struct", "S", "type S struct", (6, 7, 8, 9)),
        ],
    ),
    "c": (
        "static int *f(int a)\n{\n  return a;\n}\nstruct s { int b; };\n",
        [
            (0, "function", "f", "static int *f(int a)", (0, 1, 3, 4)),
            (0, "struct", "s", "struct s", (4, 5, 5, 5)),
        ],
    ),
    "cpp": (
        "namespace n {\ntemplate <class T>\nclass A : B {\n  void m() { x(); }\n};\n}\n",
        [
            (0, "module", "n", "namespace n", (0, 1, 5, 6)),
            (1, "class", "A", "template <class T>\nclass A : B", (1, 3, 4, 5)),
            (2, "function", "m", "void m()", (3, 4, 4, 4)),
        ],
    ),
    "java": (
        "@Foo\npublic class A {\n  int m(int x) {\n    return x;\n  }\n}\n",
        [
            (0, "class", "A", "@Foo\npublic class A", (0, 2, 5, 6)),
            (1, "method", "m", "int m(int x)", (2, 3, 4, 5)),
        ],
    ),
    "ruby": (
        "module M\n  class A < B\n    def f(x)\n      @y = x\n    end\n  end\nend\n",
        [
            (0, "module", "M", "module M", (0, 1, 6, 7)),
            (1, "class", "A", "class A < B", (1, 2, 5, 6)),
            (2, "method", "f", "def f(x)", (2, 3, 4, 5)),
        ],
    ),
    "bash": ("f() {\n  echo $HOME\n}\n", [(0, "function", "f", "f()", (0, 1, 2, 3))]),
    "json": ('{"a": {\n"b": 1\n}}\n', [(0, "key", '"a"', '"a":', (0, 1, 2, 3))]),
    "yaml": ("a:\n  b: 1\n", [(0, "key", "a", "a:", (0, 1, 2, 2))]),
    "toml": (
        "[a.b]\nx = 1\n\n[[c]]\ny = 2\n",
        [
            (0, "key", "a.b", "[a.b", (0, 1, 2, 2)),
            (0, "key", "c", "[[c", (3, 4, 5, 5)),
        ],
    ),
    "html": (
        "<body>\n<p>x</p>\n</body>\n",
        [
            (0, "element", "body", "<body>", (0, 1, 2, 3)),
            (1, "element", "p", "<p>", (1, 2, 2, 2)),
        ],
    ),
    "css": (".a, #b {\n  color: red;\n}\n", [(0, "rule", ".a, #b", ".a, #b", (0, 1, 2, 3))]),
    "markdown": (
        "# A\n\ntext\n\n## B\n\nmore\n",
        [
            (0, "section", "A", "# A", (0, 1, 7, 7)),
            (1, "section", "B", "## B", (4, 5, 7, 7)),
        ],
    ),
}

PYTHON = "def größe(länge):\n    wert = länge * 2  # länge\n    return wert\n\nx = größe(1)\n"


def tree_of(language: str, text: str) -> SyntaxTree:
    tree = parse(language, text)
    assert tree is not None
    return tree


def test_every_grammar_has_an_outline_under_test() -> None:
    assert set(OUTLINES) == set(GRAMMARS)


@pytest.mark.parametrize("language", sorted(OUTLINES))
def test_an_outline_gives_items_with_header_and_rows(language: str) -> None:
    text, expected = OUTLINES[language]
    tree = tree_of(language, text)
    found = [
        (
            item.depth,
            item.kind,
            item.name,
            tree.snapshot.slice(item.header),
            (item.start_row, item.header_end_row, item.tail_start_row, item.end_row),
        )
        for item in outline(tree)
    ]
    assert found == expected
    assert error_count(tree) == 0


@pytest.mark.parametrize("language", sorted(OUTLINES))
def test_every_grammar_is_loaded_only_when_its_language_is_met(language: str) -> None:
    grammar = GRAMMARS[language]
    module = importlib.import_module(grammar.module)
    assert hasattr(module, grammar.function)


@pytest.mark.parametrize(
    ("language", "path", "name"),
    [
        ("python", "", "python"),
        ("typescript", "a/b.tsx", "tsx"),
        ("typescript", "a/b.ts", "typescript"),
        ("typescriptreact", "", "tsx"),
        ("javascriptreact", "x.jsx", "javascript"),
        ("shellscript", "", "bash"),
        ("", "src/lib.RS", "rust"),
        ("", "Gemfile", "ruby"),
        ("", "notes.txt", None),
        ("cobol", "a.py", None),
    ],
)
def test_the_grammar_follows_the_editors_language_and_else_the_suffix(
    language: str, path: str, name: str | None
) -> None:
    grammar = find_grammar(language, path)
    assert (grammar.name if grammar else None) == name


def test_a_path_suggests_its_language() -> None:
    assert language_of("a/b.py") == "python"
    assert language_of("a/b.unknown") == ""


def test_a_language_without_a_grammar_is_plain_text() -> None:
    assert parse("fortran", "x = 1") is None


def test_spans_are_code_points_in_a_text_with_wide_characters() -> None:
    tree = tree_of("python", PYTHON)
    names = [(found.name, tree.snapshot.slice(found.span)) for found in identifiers(tree, (0, 3))]
    assert [name for name, _ in names] == ["größe", "länge", "wert", "länge", "wert"]
    assert all(name == text for name, text in names)


def test_identifiers_are_only_those_of_the_rows_asked_for() -> None:
    tree = tree_of("python", PYTHON)
    assert [found.name for found in identifiers(tree, (4, 99))] == ["x", "größe"]
    assert identifiers(tree, (3, 4)) == ()
    assert identifiers(tree, (9, 12)) == ()
    assert identifiers(tree, (-5, 1)) == identifiers(tree, (0, 1))


def test_occurrences_leave_out_comments() -> None:
    tree = tree_of("python", PYTHON)
    scope = enclosing_scope(tree, PYTHON.index("wert"))
    assert len(occurrences(tree, "länge", scope)) == 2
    assert PYTHON.count("länge") == 3


def test_enclosing_spans_grow_from_the_cursor_to_the_whole_text() -> None:
    text = "def f():\n    return g(1, 2)\n"
    spans = enclosing_spans(tree_of("python", text), text.index("1"))
    assert [text[slice(*span)] for span in spans] == [
        "1",
        "(1, 2)",
        "g(1, 2)",
        "return g(1, 2)",
        "def f():\n    return g(1, 2)",
        text,
    ]


def test_enclosing_spans_at_the_end_of_the_text_are_the_whole_text() -> None:
    text = "x = 1\n"
    assert enclosing_spans(tree_of("python", text), len(text)) == (Span(0, len(text)),)
    assert enclosing_spans(tree_of("python", ""), 0) == (Span(0, 0),)


def test_the_scope_is_the_innermost_function_or_else_the_whole_text() -> None:
    text = "class A:\n    def f(self):\n        x = 1\n\ny = 2\n"
    tree = tree_of("python", text)
    inner = enclosing_scope(tree, text.index("x = 1"))
    assert text[slice(*inner)].startswith("def f")
    assert [item.name for item in enclosing_items(tree, text.index("x = 1"))] == ["A", "f"]
    assert enclosing_scope(tree, text.index("y")) == Span(0, len(text))


def test_errors_are_counted() -> None:
    assert error_count(tree_of("python", "def f(:\n    return )\n")) >= 2
    assert error_count(tree_of("python", "def f():\n    return 1\n")) == 0


def test_rows_are_the_snapshots_even_with_carriage_returns_alone() -> None:
    text = "# a\rx = 1\r\ny = 2\r\n"
    tree = tree_of("python", text)
    assert [found.name for found in identifiers(tree, (2, 3))] == ["y"]


def test_a_lone_surrogate_does_not_stop_the_parser() -> None:
    text = "x = '\ud800'\nname = 1\n"
    tree = tree_of("python", text)
    assert [found.name for found in identifiers(tree, (1, 2))] == ["name"]


def test_a_huge_text_is_plain_text_and_costs_nothing() -> None:
    began = time.perf_counter()
    assert parse("json", "[" + "1," * (syntax.MAX_PARSE_BYTES // 2) + "1]") is None
    assert time.perf_counter() - began < 2


def test_a_parse_that_takes_too_long_is_given_up_and_not_tried_at_every_keystroke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syntax, "PARSE_LIMIT_MS", -1.0)
    text = "x = 1\n" * 20_000
    trees = SyntaxCache()
    assert trees.tree("a", "python", text) is None
    monkeypatch.undo()
    assert trees.tree("a", "python", text + "y") is None
    assert trees.tree("a", "python", text[: len(text) // 2]) is not None


def test_typing_keeps_no_older_text_in_memory() -> None:
    text = "x = [1, 2, 3]\n" * 3000
    trees = SyntaxCache()
    kept: list[int] = []
    tracemalloc.start()
    try:
        for number in range(20):
            trees.tree("a", "python", f"y{number}\n" + text)
            gc.collect()
            kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert kept[-1] - kept[1] < 2 * len(text)


def test_the_cache_keeps_the_newest_documents_only() -> None:
    trees = SyntaxCache(max_documents=2)
    snapshots = {name: TextSnapshot(f"{name} = 1\n") for name in "abc"}
    first = {name: trees.tree(name, "python", snapshots[name]) for name in "abc"}
    assert trees.tree("c", "python", snapshots["c"]) is first["c"]
    assert trees.tree("a", "python", snapshots["a"]) is not first["a"]
    trees.drop("c")
    assert trees.tree("c", "python", snapshots["c"]) is not first["c"]


def test_a_document_that_changes_its_language_is_parsed_anew() -> None:
    trees = SyntaxCache()
    assert trees.tree("a", "python", "x = 1\n") is not None
    tree = trees.tree("a", "ruby", "x = 1\n")
    assert tree is not None
    assert tree.grammar.name == "ruby"


def test_an_older_tree_is_untouched_by_the_next_parse() -> None:
    trees = SyntaxCache()
    old = trees.tree("a", "python", "def f():\n    pass\n")
    assert old is not None
    before = outline(old)
    trees.tree("a", "python", "x = 1\n\n\ndef f():\n    pass\n")
    assert outline(old) == before


SNIPPETS = st.sampled_from(
    [
        "def f(x):\n",
        "    return x\n",
        "ä",
        "(",
        ")",
        "'",
        '"""',
        "\r\n",
        "\n",
        "class A:\n",
        "😀",
        "x",
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(SNIPPETS, max_size=20),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2), SNIPPETS), max_size=6),
)
def test_parsing_only_the_changes_gives_the_tree_of_a_fresh_parse(
    start: list[str], edits: list[tuple[float, float, str]]
) -> None:
    trees = SyntaxCache()
    text = "".join(start) * 3
    trees.tree("a", "python", text)
    for place, length, new in edits:
        at = int(place * len(text))
        text = text[:at] + new + text[at + int(length * len(text)) :]
        again = trees.tree("a", "python", text)
        fresh = parse("python", text)
        assert again is not None
        assert fresh is not None
        assert again.tree.root_node.end_byte == len(text.encode())
        if error_count(fresh) == 0:
            assert str(again.tree.root_node) == str(fresh.tree.root_node)
            assert outline(again) == outline(fresh)


@given(st.text(max_size=3000, alphabet="aä€😀\n"), st.data())
@settings(max_examples=40, deadline=None)
def test_offsets_convert_both_ways(text: str, data: st.DataObject) -> None:
    offsets = ByteOffsets(text, encode_text(text))
    offset = data.draw(st.integers(0, len(text)))
    assert offsets.byte(offset) == len(text[:offset].encode())
    assert offsets.code_point(offsets.byte(offset)) == offset


@given(st.binary(max_size=40), st.binary(max_size=5), st.binary(max_size=5), st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_changed_bytes_are_the_one_stretch_that_differs(
    head: bytes, was: bytes, now: bytes, tail: bytes
) -> None:
    old, new = head * 5000 + was + tail, head * 5000 + now + tail
    start, old_end, new_end = find_changed_bytes(old, new)
    assert old[:start] + new[start:new_end] + old[old_end:] == new
    assert new[:start] + old[start:old_end] + new[new_end:] == old
    assert old_end - start <= max(len(was), len(now))
    if old[start:old_end] and new[start:new_end]:
        assert old[start] != new[start]
        assert old[old_end - 1] != new[new_end - 1]
