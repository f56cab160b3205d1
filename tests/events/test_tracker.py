"""What editors send, and what the tracker makes of it."""

from __future__ import annotations

import pytest

from zeta_context.counts import Counts
from zeta_context.errors import (
    DocumentError,
    NotOpen,
    OutOfRange,
    StaleSnapshot,
    TextError,
    VersionGap,
)
from zeta_context.events.content_change import ContentChange, parse_content_changes
from zeta_context.events.event import Event
from zeta_context.events.tracker import OpenDocument, Tracker
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Point, Span

PROJECT, PATH = "root", "src/a.py"


def make_tracker(text: str, *, version: int | None = None) -> Tracker:
    tracker = Tracker(counts=Counts(), clock=lambda: 5.0)
    tracker.open(PROJECT, PATH, text, version=version)
    return tracker


def document(tracker: Tracker) -> OpenDocument:
    return tracker.document(PROJECT, PATH)


def text_of(tracker: Tracker) -> str:
    return document(tracker).snapshot.text


def events_of(tracker: Tracker) -> tuple[Event, ...]:
    return tracker.history(PROJECT).events()


def total(tracker: Tracker, reason: str) -> int:
    return tracker._counts.total(reason)


def lsp(start: tuple[int, int], end: tuple[int, int], text: str) -> ContentChange:
    return ContentChange(start=Point(*start), end=Point(*end), text=text)


def numbered(count: int) -> str:
    return "".join(f"line {row}\n" for row in range(count))


def test_a_document_is_known_by_project_and_path_with_its_language_and_version() -> None:
    tracker = make_tracker("a\n", version=3)
    assert (document(tracker).language, document(tracker).version) == ("python", 3)
    assert not document(tracker).is_dirty
    tracker.edit(PROJECT, PATH, Span(0, 1), "b")
    assert (text_of(tracker), document(tracker).version) == ("b\n", 4)
    assert document(tracker).is_dirty
    assert not tracker.save(PROJECT, PATH).is_dirty


def test_the_record_of_a_document_stays_as_it_was_taken() -> None:
    tracker = make_tracker("a\n")
    before = document(tracker)
    assert document(tracker) is before
    tracker.edit(PROJECT, PATH, Span(0, 0), "b")
    assert before.snapshot.text == "a\n"


def test_documents_come_with_the_most_recently_edited_first() -> None:
    tracker = make_tracker("a\n")
    tracker.open(PROJECT, "b.py", "b\n")
    tracker.open("other", "c.py", "c\n")
    tracker.edit(PROJECT, PATH, Span(0, 0), "x")
    assert [each.path for each in tracker.documents()] == [PATH, "c.py", "b.py"]
    assert [each.path for each in tracker.documents(PROJECT)] == [PATH, "b.py"]


@pytest.mark.parametrize("span", [Span(-1, 0), Span(0, 3), Span(2, 1), Span(9, 9)])
def test_an_edit_out_of_range_changes_nothing(span: Span) -> None:
    tracker = make_tracker("a\n")
    before = document(tracker)
    with pytest.raises(OutOfRange):
        tracker.edit(PROJECT, PATH, span, "x")
    assert document(tracker) is before
    assert events_of(tracker) == ()


def test_of_several_edits_none_is_made_when_one_is_out_of_range_or_two_overlap() -> None:
    tracker = make_tracker("abc\n")
    for second, error in ((Span(2, 9), OutOfRange), (Span(0, 2), TextError)):
        with pytest.raises(error):
            tracker.edit_many(PROJECT, PATH, (TextEdit(Span(1, 2), "x"), TextEdit(second, "y")))
    assert text_of(tracker) == "abc\n"


def test_several_edits_are_made_against_one_text() -> None:
    tracker = make_tracker("one two three\n")
    edits = (TextEdit(Span(8, 13), "3"), TextEdit(Span(0, 3), "first"))
    tracker.edit_many(PROJECT, PATH, edits)
    assert text_of(tracker) == "first two 3\n"
    assert len(events_of(tracker)) == 1


