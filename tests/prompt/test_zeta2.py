"""The V0211SeedCoder format: prompts byte for byte, and what answers mean."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zeta_context.context.excerpt import gather_excerpt
from zeta_context.context.grammars import language_of
from zeta_context.context.syntax import parse
from zeta_context.errors import OutOfRange, OutputError, OverBudget, SpecialTokens
from zeta_context.events.event import Event
from zeta_context.prompt.format import FinishReason, Parsed, shift_edits
from zeta_context.prompt.formats.conflict_markers import render_cursor_text
from zeta_context.prompt.formats.seed_frame import frame
from zeta_context.prompt.formats.zeta2 import FORMAT
from zeta_context.prompt.input import PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.prompt.model_text import ModelText, normalize
from zeta_context.prompt.region import CursorRegion
from zeta_context.text.edit import apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

GOLDEN = Path(__file__).parent / "golden"
END = ">>>>>>> UPDATED\n"


def change(path: str, diff: str, *, predicted: bool = False, project: str = "") -> Event:
    return Event(
        project=project,
        path=path,
        diff=diff,
        old_span=Span(0, 1),
        new_span=Span(0, 1),
        predicted=predicted,
    )


def related(path: str, *texts: tuple[int, str, int], last_row: int) -> RelatedFile:
    excerpts = tuple(
        RelatedExcerpt(start_row=row, end_row=row + text.count("\n"), text=text, order=order)
        for row, text, order in texts
    )
    return RelatedFile(project="", path=path, last_row=last_row, excerpts=excerpts)


def input_at(marked: str, *, path: str = "test.rs", project: str = "") -> PromptInput:
    """The prompt input of a file given with `|` at the cursor."""
    cursor = marked.index("|")
    text = marked.replace("|", "", 1)
    excerpt = gather_excerpt(TextSnapshot(text), cursor, parse("", text, path=path))
    return PromptInput(
        project=project,
        path=path,
        cursor_excerpt=excerpt.text,
        cursor_offset=excerpt.cursor_offset,
        excerpt_start_row=excerpt.start_row,
        syntax_spans=excerpt.syntax_spans,
        language=language_of(path),
    )


def answer(marked: str, output: str, finish: FinishReason | None = "stop") -> Parsed:
    return FORMAT.parse(output, input_at(marked), finish_reason=finish)


def result(marked: str, output: str, finish: FinishReason | None = "stop") -> str:
    """The file after the answer, `|` where the model put the cursor."""
    parsed = answer(marked, output, finish)
    text = apply_edits(marked.replace("|", "", 1), parsed.edits)
    at = parsed.cursor
    return text if at is None else f"{text[:at]}|{text[at:]}"


PYTHON = """import math

from shapes.base import Shape


class Circle(Shape):
    \"\"\"A circle around the origin.\"\"\"

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def area(self) -> float:
        return math.pi * self.r|adius ** 2

    def scale(self, factor: float) -> "Circle":
        return Circle(self.radius * factor)
