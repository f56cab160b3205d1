"""The edit history in a prompt: which events, in which order, under which header."""

from zeta_context.events.event import Event
from zeta_context.prompt.events import render_event, render_events
from zeta_context.text.point import Span

HEADER = "<filename>edit_history\n"


def event(number: int, **fields: object) -> Event:
    values: dict[str, object] = {
        "project": "root",
        "path": "src/foo.md",
        "diff": f"@@ -1,1 +1,1 @@\n-{number}\n+{number}0\n",
        "old_span": Span(0, 1),
        "new_span": Span(0, 2),
    }
    return Event(**(values | fields))  # type: ignore[arg-type]


def test_an_event_stands_verbatim_under_its_paths() -> None:
    assert render_event(event(1)) == (
        "--- a/root/src/foo.md\n+++ b/root/src/foo.md\n@@ -1,1 +1,1 @@\n-1\n+10\n"
    )


def test_an_accepted_prediction_is_marked() -> None:
    rendered = render_event(event(1, predicted=True))
    assert rendered.startswith("// User accepted prediction:\n--- a/root/src/foo.md\n")


def test_a_rename_shows_both_paths_and_an_untitled_buffer_no_project() -> None:
    renamed = render_event(event(1, old_path="src/bar.md", diff=""))
    assert renamed == "--- a/root/src/bar.md\n+++ b/root/src/foo.md\n"
    assert render_event(event(1, project="", path="untitled-3")).startswith("--- a/untitled-3\n")


def test_line_endings_do_not_show_and_the_last_row_is_ended() -> None:
    rendered = render_event(event(1, diff="@@ -1 +1 @@\r\n-a\r\n+b"))
    assert rendered.endswith("@@ -1 +1 @@\n-a\n+b\n")


def test_the_newest_events_that_fit_are_shown_oldest_first() -> None:
    events = [event(number) for number in range(8)]
    fitted = render_events(events, header=HEADER, max_tokens=4096)
    assert fitted.text == HEADER + "".join(map(render_event, events[2:]))
    assert [one.reason for one in fitted.left_out] == ["over_count"] * 2


def test_a_count_of_two_shows_the_newest_two_and_a_count_of_none_no_section() -> None:
    events = [event(number) for number in range(3)]
    fitted = render_events(events, header=HEADER, max_tokens=4096, max_events=2)
    assert fitted.text == HEADER + render_event(events[1]) + render_event(events[2])
    assert render_events(events, header=HEADER, max_tokens=4096, max_events=0).text == ""


def test_a_small_budget_drops_older_events_and_then_the_section() -> None:
    # The header costs 7 tokens, an event 22.
    events = [event(number) for number in range(3)]
    assert render_events(events, header=HEADER, max_tokens=7 + 44).text.count("+++") == 2
    assert render_events(events, header=HEADER, max_tokens=7 + 43).text.count("+++") == 1
    fitted = render_events(events, header=HEADER, max_tokens=7 + 21)
    assert (fitted.text, fitted.items) == ("", ())
    assert [one.reason for one in fitted.left_out] == ["over_budget"] * 3


def test_the_first_event_that_does_not_fit_ends_the_selection() -> None:
    events = [event(0), event(1, diff="+" + "x" * 3000 + "\n"), event(2)]
    fitted = render_events(events, header=HEADER, max_tokens=200)
    assert fitted.text == HEADER + render_event(events[2])
    assert len(fitted.left_out) == 2


def test_an_event_with_a_marker_makes_room_for_an_older_one() -> None:
    events = [event(0), event(1, diff="+<|cursor|>\n"), event(2)]
    fitted = render_events(
        events, header=HEADER, max_tokens=4096, special_tokens=("<|cursor|>",), max_events=2
    )
    assert fitted.text == HEADER + render_event(events[0]) + render_event(events[2])
    assert [one.reason for one in fitted.left_out] == ["special_token"]
