"""The rules of the edit history, each named after what it states."""

from __future__ import annotations

from zeta_context.counts import Counts
from zeta_context.events.history import MAX_EVENTS, MAX_RECENT_EVENTS
from zeta_context.events.tracker import Tracker
from zeta_context.text.point import Point, Span

PROJECT = "root"


class Typist:
    """Drives a tracker over one document by rows and columns, with a clock of its own."""

    def __init__(self, text: str, path: str = "foo.md") -> None:
        self.counts = Counts()
        self.tracker = Tracker(counts=self.counts, clock=lambda: self.now)
        self.now = 100.0
        self.path = path
        self.tracker.open(PROJECT, path, text)

    @property
    def text(self) -> str:
        return self.tracker.document(PROJECT, self.path).snapshot.text

    def put(
        self,
        start: tuple[int, int],
        text: str,
        end: tuple[int, int] | None = None,
        *,
        path: str | None = None,
        predicted: bool = False,
        is_local: bool = True,
        cursor_row: int | None = None,
    ) -> None:
        path = path or self.path
        snapshot = self.tracker.document(PROJECT, path).snapshot
        span = Span(snapshot.offset(Point(*start)), snapshot.offset(Point(*(end or start))))
        cursor = None if cursor_row is None else snapshot.row_start(cursor_row)
        self.tracker.edit(
            PROJECT,
            path,
            span,
            text,
            predicted=predicted,
            is_local=is_local,
            cursor=cursor,
        )

    @property
    def events(self):
        return self.tracker.history(PROJECT).events()

    @property
    def diffs(self) -> list[str]:
        return [event.diff for event in self.events]


def numbered(count: int) -> str:
    return "".join(f"Line {row}\n" for row in range(count))


def test_one_insert_yields_one_event_with_three_context_lines() -> None:
    typist = Typist("Hello!\n\nBye")
    typist.put((1, 0), "How are you?")
    assert typist.diffs == ["@@ -1,3 +1,3 @@\n Hello!\n-\n+How are you?\n Bye\n"]
    assert typist.events[0].path == "foo.md"
    assert typist.events[0].project == PROJECT


def test_two_bursts_on_a_line_with_a_pause_between_are_told_as_two_events() -> None:
    typist = Typist("Hello!\n\nBye")
    typist.put((1, 0), "H")
    typist.put((1, 1), "ow")
    typist.now += 2.0
    typist.put((1, 3), " are")
    typist.put((1, 7), " you?!")
    first, second = typist.events
    assert "-\n+How\n" in first.diff
    assert "-How\n+How are you?!\n" in second.diff
    assert (first.new_span, second.new_span) == (Span(7, 10), Span(10, 20))


def test_only_the_latest_pause_splits_the_open_event() -> None:
    typist = Typist("\n")
    for text in ("a", "b", "c"):
        typist.put((0, 0), text)
        typist.now += 1.0
    first, second = typist.events
    assert "-\n+ba\n" in first.diff
    assert "-ba\n+cba\n" in second.diff


def test_a_pause_shorter_than_a_second_does_not_split() -> None:
    typist = Typist("\n")
    typist.put((0, 0), "a")
    typist.now += 0.99
    typist.put((0, 1), "b")
    assert len(typist.events) == 1


def test_the_distance_that_coalesces_is_measured_to_the_latest_edit() -> None:
    typist = Typist(numbered(40))
    typist.put((10, 0), "Middle A\nMiddle B\nMiddle C\n", (13, 0))
    typist.put((5, 0), "Above\n")
    typist.put((14, 0), "Below\n")
    assert len(typist.events) == 1
    typist.put((25, 0), "Far\n")
    first, second = typist.events
    assert all(word in first.diff for word in ("+Above", "+Middle A", "+Below"))
    assert "+Far" in second.diff
    assert "Below" not in second.diff


def test_eight_rows_apart_coalesce_and_nine_do_not() -> None:
    typist = Typist(numbered(60))
    typist.put((10, 0), "x")
    typist.put((18, 0), "x")
    assert len(typist.events) == 1
    typist.put((27, 0), "x")
    assert len(typist.events) == 2


def test_predicted_and_manual_edits_are_told_apart_while_the_user_is_near() -> None:
    typist = Typist(numbered(60))
    typist.put((1, 0), "a")
    typist.put((2, 0), "b")
    typist.put((3, 0), "accepted ", predicted=True)
    typist.put((4, 0), "accepted ", predicted=True)
    typist.put((5, 0), "c")
    assert [event.predicted for event in typist.events] == [False, True, False]
    assert [event.diff.count("\n+") for event in typist.events] == [2, 2, 1]


def test_far_away_the_predicted_and_manual_edits_become_one_manual_event() -> None:
    typist = Typist(numbered(60))
    typist.put((1, 0), "a")
    typist.put((3, 0), "accepted ", predicted=True)
    typist.put((5, 0), "c")
    typist.put((50, 0), "far")
    merged, far = typist.events
    assert not merged.predicted
    assert merged.diff.count("\n+") == 3
    assert "+farLine 50" in far.diff


def test_distant_predicted_and_manual_edits_are_not_merged() -> None:
    typist = Typist(numbered(80))
    typist.put((1, 0), "a")
    typist.put((20, 0), "accepted ", predicted=True)
    typist.put((60, 0), "far")
    assert [event.predicted for event in typist.events] == [False, True, False]