"""

RENAME = "@@ -9,4 +9,4 @@\n \n-    def __init__(self, r: float) -> None:\n-        self.r = r\n"
RENAME += "+    def __init__(self, radius: float) -> None:\n+        self.radius = radius\n \n"


def long_file(rows: int, cursor_row: int) -> str:
    text = [f"value_{row:03} = compute(value_{row - 1:03}, {row})" for row in range(rows)]
    text[cursor_row] = "|" + text[cursor_row]
    return "\n".join(text) + "\n"


def reference_region() -> CursorRegion:
    excerpt = ModelText("prefix\neditable\nsuffix")
    return CursorRegion(
        excerpt=excerpt, editable=Span(7, 15), context=Span(0, len(excerpt.text)), cursor=10
    )


def reference_input() -> PromptInput:
    return PromptInput(
        project="",
        path="test.rs",
        cursor_excerpt="prefix\neditable\nsuffix",
        cursor_offset=10,
        excerpt_start_row=0,
        events=(change("a.rs", "-old\n+new\n"),),
        related_files=(related("related.rs", (0, "fn helper() {}\n", 0), last_row=1),),
    )


def reference_text(max_tokens: int) -> str:
    region = reference_region()
    return frame(
        reference_input(),
        region,
        render_cursor_text(region),
        special_tokens=FORMAT.special_tokens,
        max_tokens=max_tokens,
    ).text


def rust_file() -> str:
    """A function that begins 20 rows above the cursor: 13 rows up fit evenly, then the node."""
    rows = [
        "fn before() {",
        *(f"    step_{n:02}(first, second, third);" for n in range(20)),
        "}",
        "",
    ]
    rows += [
        "fn around() {",
        *(f"    call_{n:02}(first, second, third);" for n in range(20)),
        "}",
        "",
    ]
    rows += [
        "fn after() {",
        *(f"    next_{n:02}(first, second, third);" for n in range(20)),
        "}",
        "",
    ]
    return "\n".join(rows).replace("call_19(", "call_19(|")


def typescript_file() -> str:
    """A class with a long method below the cursor: the class does not fit, its method does."""
    rows = ["export class Store {", "  items: string[] = [];", ""]
    rows += [
        "  add(item: string): void {",
        "    this.items.push(item|);",
        "  }",
        "",
        "  all(): void {",
    ]
    rows += [f"    this.items[{n}] = this.describe(this.items[{n}], {n});" for n in range(40)]
    return "\n".join([*rows, "  }", "}", ""])


PROMPTS = {
    "rust": input_at(rust_file(), path="src/add.rs", project="sums"),
    "typescript": input_at(typescript_file(), path="src/store.ts", project="shop"),
    "python_rename": replace(
        input_at(PYTHON, path="shapes/circle.py", project="geometry"),
        events=(
            change("shapes/circle.py", RENAME, project="geometry"),
            change(
                "shapes/square.py",
                "@@ -3,1 +3,1 @@\n-    side = 1\n+    size = 1\n",
                predicted=True,
                project="geometry",
            ),
        ),
        related_files=(
            RelatedFile(
                project="geometry",
                path="shapes/base.py",
                last_row=40,
                excerpts=(
                    RelatedExcerpt(start_row=0, end_row=2, text="class Shape:\n    name = ''\n"),
                    RelatedExcerpt(start_row=9, end_row=10, text="    def area(self): ...\n"),
                ),
            ),
            RelatedFile(
                project="",
                path="math.pyi",
                last_row=99,
                excerpts=(RelatedExcerpt(start_row=30, end_row=31, text="pi: Final[float]"),),
                is_outside_project=True,
            ),
        ),
    ),
    "long_file": input_at(long_file(80, 40), path="generated.py"),
    "crlf": input_at("let a = 1;\r\nlet b|\r\n", path="a.js"),
    "no_final_newline": input_at("one\ntw|o", path="notes.txt"),
    "at_the_end_of_the_file": input_at("fn main() {}\n|", path="main.rs"),
    "empty_file": input_at("|", path="new.go"),
    "non_ascii": input_at("name = 'Größe'\nwert = '日|本'\n", path="größe.rb"),
}


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_prompts_are_the_golden_ones_byte_for_byte(name: str) -> None:
    rendered = FORMAT.render(PROMPTS[name])
    assert rendered.text.encode() == (GOLDEN / f"zeta2_{name}.txt").read_bytes()


def test_the_reference_example_is_met_byte_for_byte() -> None:
    assert reference_text(4096).encode() == (GOLDEN / "zeta2_reference.txt").read_bytes()


def test_a_tight_budget_drops_related_files_first_and_then_the_history() -> None:
    # Nine tenths of it are for the rows around the cursor (41 tokens), then the history
    # (7 + 10, with the blank row 18), then related files (7 + 5).
    assert "related.rs" in reference_text(79)
    without_related = reference_text(78)
    assert "related.rs" not in without_related
    assert "edit_history" in without_related
    assert "edit_history" in reference_text(65)
    assert "edit_history" not in reference_text(64)
    only_cursor = reference_text(58)
    assert only_cursor == reference_text(41)
    assert only_cursor == (
        "<[fim-suffix]>\nsuffix\n<[fim-prefix]><filename>test.rs\nprefix\n<<<<<<< CURRENT\n"
        "edi<|user_cursor|>table\n=======\n<[fim-middle]>"
    )


@pytest.mark.parametrize("max_tokens", [0, 24, 30, 40])
def test_an_impossible_budget_is_an_error(max_tokens: int) -> None:
    with pytest.raises(OverBudget, match=f"of {max_tokens}"):
        reference_text(max_tokens)
    with pytest.raises(OverBudget):
        FORMAT.render(reference_input(), max_tokens=max_tokens)


def test_the_whole_budget_may_be_used_by_the_rows_around_the_cursor() -> None:
    assert reference_text(41)


def test_a_row_too_long_for_any_prompt_is_an_error_without_its_text() -> None:
    with pytest.raises(OverBudget) as caught:
        FORMAT.render(input_at("secret|" + "x" * 20_000))
    assert "secret" not in str(caught.value)


def test_the_prompt_stays_within_nine_tenths_where_there_is_enough_to_fill_it() -> None:
    events = tuple(change("a.rs", f"+{'x' * 300}{n}\n") for n in range(6))
    files = tuple(related(f"f{n}.rs", (0, "y" * 200 + "\n", n), last_row=1) for n in range(900))
    filled = replace(input_at("a|\n"), events=events, related_files=files)
    rendered = FORMAT.render(filled)
    assert 0.85 * 4096 < rendered.tokens <= 0.9 * 4096 + 4
    assert {one.reason for one in rendered.left_out} == {"over_budget"}


def test_sections_cover_the_prompt_and_tell_what_is_in_them() -> None:
    rendered = FORMAT.render(PROMPTS["python_rename"])
    assert [section.name for section in rendered.sections] == [
        "suffix",
        "related_files",
        "edit_history",
        "cursor",
    ]
    joined = "".join(rendered.text[slice(*section.span)] for section in rendered.sections)
    assert joined == rendered.text
    assert [item.label for item in rendered.sections[1].items] == [
        "geometry/shapes/base.py:1-2",
        "geometry/shapes/base.py:10-10",
        "math.pyi:31-31",
    ]
    assert [item.why for item in rendered.sections[2].items] == ["edit", "accepted prediction"]
    assert all(section.tokens > 0 for section in rendered.sections)


def test_the_editable_region_is_a_span_of_the_excerpt_as_the_file_has_it() -> None:
    prompt_input = PROMPTS["crlf"]
    rendered = FORMAT.render(prompt_input)
    assert rendered.editable == Span(0, len(prompt_input.cursor_excerpt))
    rendered = FORMAT.render(PROMPTS["long_file"])
    text = PROMPTS["long_file"].cursor_excerpt
    assert rendered.context.start < rendered.editable.start
    assert text[rendered.editable.start - 1] == text[rendered.editable.end] == "\n"


@pytest.mark.parametrize("token", FORMAT.special_tokens)
def test_a_marker_beside_the_cursor_refuses_the_prompt(token: str) -> None:
    row = token if token.endswith("\n") else f"x = '{token}'\n"
    with pytest.raises(SpecialTokens, match="marker"):
        FORMAT.render(input_at(f"a|\n{row}b\n"))


def test_a_marker_that_is_a_row_counts_only_as_a_whole_row() -> None:
    FORMAT.render(input_at("a|\nx =======\n======= \n========\nb\n"))


def test_a_marker_far_from_the_cursor_does_not_matter() -> None:
    FORMAT.render(input_at(long_file(200, 20) + "=======\n"))


def test_a_marker_in_the_path_refuses_the_prompt() -> None:
    for path in ("a<filename>b.rs", "a\nb.rs"):
        with pytest.raises(SpecialTokens):
            FORMAT.render(input_at("a|\n", path=path))


def test_an_event_or_related_excerpt_with_a_marker_is_dropped_and_reported() -> None:
    tainted = replace(
        reference_input(),
        events=(
            change("a.rs", "-old\n+new\n"),
            change("b.rs", "+<[fim-middle]>\n"),
            change("<filename>.rs", "+x\n"),
        ),
        related_files=(
            related("r.rs", (0, "ok\n", 0), (5, "<|user_cursor|>\n", 1), last_row=6),
            related("s\n.rs", (0, "ok\n", 0), last_row=1),
        ),
    )
    rendered = FORMAT.render(tainted)
    assert [(one.label, one.reason) for one in rendered.left_out] == [
        ("b.rs", "special_token"),
        ("<filename>.rs", "special_token"),
        ("r.rs:6-6", "special_token"),
        ("s\n.rs:1-1", "special_token"),
    ]
    assert rendered.text.count("<[fim-middle]>") == rendered.text.count("<|user_cursor|>") == 1
    assert rendered.text.count("<filename>") == 3
    assert "+new" in rendered.text


def test_a_cursor_outside_the_excerpt_is_an_error() -> None:
    for broken in (
        replace(reference_input(), cursor_offset=99),
        replace(reference_input(), syntax_spans=(Span(0, 99),)),
    ):
        with pytest.raises(OutOfRange):
            FORMAT.render(broken)


# Answers


def test_a_rewritten_region_becomes_the_smallest_edits() -> None:
    parsed = answer("a = 1\nb |= 2\n", f"a = 1\nb = 3\n{END}")
    assert parsed.kind == "edits"
    assert len(parsed.edits) == 1
    assert parsed.edits[0].span.start == len("a = 1\nb = ")
    assert parsed.region == "a = 1\nb = 3\n"


def test_the_same_region_again_is_no_edit() -> None:
    parsed = answer("a = 1\nb |= 2\n", f"a = 1\nb = 2\n{END}")
    assert (parsed.kind, parsed.reason, parsed.edits) == ("no_edit", "identical", ())
    assert parsed.region == "a = 1\nb = 2\n"


@pytest.mark.parametrize("end", [END, END.rstrip("\n"), "", f"{END}anything else\n", ">>>>>>> UPD"])
def test_the_end_marker_may_lack_and_nothing_after_it_counts(end: str) -> None:
    assert result("a = |1\n", f"a = 2\n{end}") == "a = 2\n"


def test_the_cursor_marker_gives_the_cursor_and_is_not_text() -> None:
    assert result("a = |1\nb\n", f"a = 1\nc<|user_cursor|>d\nb\n{END}") == "a = 1\nc|d\nb\n"
    assert result("a = |1\nb\n", f"a = 1\nb<|user_cursor|>\n{END}") == "a = 1\nb|\n"
    moved = answer("a = |1\nb\n", f"a = 1\n<|user_cursor|>b\n{END}")
    assert (moved.kind, moved.cursor) == ("no_edit", 6)


@pytest.mark.parametrize("word", ["NO_EDITS", "KEEP_PREVIOUS"])
@pytest.mark.parametrize("rest", ["", "\n", f"\n{END}", f"{END}", " \nmore text\n"])
@pytest.mark.parametrize("finish", ["stop", "length", None])
def test_a_literal_no_edit_answer_is_no_edit(
    word: str, rest: str, finish: FinishReason | None
) -> None:
    parsed = answer("a = |1\nb = 2\n", word + rest, finish)
    assert (parsed.kind, parsed.reason, parsed.edits) == ("no_edit", "sentinel", ())


def test_text_that_begins_like_a_no_edit_answer_is_text() -> None:
    assert result("NO_EDITS = |1\n", f"NO_EDITS = 2\n{END}") == "NO_EDITS = 2\n"
    assert result("x = |1\n", f"NO_EDITS_LEFT = 2\n{END}") == "NO_EDITS_LEFT = 2\n"


@pytest.mark.parametrize("output", ["", END, f"\n{END}", "\n\n", f"<|user_cursor|>\n{END}"])
@pytest.mark.parametrize("finish", ["stop", None])
def test_nothing_answered_never_deletes_the_region(
    output: str, finish: FinishReason | None
) -> None:
    parsed = answer("a = |1\nb = 2\n", output, finish)
    assert (parsed.kind, parsed.reason, parsed.edits) == ("no_edit", "empty_output", ())


def test_an_answer_cut_at_the_token_limit_is_truncated_wherever_it_was_cut() -> None:
    output = "a = 1\nchanged = 2\nc = 3\n"
    for length in range(len(output) + 1):
        parsed = answer("a = |1\nb = 2\nc = 3\n", output[:length], "length")
        assert (parsed.kind, parsed.edits) == ("truncated", ())


def test_an_answer_cut_after_its_end_marker_is_whole() -> None:
    assert result("a = |1\n", f"a = 2\n{END}", "length") == "a = 2\n"


@pytest.mark.parametrize("target", ["a = 1\nb = 2\nc = 3\n", "a = 1\nchanged = 2\nc = 3\n"])
def test_an_answer_of_unknown_end_is_truncated_when_the_regions_end_is_missing(target: str) -> None:
    whole = len(target.rstrip())
    for length in range(1, whole):
        parsed = answer("a = |1\nb = 2\nc = 3\n", target[:length], None)
        assert (parsed.kind, parsed.edits) in {
            ("truncated", ()),
            ("no_edit", ()),
        }, length
    assert answer("a = |1\nb = 2\nc = 3\n", target[:whole], None).kind != "truncated"


def test_an_answer_that_ended_by_itself_may_delete_the_last_rows() -> None:
    assert result("a = |1\nb = 2\nc = 3\n", "a = 1\n", "stop") == "a = 1\n"


@pytest.mark.parametrize(
    "output",
    [f"<<<<<<< CURRENT\na\n{END}", f"a\n=======\n{END}", f"a <[fim-middle]>\n{END}", "<filename>x"],
)
def test_an_answer_with_another_marker_is_not_in_the_format(output: str) -> None:
    with pytest.raises(OutputError, match="marker"):
        answer("a|\n", output)


def test_rows_keep_their_endings_and_new_rows_get_the_files() -> None:
    marked = "a = 1\r\nb = |2\r\nc = 3\r\n"
    assert result(marked, f"a = 1\nb = 2\nnew\nc = 4<|user_cursor|>\n{END}") == (
        "a = 1\r\nb = 2\r\nnew\r\nc = 4|\r\n"
    )
    assert answer(marked, f"a = 1\nb = 2\nc = 3\n{END}").kind == "no_edit"
    mixed = "a\nb|\r\nc\r\nd\n"
    assert result(mixed, f"a\nb\nc\nx\n{END}") == "a\nb\r\nc\r\nx\n"


def test_a_file_without_a_final_newline_gets_none() -> None:
    assert result("a\nb|", f"a\nb2\n{END}") == "a\nb2"
    assert answer("a\nb|", f"a\nb\n{END}").kind == "no_edit"


@pytest.mark.parametrize("file", ["a\nb|", "a\nb|\n"])
def test_rows_can_be_added_at_the_end_of_a_file(file: str) -> None:
    end = "\n" if file.endswith("\n") else ""
    assert result(file, f"a\nb\nc\n{END}") == f"a\nb\nc{end}"
    assert result("|", f"a\nb\n{END}") == "a\nb"


@pytest.mark.parametrize("copied", ["a\nb\n", "a\nb\n\n", "a\nb\n<|user_cursor|>\n"])
def test_a_copied_final_row_is_no_new_row(copied: str) -> None:
    assert answer("a\nb\n|", f"{copied}{END}").kind == "no_edit"


def test_edits_move_to_the_file_by_the_excerpts_offset() -> None:
    text = long_file(3000, 1500)
    cursor = text.index("|")
    text = text.replace("|", "")
    excerpt = gather_excerpt(TextSnapshot(text), cursor, None)
    assert excerpt.start > 0
    prompt_input = replace(
        reference_input(),
        cursor_excerpt=excerpt.text,
        cursor_offset=excerpt.cursor_offset,
        excerpt_start_row=excerpt.start_row,
    )
    region = excerpt.text[slice(*FORMAT.render(prompt_input).editable)]
    changed = region.replace("value_1500 =", "renamed =")
    parsed = FORMAT.parse(FORMAT.encode(prompt_input, changed), prompt_input)
    assert apply_edits(text, shift_edits(parsed.edits, excerpt.start)) == text.replace(
        "value_1500 =", "renamed ="
    )


# Round trips

ROWS = st.lists(
    st.sampled_from(["", "a", "b = 1", "    x", "größe", "日本 = '😀'", "}", "a b c", "NO"]),
    max_size=12,
)


def files(endings: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, int]]:
    def build(rows: list[str], ending: str, is_ended: bool, at: float) -> tuple[str, int]:
        text = ending.join(rows) + (ending if is_ended and rows else "")
        cursor = int(at * len(text))
        if text[:cursor].endswith("\r") and text[cursor:].startswith("\n"):
            cursor -= 1
        return text, cursor

    return st.builds(build, ROWS, endings, st.booleans(), st.floats(0, 1))


@settings(max_examples=200, deadline=None)
@given(files(st.sampled_from(["\n", "\r\n"])), ROWS, st.booleans(), st.data())
@example(("a\n", 0), ["a", ""], False, None)
def test_an_encoded_rewrite_comes_back_exactly(
    file: tuple[str, int], rows: list[str], is_ended: bool, data: st.DataObject | None
) -> None:
    text, cursor = file
    prompt_input = PromptInput(
        project="p",
        path="a.txt",
        cursor_excerpt=text,
        cursor_offset=cursor,
        excerpt_start_row=0,
        events=(),
    )
    start, end = FORMAT.render(prompt_input).editable
    new = "\n".join(rows) + ("\n" if is_ended else "")
    if not new.strip():
        return  # nothing answered is no edit, by design
    place = None if data is None else data.draw(st.none() | st.integers(0, len(new)))
    parsed = FORMAT.parse(FORMAT.encode(prompt_input, new, cursor=place), prompt_input)
    after = apply_edits(text, parsed.edits)
    if text[start:end].endswith("\n") and not new.endswith("\n"):
        new += "\n"  # the one difference that an answer cannot say
    ending = ModelText(text).line_ending
    expected = text[:start] + new.replace("\n", ending) + text[end:]
    assert after == expected
    assert (parsed.kind == "no_edit") == (expected == text)
    if parsed.region is not None:
        assert parsed.region == new.replace("\n", ending)
    if place is not None:
        assert parsed.cursor is not None
        assert normalize(after[start : parsed.cursor]) == new[:place]


@settings(max_examples=150, deadline=None)
@given(
    files(st.sampled_from(["\n", "\r\n"])),
    st.text(alphabet="a=\n\r>< UPDATED😀", max_size=60)
    | st.lists(st.sampled_from(["a", "\n", END, "<|user_cursor|>", "NO_EDITS", "b = 1\n"])).map(
        "".join
    ),
    st.sampled_from(["stop", "length", None]),
)
def test_no_output_gives_edits_that_do_not_fit_the_file(
    file: tuple[str, int], output: str, finish: FinishReason | None
) -> None:
    text, cursor = file
    prompt_input = PromptInput(
        project="p", path="a", cursor_excerpt=text, cursor_offset=cursor, excerpt_start_row=0
    )
    try:
        parsed = FORMAT.parse(output, prompt_input, finish_reason=finish)
    except OutputError:
        return
    after = apply_edits(text, parsed.edits)
    assert (parsed.kind == "edits") == bool(parsed.edits)
    assert bool(after.strip()) or not text.strip()
    if parsed.cursor is not None:
        assert 0 <= parsed.cursor <= len(after)
    if not parsed.edits:
        assert parsed.reason


@settings(max_examples=100, deadline=None)
@given(ROWS, ROWS, st.floats(0, 1), st.sampled_from(["length", None]))
def test_a_cut_answer_never_deletes_the_end_of_the_region(
    old: list[str], new: list[str], cut: float, finish: FinishReason | None
) -> None:
    text = "\n".join([*old, "the last row\n"])
    output = "\n".join([*new, "the last row\n"])
    prompt_input = PromptInput(
        project="p", path="a", cursor_excerpt=text, cursor_offset=0, excerpt_start_row=0
    )
    cut_output = output[: int(cut * (len(output) - 2))]
    parsed = FORMAT.parse(cut_output, prompt_input, finish_reason=finish)
    if finish == "length":
        assert parsed.edits == ()
    else:
        # It may be read as a rewrite only where it has as many rows as there were.
        assert not parsed.edits or cut_output.count("\n") >= text.count("\n") - 1
