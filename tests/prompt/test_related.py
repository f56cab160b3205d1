"""Related files in a prompt: the best-ranked excerpts first, shown in the order of the files."""

from zeta_context.prompt.input import RelatedExcerpt, RelatedFile
from zeta_context.prompt.related import render_related_files


def file(path: str, *excerpts: tuple[int, int, int], last_row: int = 100) -> RelatedFile:
    """Excerpts as (first row, one past the last, order)."""
    return RelatedFile(
        project="p",
        path=path,
        last_row=last_row,
        excerpts=tuple(
            RelatedExcerpt(
                start_row=first,
                end_row=end,
                order=order,
                text="".join(f"{path} {row}\n" for row in range(first, end)),
            )
            for first, end, order in excerpts
        ),
    )


def render(*files: RelatedFile, max_tokens: int = 1000) -> str:
    return render_related_files(files, file_marker="<file>", max_tokens=max_tokens).text


def test_an_ellipsis_stands_where_rows_are_missing() -> None:
    shown = render(file("a", (0, 1, 0), (1, 2, 0), (5, 6, 0)), file("b", (98, 100, 0)))
    assert shown == "<file>p/a\na 0\na 1\n...\na 5\n...\n<file>p/b\nb 98\nb 99\n"


def test_lower_orders_win_within_and_across_files_but_do_not_change_the_order_shown() -> None:
    # A header costs 3 tokens, an excerpt with its ellipsis 2.
    files = file("a", (0, 1, 3), (5, 6, 1)), file("b", (0, 1, 2))
    assert render(*files, max_tokens=4) == ""
    assert render(*files, max_tokens=5) == "<file>p/a\na 5\n...\n"
    assert render(*files, max_tokens=10) == "<file>p/a\na 5\n...\n<file>p/b\nb 0\n...\n"
    assert render(*files, max_tokens=12) == ("<file>p/a\na 0\n...\na 5\n...\n<file>p/b\nb 0\n...\n")


def test_the_first_excerpt_that_does_not_fit_ends_the_selection() -> None:
    files = file("a", (0, 90, 1)), file("b", (0, 1, 2))
    found = render_related_files(files, file_marker="<file>", max_tokens=20)
    assert found.text == ""
    assert [one.reason for one in found.left_out] == ["over_budget"] * 2


def test_an_excerpt_without_a_final_newline_gets_one_and_an_empty_one_nothing() -> None:
    one = RelatedFile(
        project="",
        path="a",
        last_row=1,
        excerpts=(
            RelatedExcerpt(start_row=0, end_row=0, text=""),
            RelatedExcerpt(start_row=0, end_row=1, text="x\r"),
            RelatedExcerpt(start_row=1, end_row=2, text="y"),
        ),
    )
    assert render(one) == "<file>a\nx\ny\n"


def test_excerpts_that_the_cursor_excerpt_shows_are_left_out() -> None:
    files = file("a", (9, 12, 0), (10, 12, 0), (18, 20, 0), (18, 21, 0)), file("b", (10, 12, 0))
    found = render_related_files(
        files, file_marker="", max_tokens=1000, cursor_file=("p", "a"), cursor_rows=(10, 20)
    )
    assert [one.label for one in found.left_out] == ["p/a:11-12", "p/a:19-20"]
    assert {one.reason for one in found.left_out} == {"in_cursor_excerpt"}
    assert [one.label for one in found.items] == ["p/a:10-12", "p/a:19-21", "p/b:11-12"]


def test_no_file_is_shown_by_its_header_alone() -> None:
    assert render(file("a"), file("b", (0, 1, 0))) == "<file>p/b\nb 0\n...\n"