def test_what_was_never_opened_or_is_closed_cannot_be_edited() -> None:
    tracker = make_tracker("a\n")
    tracker.close(PROJECT, PATH)
    with pytest.raises(NotOpen):
        tracker.edit(PROJECT, PATH, Span(0, 0), "x")
    with pytest.raises(NotOpen):
        tracker.edit("other", PATH, Span(0, 0), "x")


def test_events_outlive_the_closing_of_their_document() -> None:
    tracker = make_tracker("a\n")
    tracker.edit(PROJECT, PATH, Span(0, 0), "x")
    tracker.close(PROJECT, PATH)
    assert "+xa" in events_of(tracker)[0].diff


# Neovim


def test_neovim_sends_several_changes_with_one_final_version() -> None:
    tracker = make_tracker("one two\nlast\n", version=0)
    changes = (
        lsp((0, 4), (0, 7), "TWO"),
        lsp((0, 7), (1, 0), "\nαβ𝒳\n"),
        lsp((1, 2), (1, 2), "!"),
    )
    tracker.apply_changes(PROJECT, PATH, changes, encoding="utf-32", version=7)
    assert text_of(tracker) == "one TWO\nαβ!𝒳\nlast\n"
    assert document(tracker).version == 7
    assert len(events_of(tracker)) == 1


def test_a_whole_line_insert_that_arrives_as_a_replace_from_the_previous_line_is_an_insert() -> (
    None
):
    tracker = make_tracker("one two\nlast\n", version=0)
    tracker.apply_changes(PROJECT, PATH, (lsp((0, 7), (1, 0), "\nnew\n"),), version=1)
    assert text_of(tracker) == "one two\nnew\nlast\n"
    last = tracker.last_edit(PROJECT)
    assert last is not None
    assert last.span == Span(8, 12)
    assert events_of(tracker)[0].old_span == Span(8, 8)


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 8), ("utf-16", 4), ("utf-32", 3)])
def test_columns_count_units_of_the_negotiated_encoding(encoding, column: int) -> None:
    tracker = make_tracker("αβ𝒳z\n", version=1)
    change = lsp((0, column), (0, column + 1), "Z")
    tracker.apply_changes(PROJECT, PATH, (change,), encoding=encoding, version=2)
    assert text_of(tracker) == "αβ𝒳Z\n"


# Emacs


def test_emacs_coalesces_edits_into_one_replacement_of_which_only_what_changed_is_taken() -> None:
    old = numbered(40)
    new = old.replace("line 3\n", "line three\n").replace("line 30\n", "line thirty\n")
    tracker = make_tracker(old, version=0)
    tracker.apply_changes(PROJECT, PATH, (lsp((0, 0), (40, 0), new),), version=1)
    assert text_of(tracker) == new
    assert [event.diff.count("\n-") for event in events_of(tracker)] == [1, 1]


# VS Code


def test_empty_content_changes_are_ignored() -> None:
    tracker = make_tracker("a\n", version=4)
    tracker.edit(PROJECT, PATH, Span(0, 0), "x", version=5)
    events = events_of(tracker)
    for version in (5, 4, None):
        tracker.apply_changes(PROJECT, PATH, (), version=version)
    assert (events_of(tracker), document(tracker).version) == (events, 5)
    tracker.apply_changes(PROJECT, PATH, (), version=6)
    assert document(tracker).version == 6
    assert not document(tracker).needs_resync


def test_a_cause_that_the_editor_tells_is_kept() -> None:
    tracker = make_tracker("a\n")
    tracker.edit(PROJECT, PATH, Span(0, 1), "b", cause="redo")
    assert events_of(tracker)[0].cause == "redo"


# Clients that send the whole text


def test_a_full_text_change_is_reduced_to_what_was_typed() -> None:
    tracker = make_tracker(numbered(2_000), version=1)
    text = text_of(tracker)
    at = text.index("line 700\n")
    for version, typed in enumerate("draft", start=2):
        text = text[:at] + typed + text[at:]
        at += 1
        tracker.apply_changes(PROJECT, PATH, (ContentChange(text=text),), version=version)
    (event,) = events_of(tracker)
    assert "-line 700\n+draftline 700\n" in event.diff
    assert event.new_span.length == 5
    assert text_of(tracker) == text


