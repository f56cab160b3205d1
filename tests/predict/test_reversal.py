"""The reversal guard: what the user did last is never undone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.predict.desk import cut, put, swap
from zeta_context.events.change import Change
from zeta_context.events.observer import Author
from zeta_context.predict.provenance import MAX_SEGMENTS, ProvenanceRecorder
from zeta_context.predict.retreat import leads_back
from zeta_context.predict.reversal import undoes_user
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


class Work:
    """A text and what was done to it."""

    def __init__(self, text: str) -> None:
        self.now = TextSnapshot(text)
        self.recorder = ProvenanceRecorder()
        self.at = 0.0

    def do(self, *edits: TextEdit, author: Author = "user", pause: float = 0.1) -> Work:
        for edit in edits:
            self.at += pause
            new_span = Span(edit.span.start, edit.span.start + len(edit.new_text))
            change = Change(self.now, self.now.edit(edit.span, edit.new_text), edit.span, new_span)
            self.recorder.follow(change, author=author, at=self.at)
            self.now = change.new
        return self

    def type(self, at: int, keys: str) -> Work:
        return self.do(*(put(at + index, key) for index, key in enumerate(keys)))

    def backspace(self, end: int, count: int) -> Work:
        return self.do(*(cut(end - index - 1, end - index) for index in range(count)))

    def undoes(self, *edits: TextEdit) -> bool:
        return undoes_user(self.now, edits, self.recorder.provenance())


CODE = "user = load(1)\nprint(user)\n"


@pytest.mark.parametrize(
    ("work", "edits"),
    [
        (Work(CODE).type(14, "; save()"), [cut(14, 22)]),
        (Work(CODE).type(14, "; save()"), [cut(17, 22)]),
        (Work(CODE).type(14, "; svae()"), [cut(16, 20)]),
        (Work(CODE).backspace(14, 7), [put(7, "load(1)")]),
        (Work(CODE).backspace(14, 3), [put(11, "(1)")]),
        (Work(CODE).backspace(4, 4).type(0, "account"), [swap(0, 7, "user")]),
        (Work(CODE).backspace(4, 4).type(0, "account"), [put(0, "user_")]),
        (Work(CODE).do(cut(15, 27)), [put(15, "print(user)\n")]),
        (Work(CODE).do(cut(15, 27)), [put(15, "print(user, 1)\n")]),
        (Work(CODE).type(14, "\nsecond = 2"), [swap(14, 25, "\nother = 3")]),
        (Work(CODE).do(put(14, "\n    "), pause=1).backspace(19, 4), [put(15, "    ")]),
        (Work("a\n").type(1, " ted\nxyz"), [cut(2, 6)]),
        (Work(CODE).do(cut(0, 15), author="undo"), [put(0, "user = load(1)\n")]),
        (Work(CODE).do(swap(7, 11, "fetch"), author="other"), [swap(7, 12, "load")]),
    ],
    ids=lambda value: "" if isinstance(value, Work) else repr([edit.new_text for edit in value]),
)
def test_what_the_user_has_just_done_is_not_undone(work: Work, edits: Sequence[TextEdit]) -> None:
    assert work.undoes(*edits)


@pytest.mark.parametrize(
    ("work", "edits"),
    [
        (Work(CODE), [cut(0, 14)]),
        (Work(CODE).type(14, "; sa"), [put(18, "ve()")]),
        (Work(CODE).backspace(4, 4).type(0, "account"), [swap(24, 28, "account")]),
        (Work(CODE).backspace(4, 4).type(0, "acc"), [put(3, "ount")]),
        (Work(CODE).do(cut(15, 27)), [put(14, "\nsave()")]),
        (Work(CODE).type(14, "\nsave("), [put(20, "user)")]),
        (Work("x = tot").do(swap(4, 7, "sum")), [put(7, "(prices)")]),
        (Work("three = 3\n").do(*[cut(1, 2)] * 4).type(1, "dr"), [put(3, "ei")]),
        (Work(CODE).do(put(14, "; save()"), author="prediction"), [cut(14, 22)]),
        (Work(CODE).do(swap(7, 11, "fetch"), author="prediction"), [swap(7, 12, "load")]),
    ],
    ids=lambda value: "" if isinstance(value, Work) else repr([edit.new_text for edit in value]),
)
def test_going_on_is_no_reversal(work: Work, edits: Sequence[TextEdit]) -> None:
    assert not work.undoes(*edits)


def test_a_rename_may_go_on_to_what_was_typed_before_it() -> None:
    work = Work("").type(0, "use(user)\nuse(user)\n")
    work.do(swap(4, 8, "account"), pause=10)
    assert not work.undoes(swap(17, 21, "account"))
    assert work.undoes(swap(4, 11, "user"))


def test_the_users_own_work_before_an_accepted_prediction_is_still_theirs() -> None:
    work = Work(CODE).type(14, "; save()").do(put(0, "import db\n"), author="prediction")
    assert not work.undoes(cut(0, 10))
    assert work.undoes(cut(24, 32))


def test_second_thoughts_are_known_by_their_place_alone() -> None:
    work = Work("a\n").type(1, " = total").backspace(9, 5)
    assert work.undoes(put(4, "total"))
    assert not work.undoes(put(4, "sum(x)"))


def test_the_characters_are_judged_where_no_word_tells() -> None:
    """Taking out rows that are not quite the typed ones leads back all the same."""
    work = Work("def test_a():\n    pass\n").type(0, "def ted\n")
    assert work.undoes(cut(7, 11))


def test_walking_back_passes_by_what_was_done_elsewhere() -> None:
    text = "top\n" * 40
    now = TextSnapshot(f"{text}one two\n{text}")
    at = len(text)
    elsewhere = [cut(0, 4), TextEdit(Span(len(now) - 8, len(now) - 4), "")]
    undos = [*elsewhere, cut(at, at + 4)]
    # Two rows came above and below, then `two`'s neighbour: the place is found all the same.
    assert leads_back(now, [cut(at, at + 4)], [cut(at, at + 4)])
    assert leads_back(now, [cut(at, at + 4)], [elsewhere[1], cut(at, at + 4)])
    shifted = [elsewhere[0], cut(at - 4, at)]
    assert leads_back(now, [cut(at, at + 4)], shifted)
    assert not leads_back(now, [cut(at + 4, at + 7)], undos[:2])


def test_large_changes_are_judged_by_words_only_and_cost_little() -> None:
    now = TextSnapshot("x" * 9_000)
    assert not leads_back(now, [cut(0, 9_000)], [cut(0, 9_000)])
    assert undoes_user(now, [cut(0, 9_000)], Work("").do(put(0, now.text)).recorder.provenance())


def test_the_provenance_is_bounded_and_forgets_the_oldest_first() -> None:
    work = Work("another row\n" * 600)
    for row in range(600):
        work.do(put(14 * row, "ab"), pause=10)
    provenance = work.recorder.provenance()
    assert len(provenance.segments) <= MAX_SEGMENTS
    assert work.undoes(cut(14 * 599, 14 * 599 + 2))
    assert sum(one.length for one in provenance.segments) <= len(work.now)
