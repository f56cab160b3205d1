"""Whether the rest of a recording makes by hand what was predicted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.evals.fulfilment import Fulfilment, find_fulfilment
from zeta_context.events.trace import CursorMoved, Edited, Reloaded, Renamed, TraceEntry
from zeta_context.text.diff import diff_text
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span

PATH = "a.py"
TEXT = "first = user\nsecond = user\nthird = 3\nfourth = user\n"


class Typist:
    """Writes entries as a person makes them, key by key."""

    def __init__(self, text: str = TEXT) -> None:
        self.text = text
        self.entries: list[TraceEntry] = []

    def replace(self, start: int, end: int, new_text: str, path: str = PATH) -> Typist:
        self.entries.append(
            Edited(at_ms=0, path=path, span=Span(start, end), new_text=new_text, version=1)
        )
        if path == PATH:
            self.text = self.text[:start] + new_text + self.text[end:]
        return self

    def type(self, offset: int, keys: str) -> Typist:
        for index, key in enumerate(keys):
            self.replace(offset + index, offset + index, key)
        return self

    def rename(self, old: str, new: str, occurrence: int) -> Typist:
        start = -1
        for _ in range(occurrence):
            start = self.text.index(old, start + 1)
        return self.replace(start, start + len(old), "").type(start, new)

    def fulfils(self, *edits: TextEdit, text: str = TEXT) -> Fulfilment | None:
        return find_fulfilment(edits, PATH, text, self.entries, 0)


def edit_at(fragment: str, new_text: str, text: str = TEXT) -> TextEdit:
    start = text.index(fragment)
    return TextEdit(Span(start, start + len(fragment)), new_text)


SECOND = TextEdit(Span(22, 26), "account")


def test_what_is_typed_next_in_the_predicted_place_fulfils_it() -> None:
    found = Typist().rename("user", "account", 2).fulfils(SECOND)
    assert found is not None
    assert found.keystrokes == frozenset(range(8))
    assert (found.first, found.last) == (0, 7)


def test_typing_something_else_there_does_not() -> None:
    assert Typist().rename("user", "owner", 2).fulfils(SECOND) is None


def test_slips_and_second_thoughts_on_the_way_are_allowed() -> None:
    typist = Typist().replace(22, 26, "").type(22, "acuo")
    typist.replace(25, 26, "").replace(24, 25, "").type(24, "count")
    found = typist.fulfils(SECOND)
    assert found is not None
    assert len(found.keystrokes) == len(typist.entries) == 12


def test_work_elsewhere_before_is_carried_along_and_costs_nothing() -> None:
    typist = Typist().replace(0, 5, "FIRST_OF_ALL").replace(0, 0, "import os\n")
    typist.replace(0, 0, "x", path="b.py")
    typist.rename("user", "account", 2)
    found = typist.fulfils(SECOND)
    assert found is not None
    assert found.first == 3


def test_leaving_for_another_place_in_between_ends_it() -> None:
    there = Typist().replace(22, 26, "").type(22, "acc").replace(0, 0, "#").type(26, "ount")
    assert there.text.startswith("#first = user\nsecond = account\n")
    assert there.fulfils(SECOND) is None
    elsewhere = Typist().replace(22, 26, "").replace(0, 0, "x", path="b.py").type(22, "account")
    assert elsewhere.fulfils(SECOND) is None


def test_rows_may_be_opened_from_above_or_below() -> None:
    edit = TextEdit(Span(13, 13), "between = 1\n")
    above = Typist().replace(12, 12, "\n").type(13, "between = 1")
    below = Typist().replace(13, 13, "\n").type(13, "between = 1")
    assert above.text == below.text == apply_edits(TEXT, (edit,))
    for typist in (above, below):
        found = typist.fulfils(edit)
        assert found is not None
        assert len(found.keystrokes) == 12


def test_every_change_of_a_prediction_must_be_made() -> None:
    fourth = TextEdit(Span(46, 50), "account")
    both = Typist().rename("user", "account", 2).rename("user", "account", 2)
    assert both.text.count("account") == 2
    found = both.fulfils(SECOND, fourth)
    assert found is not None
    assert len(found.keystrokes) == 16
    assert Typist().rename("user", "account", 2).fulfils(SECOND, fourth) is None


def test_a_whole_row_may_be_written_anew() -> None:
    typist = Typist().replace(13, 26, "").type(13, "second = account")
    assert typist.fulfils(SECOND) is not None


def test_backspacing_from_the_end_of_the_row_is_a_way_there_too() -> None:
    text = "call(user, 1)\n"
    typist = Typist(text)
    for end in range(13, 5, -1):
        typist.replace(end - 1, end, "")
    typist.type(5, "account, 1)")
    assert typist.text == "call(account, 1)\n"
    found = typist.fulfils(edit_at("user", "account", text), text=text)
    assert found is not None


def test_the_file_may_be_renamed_but_not_read_again() -> None:
    renamed = Typist()
    renamed.entries.append(Renamed(at_ms=0, path=PATH, new_path="b.py"))
    for entry in Typist().rename("user", "account", 2).entries:
        assert isinstance(entry, Edited)
        renamed.replace(*entry.span, entry.new_text, path="b.py")
    assert renamed.fulfils(SECOND) is not None
    reloaded = Typist()
    reloaded.entries.append(Reloaded(at_ms=0, path=PATH, text=TEXT))
    reloaded.rename("user", "account", 2)
    assert reloaded.fulfils(SECOND) is None


def test_only_what_comes_after_counts() -> None:
    typist = Typist().rename("user", "account", 2)
    typist.entries.append(CursorMoved(at_ms=0, path=PATH, offset=0))
    now = apply_edits(TEXT, (SECOND,))
    assert find_fulfilment((SECOND,), PATH, now, typist.entries, len(typist.entries)) is None


def test_a_half_typed_word_leaves_only_its_rest_to_be_saved() -> None:
    typist = Typist().rename("user", "account", 2)
    half = TEXT[:22] + "acc" + TEXT[26:]
    found = find_fulfilment((TextEdit(Span(25, 25), "ount"),), PATH, half, typist.entries, 4)
    assert found is not None
    assert found.keystrokes == frozenset(range(4, 8))


ROWS = st.lists(st.text("ab \n", max_size=6), min_size=1, max_size=6).map("\n".join)


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS)
def test_making_just_the_predicted_edits_always_fulfils_them(text: str, wanted: str) -> None:
    edits = diff_text(text, wanted)
    typist = Typist(text)
    for edit in reversed(edits):
        typist.replace(edit.span.start, edit.span.end, "")
        typist.type(edit.span.start, edit.new_text)
    typist.entries = [one for one in typist.entries if isinstance(one, Edited)]
    assert typist.text == wanted
    if len(edits) == 1 and text != wanted:
        assert typist.fulfils(*edits, text=text) is not None