def test_a_full_text_change_to_the_same_text_is_no_event() -> None:
    tracker = make_tracker("a\nb\n", version=1)
    tracker.replace(PROJECT, PATH, "a\nb\n", version=2)
    assert events_of(tracker) == ()
    assert document(tracker).version == 2


def test_line_endings_are_not_taken_apart() -> None:
    tracker = make_tracker("a\r\nb\r\n")
    tracker.replace(PROJECT, PATH, "a\r\n\r\nb\r\n")
    last = tracker.last_edit(PROJECT)
    assert last is not None
    text = text_of(tracker)
    assert text[last.span.start : last.span.end] == "\r\n"
    assert not (text[last.span.start - 1] == "\r" and text[last.span.start] == "\n")


# Versions


@pytest.mark.parametrize("version", [3, 2, 0, -1])
def test_a_version_that_does_not_grow_asks_for_the_whole_text(version: int) -> None:
    tracker = make_tracker("a\n", version=3)
    with pytest.raises(VersionGap):
        tracker.apply_changes(PROJECT, PATH, (lsp((0, 0), (0, 0), "x"),), version=version)
    assert text_of(tracker) == "a\n"
    assert document(tracker).needs_resync


def test_an_edit_made_against_a_version_that_never_came_asks_for_the_whole_text() -> None:
    tracker = make_tracker("a\n", version=3)
    with pytest.raises(VersionGap):
        tracker.edit(PROJECT, PATH, Span(0, 0), "x", base_version=4, version=5)
    assert document(tracker).needs_resync


def test_an_edit_made_against_an_older_version_is_refused_and_nothing_was_missed() -> None:
    tracker = make_tracker("a\n", version=3)
    with pytest.raises(StaleSnapshot):
        tracker.edit(PROJECT, PATH, Span(0, 0), "x", base_version=2)
    assert not document(tracker).needs_resync


def test_out_of_step_nothing_is_taken_until_the_whole_text_comes() -> None:
    tracker = make_tracker("a\nb\n", version=3)
    with pytest.raises(VersionGap):
        tracker.edit(PROJECT, PATH, Span(0, 0), "x", version=3)
    with pytest.raises(VersionGap):
        tracker.edit(PROJECT, PATH, Span(0, 0), "x", version=9)
    tracker.replace(PROJECT, PATH, "other\n", version=2)
    assert (text_of(tracker), document(tracker).version) == ("other\n", 2)
    assert events_of(tracker) == ()
    assert total(tracker, "history_reload") == 1
    tracker.edit(PROJECT, PATH, Span(0, 0), "x", version=3)
    assert len(events_of(tracker)) == 1


def test_columns_past_the_end_of_a_row_are_clipped() -> None:
    tracker = make_tracker("ab\r\ncd\n", version=0)
    tracker.apply_changes(PROJECT, PATH, (lsp((0, 99), (0, 400), "!"),), version=1)
    assert text_of(tracker) == "ab!\r\ncd\n"


def test_the_row_below_the_last_is_the_end_and_any_further_one_shows_missed_edits() -> None:
    tracker = make_tracker("a\nb", version=0)
    tracker.apply_changes(PROJECT, PATH, (lsp((1, 1), (2, 0), "!"),), version=1)
    assert text_of(tracker) == "a\nb!"
    with pytest.raises(OutOfRange):
        tracker.apply_changes(
            PROJECT, PATH, (lsp((0, 0), (0, 0), "x"), lsp((9, 0), (9, 0), "y")), version=2
        )
    assert text_of(tracker) == "a\nb!"
    assert document(tracker).needs_resync


def test_content_changes_are_read_from_json() -> None:
    place = {"start": {"line": 1, "character": 2}, "end": {"line": 3, "character": 4}}
    raw = [{"range": place, "rangeLength": 7, "text": "x"}, {"text": "whole"}]
    assert parse_content_changes(raw) == (lsp((1, 2), (3, 4), "x"), ContentChange(text="whole"))


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "text",
        [3],
        [{"text": 3}],
        [{"text": "", "range": 3}],
        [{"text": "", "range": {"start": {"line": 0, "character": 0}}}],
        [{"text": "", "range": {"start": {"line": -1, "character": 0}, "end": {}}}],
        [{"text": "", "range": {"start": {"line": 0.5, "character": 0}, "end": {}}}],
    ],
)
def test_malformed_content_changes_are_refused(raw: object) -> None:
    with pytest.raises(DocumentError):
        parse_content_changes(raw)


