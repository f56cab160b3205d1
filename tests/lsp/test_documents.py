"""Changes between texts and places in units, as properties over awkward texts."""

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.lsp import uri
from zeta_context.lsp.documents import (
    change_between,
    encode_change,
    from_unit_point,
    to_unit_point,
)
from zeta_context.text.point import Encoding, Span
from zeta_context.text.snapshot import TextSnapshot

awkward = st.text(alphabet="ab\r\n é𝒳\u0301\u2028", max_size=30)
encodings = st.sampled_from(["utf-8", "utf-16", "utf-32"])


@given(awkward, awkward, awkward, awkward)
def test_a_change_turns_the_old_text_into_the_new(
    head: str, old_middle: str, new_middle: str, tail: str
) -> None:
    old, new = head + old_middle + tail, head + new_middle + tail
    change = change_between(old, new)
    assert (
        old[: change.old.start] + new[change.new.start : change.new.end] + old[change.old.end :]
        == new
    )
    for text, span in ((old, change.old), (new, change.new)):
        for offset in span:
            assert text[max(0, offset - 1) : offset + 1] != "\r\n" or offset == 0


@given(awkward, awkward, awkward, awkward, st.data())
def test_a_span_that_is_mapped_holds_what_it_held(
    head: str, old_middle: str, new_middle: str, tail: str, data: st.DataObject
) -> None:
    old, new = head + old_middle + tail, head + new_middle + tail
    start = data.draw(st.integers(0, len(old)))
    span = Span(start, data.draw(st.integers(start, len(old))))
    mapped = change_between(old, new).map_span(span)
    if mapped is not None:
        assert new[mapped.start : mapped.end] == old[span.start : span.end]


def test_typing_at_either_end_of_a_name_makes_it_another_name() -> None:
    assert change_between("a name b", "a names b").map_span(Span(2, 6)) is None
    assert change_between("a name b", "a xname b").map_span(Span(2, 6)) is None
    assert change_between("a name b", "a name bc").map_span(Span(2, 6)) == Span(2, 6)
    assert change_between("a name b", "aa name b").map_span(Span(2, 6)) == Span(3, 7)


@given(awkward, awkward, encodings)
def test_places_of_a_change_are_inside_of_the_old_text(
    old: str, new: str, encoding: Encoding
) -> None:
    before = TextSnapshot(old)
    changes = encode_change(before, TextSnapshot(new), encoding)
    assert (not changes) == (old == new)
    for change in changes:
        for end in ("start", "end"):
            place = change["range"][end]
            offset = before.offset_of_position(place["line"], place["character"], encoding)
            row, units = before.position(offset, encoding)
            assert (row, units) == (place["line"], place["character"])


@given(awkward, encodings, st.data())
def test_places_round_trip_but_inside_of_line_endings(
    text: str, encoding: Encoding, data: st.DataObject
) -> None:
    snapshot = TextSnapshot(text)
    offset = data.draw(st.integers(0, len(text)))
    back = from_unit_point(snapshot, to_unit_point(snapshot, offset, encoding), encoding)
    is_inside_ending = text[max(0, offset - 1) : offset + 1] == "\r\n" and offset > 0
    assert back == (offset - 1 if is_inside_ending else offset)


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        ("file:///a/b.py", "/a/b.py"),
        ("file:///a%20b/%C3%A9.py", "/a b/é.py"),
        ("file:///a b/é.py", "/a b/é.py"),
        ("file://localhost/a", "/a"),
        ("FILE:///a", "/a"),
        ("file:/a/b", "/a/b"),
        ("file:///a/../b/./c", "/b/c"),
        ("file:///a%23b?c#d", "/a#b?c#d"),
    ],
)
def test_uris_are_understood_in_every_spelling(spelling: str, path: str) -> None:
    assert uri.to_path(spelling) == Path(path)


@pytest.mark.parametrize(
    "spelling",
    [
        "untitled:Untitled-1",
        "jdt://contents/java.base/String.class",
        "file://host/share/x",
        "file:///a%00b",
        "file:relative",
        "",
        "http://[broken",
        "file:///" + "a" * 10_000,
    ],
)
def test_what_is_no_local_file_has_no_path(spelling: str) -> None:
    assert uri.to_path(spelling) is None


@pytest.mark.parametrize(
    "spelling", ["file:///c%3A/a%20b.py", "file:///C:/a b.py", "file:/c:/a%20b.py"]
)
def test_drives_are_understood_in_every_spelling(spelling: str) -> None:
    path = uri.to_path(spelling)
    assert path is not None
    assert PureWindowsPath(uri.name_drive(path.as_posix())) == PureWindowsPath("C:/a b.py")


def test_what_has_no_drive_keeps_its_name() -> None:
    assert uri.name_drive("/ab:/c") == "/ab:/c"


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        ("vscode-notebook-cell:/a/b%20c.ipynb#W0sZmlsZQ%3D%3D", "/a/b c.ipynb/W0sZmlsZQ--"),
        ("vscode-notebook-cell:///a/b.ipynb#X1", "/a/b.ipynb/X1"),
        ("vscode-notebook-cell:/a/b.ipynb#../../etc/passwd", "/a/b.ipynb/------etc-passwd"),
        ("vscode-notebook-cell:/a/b.ipynb", None),
        ("vscode-notebook-cell://elsewhere/a/b.ipynb#X1", None),
        ("file:///a/b.ipynb#X1", None),
    ],
)
def test_a_cell_lies_below_its_notebook(spelling: str, path: str | None) -> None:
    assert uri.to_cell(spelling) == (None if path is None else Path(path))


@given(st.text(alphabet="abc é𝒳%#?&+ ~", min_size=1, max_size=12))
def test_paths_round_trip_through_uris(name: str) -> None:
    path = Path("/root") / name
    assert uri.to_path(uri.from_path(path)) == path