def test_an_edit_of_another_near_the_cursor_joins_the_users_event() -> None:
    typist = Typist(numbered(2_000))
    typist.put((10, 0), "mine ")
    typist.put((11, 0), "theirs ", is_local=False, cursor_row=10)
    assert len(typist.events) == 1
    assert "+theirs Line 11" in typist.events[0].diff
    last = typist.tracker.last_edit(PROJECT)
    assert last is not None
    assert typist.text[last.span.start : last.span.end] == "mine "


def test_an_edit_of_another_far_away_or_in_another_file_is_dropped_and_counted() -> None:
    typist = Typist(numbered(2_000))
    typist.tracker.open(PROJECT, "other.md", numbered(20))
    typist.put((10, 0), "mine ")
    typist.put((910, 0), "theirs ", is_local=False, cursor_row=10)
    typist.put((1, 0), "theirs ", path="other.md", is_local=False)
    assert [("theirs" in diff) for diff in typist.diffs] == [False]
    assert "theirs" in typist.text
    assert typist.counts.total("history_remote") == 2


def test_the_place_of_the_last_edit_moves_with_edits_of_others() -> None:
    typist = Typist(numbered(2_000))
    typist.put((900, 0), "mine")
    typist.put((0, 0), "theirs\n", is_local=False, cursor_row=900)
    last = typist.tracker.last_edit(PROJECT)
    assert last is not None
    assert typist.text[last.span.start : last.span.end] == "mine"
    assert last.at == 100.0


def test_an_edit_over_the_limit_is_omitted_and_splits_what_is_around_it() -> None:
    typist = Typist(numbered(30))
    typist.put((2, 0), "before ")
    typist.put((20, 0), "big " * 2_000 + "\n")
    typist.put((4, 0), "after ")
    before, after = typist.diffs
    assert "+before Line 2" in before
    assert "+after Line 4" in after
    assert not any("big" in diff for diff in typist.diffs)
    assert typist.counts.total("history_too_large") == 1


def test_the_limit_counts_utf8_bytes() -> None:
    for text, is_told in (("x" * 3_000, True), ("€" * 3_000, False)):
        typist = Typist("a\n")
        typist.put((0, 0), text)
        assert bool(typist.events) is is_told


def test_deleting_more_than_the_limit_is_omitted_too() -> None:
    typist = Typist("word " * 2_000 + "\nend\n")
    typist.put((0, 0), "", (0, 10_000))
    assert typist.events == ()


def test_small_edits_that_would_outgrow_the_limit_together_become_two_events() -> None:
    typist = Typist("\n" * 20)
    for _ in range(12):
        typist.put((3, 0), "y" * 700 + "\n")
    assert len(typist.events) >= 2
    assert typist.counts.total("history_too_large") == 0


def test_ten_events_are_kept_and_older_ones_stay_in_the_longer_list() -> None:
    typist = Typist(numbered(2_000))
    for number in range(100):
        typist.put((number * 20, 0), f"<{number}>")
    assert len(typist.events) == MAX_EVENTS
    assert "+<99>" in typist.diffs[-1]
    assert "+<90>" in typist.diffs[0]
    recent = typist.tracker.history(PROJECT).recent()
    assert len(recent) == MAX_RECENT_EVENTS
    assert "+<98>" in recent[-1].diff
    assert recent[0].diff.startswith(f"@@ -{35 * 20 - 2},7 +{35 * 20 - 2},7 @@\n")
    assert "+<35>Line 700\n" in recent[0].diff
    start = recent[0].new_span
    assert typist.text[start.start : start.end] == "<35>"
    assert [event.diff for event in typist.tracker.history(PROJECT).recent(3)] == typist.diffs[
        -4:-1
    ]


def test_an_evicted_event_is_told_as_it_would_have_been_before() -> None:
    typist = Typist(numbered(2_000).rstrip("\n"))
    typist.put((1_999, 0), "last ")
    told = typist.events[0]
    untold = Typist(numbered(2_000).rstrip("\n"))
    untold.put((1_999, 0), "last ")
    for number in range(15):
        untold.put((number * 20, 0), "x")
    assert untold.tracker.history(PROJECT).recent()[0] == told


def test_an_event_that_comes_to_nothing_is_dropped() -> None:
    typist = Typist("a\nb\n")
    typist.put((0, 1), "x")
    typist.put((0, 1), "", (0, 2))
    assert typist.events == ()


def test_events_of_two_files_are_kept_apart_and_in_order() -> None:
    typist = Typist("a\n")
    typist.tracker.open(PROJECT, "b.md", "b\n")
    typist.put((0, 0), "1")
    typist.put((0, 0), "2", path="b.md")
    typist.put((0, 0), "3")
    assert [event.path for event in typist.events] == ["foo.md", "b.md", "foo.md"]


def test_histories_of_two_projects_are_never_mixed() -> None:
    typist = Typist("a\n")
    typist.tracker.open("other", "foo.md", "a\n")
    typist.put((0, 0), "1")
    typist.tracker.edit("other", "foo.md", Span(0, 0), "2")
    assert [event.project for event in typist.events] == [PROJECT]
    assert [event.project for event in typist.tracker.history("other").events()] == ["other"]
    assert "+1a" in typist.diffs[0]


def test_a_rename_is_an_event_with_the_old_path() -> None:
    typist = Typist("a\n")
    typist.put((0, 0), "1")
    typist.tracker.rename(PROJECT, "foo.md", "bar.md")
    typist.put((0, 0), "2", path="bar.md")
    edited, renamed, edited_again = typist.events
    assert (edited.path, edited_again.path) == ("foo.md", "bar.md")
    assert (renamed.old_path, renamed.path, renamed.diff) == ("foo.md", "bar.md", "")
    last = typist.tracker.last_edit(PROJECT)
    assert last is not None
    assert last.path == "bar.md"