# Reloads, formatters and bulk changes


def test_an_expected_reload_is_not_taken_for_typing() -> None:
    tracker = make_tracker(numbered(20), version=1)
    tracker.edit(PROJECT, PATH, Span(0, 0), "typed ", version=2)
    disk = numbered(20).replace("line 5\n", "line five\n")
    tracker.take_disk(PROJECT, PATH, disk)
    row = lsp((5, 0), (5, 6), "line five")
    tracker.apply_changes(PROJECT, PATH, (lsp((0, 0), (0, 6), ""), row), version=3)
    assert text_of(tracker) == disk
    assert ["typed" in event.diff for event in events_of(tracker)] == [True]
    assert not any("five" in event.diff for event in events_of(tracker))
    assert total(tracker, "history_reload") == 1
    assert not document(tracker).is_dirty


def test_typing_while_a_reload_is_expected_is_still_typing() -> None:
    tracker = make_tracker("a\n")
    tracker.take_disk(PROJECT, PATH, "something else\n")
    tracker.edit(PROJECT, PATH, Span(0, 0), "x")
    assert len(events_of(tracker)) == 1


def test_a_document_opened_again_with_another_text_was_reloaded() -> None:
    tracker = make_tracker("a\n")
    tracker.edit(PROJECT, PATH, Span(0, 0), "x")
    tracker.open(PROJECT, PATH, "b\n")
    tracker.edit(PROJECT, PATH, Span(0, 0), "y")
    first, second = events_of(tracker)
    assert "-a\n+xa\n" in first.diff
    assert "-b\n+yb\n" in second.diff
    assert total(tracker, "history_reload") == 1


def test_a_formatter_run_over_a_file_is_not_taken_for_typing() -> None:
    text = numbered(400)
    tracker = make_tracker(text)
    tracker.edit(PROJECT, PATH, Span(0, 0), "typed ")
    snapshot = document(tracker).snapshot
    edits = [
        TextEdit(Span(snapshot.row_start(row), snapshot.row_start(row) + 4), f"Line[{row}]")
        for row in range(20, 400, 20)
    ]
    tracker.edit_many(PROJECT, PATH, edits)
    assert [event.diff.count("\n+") for event in events_of(tracker)] == [1]
    assert "typed" in events_of(tracker)[0].diff
    assert total(tracker, "history_bulk") == 1
    assert "Line[380]" in text_of(tracker)


def test_spacing_changed_at_two_places_at_once_is_a_formatter_at_work() -> None:
    tracker = make_tracker("a=1\n" + "\n" * 20 + "b=2\n")
    tracker.edit_many(PROJECT, PATH, [TextEdit(Span(1, 2), " = "), TextEdit(Span(25, 26), " = ")])
    assert text_of(tracker) == "a = 1\n" + "\n" * 20 + "b = 2\n"
    assert events_of(tracker) == ()
    assert total(tracker, "history_format") == 2


def test_a_completion_with_its_import_is_told_at_both_places() -> None:
    tracker = make_tracker("import a\n" + "\n" * 30 + "use(\n")
    end = len(text_of(tracker)) - 1
    edits = [TextEdit(Span(9, 9), "import b\n"), TextEdit(Span(end, end), "b")]
    tracker.edit_many(PROJECT, PATH, edits)
    assert ["+import b" in event.diff for event in events_of(tracker)] == [True, False]
    assert "+use(b" in events_of(tracker)[1].diff


def test_a_rename_over_a_whole_file_is_told_once_where_the_user_was() -> None:
    text = "".join(f"use(user, {row})\n" + "\n" * 15 for row in range(30))
    tracker = make_tracker(text)
    at = text.index("use(user, 12)")
    tracker.edit(PROJECT, PATH, Span(at, at), "x")
    tracker.edit(PROJECT, PATH, Span(at, at + 1), "")
    starts = [each for each in range(len(text)) if text.startswith("user", each)]
    tracker.edit_many(
        PROJECT, PATH, [TextEdit(Span(start, start + 4), "account") for start in starts]
    )
    (event,) = events_of(tracker)
    assert "-use(user, 12)\n+use(account, 12)\n" in event.diff
    assert total(tracker, "history_bulk") == 2
    assert "user" not in text_of(tracker)


def test_an_accepted_prediction_is_told_at_every_place() -> None:
    text = "user\n" + ("\n" * 15 + "user\n") * 5
    tracker = make_tracker(text)
    starts = [each for each in range(len(text)) if text.startswith("user", each)]
    edits = [TextEdit(Span(start, start + 4), "account") for start in starts]
    tracker.edit_many(PROJECT, PATH, edits, predicted=True)
    assert [event.predicted for event in events_of(tracker)] == [True] * 6


def test_a_renamed_document_takes_its_language_from_its_new_name() -> None:
    tracker = make_tracker("a\n")
    assert tracker.rename(PROJECT, PATH, "src/a.ts").language == "typescript"
    with pytest.raises(NotOpen):
        document(tracker)


# Odd texts


def test_lone_surrogates_and_mixed_line_endings_are_taken_as_they_are() -> None:
    tracker = make_tracker("a\ud800\r\nb\rc\n")
    tracker.edit(PROJECT, PATH, Span(2, 2), "\udfff")
    assert text_of(tracker) == "a\ud800\udfff\r\nb\rc\n"
    assert events_of(tracker)[0].diff.startswith("@@ ")


def test_edits_in_a_row_of_ten_megabytes_are_tracked_and_not_told() -> None:
    tracker = make_tracker("x" * 10_000_000)
    tracker.edit(PROJECT, PATH, Span(5_000_000, 5_000_000), "y")
    assert document(tracker).snapshot.slice(Span(4_999_999, 5_000_002)) == "xyx"
    assert events_of(tracker) == ()
    assert total(tracker, "history_too_large") == 1


def test_a_reload_that_came_before_the_news_of_it_is_taken_back() -> None:
    now = [10.0]
    tracker = Tracker(counts=Counts(), clock=lambda: now[0])
    tracker.open(PROJECT, PATH, numbered(100))
    tracker.edit(PROJECT, PATH, Span(0, 0), "typed ")
    disk = numbered(100).replace("line 5\n", "five\n").replace("line 50\n", "fifty\n")
    now[0] = 20.0
    tracker.replace(PROJECT, PATH, disk)
    assert len(events_of(tracker)) > 1
    now[0] = 20.3
    assert tracker.take_disk(PROJECT, PATH, disk, age_seconds=0.5) == "reloaded"
    assert ["typed" in event.diff for event in events_of(tracker)] == [True]
    assert total(tracker, "history_reload") == 1
    assert not document(tracker).is_dirty
    last = tracker.last_edit(PROJECT)
    assert last is not None
    assert last.at == 10.0


def test_a_save_that_we_were_not_told_of_yet_is_no_reload() -> None:
    now = [10.0]
    tracker = Tracker(counts=Counts(), clock=lambda: now[0])
    tracker.open(PROJECT, PATH, "a\n")
    tracker.edit(PROJECT, PATH, Span(0, 0), "typed ")
    now[0] = 11.0
    assert tracker.take_disk(PROJECT, PATH, "typed a\n", age_seconds=0.1) == "saved"
    assert len(events_of(tracker)) == 1
    assert not document(tracker).is_dirty


def test_the_editors_own_save_is_told_from_a_change_by_others() -> None:
    tracker = make_tracker("a\n")
    assert tracker.take_disk(PROJECT, "other.py", "a\n") == "not_open"
    tracker.edit(PROJECT, PATH, Span(0, 0), "1")
    tracker.save(PROJECT, PATH)
    tracker.edit(PROJECT, PATH, Span(0, 0), "2")
    assert tracker.take_disk(PROJECT, PATH, "1a\n") == "unchanged"
    assert tracker.take_disk(PROJECT, PATH, "b\n") == "changed"
    assert document(tracker).is_dirty
