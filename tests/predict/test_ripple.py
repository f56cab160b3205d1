"""What follows from a change elsewhere: causes, places in step with typing, proposals in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.predict.desk import Scripted, cut, put, swap
from tests.predict.test_reversal import Work
from zeta_context.context.syntax import parse
from zeta_context.events.change import Change
from zeta_context.predict.causes import Cause, find_cause, has_word
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.proposers.ripple import RippleProposer
from zeta_context.predict.ripples import Place, Ripple, Ripples
from zeta_context.predict.view import Document, View
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

CODE = """\
def load(user, limit):
    return user.name

class Box:
    size: int = 3

print(load(1, 2))
"""
INT = CODE.index("int")


def cause_of(work: Work, *, language: str = "python") -> Cause | None:
    document = Document(
        project="shop", path="a.py", language=language, version=1, snapshot=work.now
    )
    return find_cause(
        document,
        work.recorder.provenance(),
        parse(language, work.now),
        is_used=lambda name: name in ("load", "user", "Box", "size"),
    )


def told(cause: Cause | None) -> tuple[str, str, str] | None:
    return None if cause is None else (cause.kind, cause.name, cause.new_name)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (Work(CODE).backspace(8, 4).type(4, "fetch"), ("rename", "load", "fetch")),
        (Work(CODE).backspace(8, 4).type(4, "sizes"), ("rename", "load", "sizes")),
        (Work(CODE).backspace(8, 4).type(4, "ftech").backspace(9, 4), ("rename", "load", "f")),
        (Work(CODE).do(swap(4, 8, "fetch")), ("rename", "load", "fetch")),
        (Work(CODE).type(8, "_all"), ("rename", "load", "load_all")),
        (Work(CODE).do(cut(4, 5)).do(put(4, "un")), ("rename", "load", "unoad")),
        (Work(CODE).type(20, ", most"), ("signature", "load", "load")),
        (Work(CODE).do(swap(INT, INT + 3, "str")), ("type", "size", "size")),
        (Work(CODE), None),
        (Work(CODE).type(CODE.index(".name") + 5, "_x"), None),
        (Work(CODE).do(swap(4, 8, "fetch"), author="prediction"), None),
        (Work(CODE).backspace(8, 4), None),
    ],
    ids=lambda value: "" if isinstance(value, Work) else str(value),
)
def test_the_latest_change_is_a_cause_or_none(
    work: Work, expected: tuple[str, str, str] | None
) -> None:
    assert told(cause_of(work)) == expected


def test_a_rename_knows_the_text_before_it_and_its_place_now() -> None:
    work = Work(CODE).backspace(8, 4).type(4, "fetch")
    cause = cause_of(work)
    assert cause is not None
    assert cause.before.text == CODE
    assert work.now.slice(cause.span) == "fetch"
    assert not cause.is_import


def test_a_renamed_import_is_told() -> None:
    cause = cause_of(Work("from shop import load\nload()\n").do(swap(17, 21, "fetch")))
    assert cause is not None
    assert cause.is_import
    exported = cause_of(
        Work("export function load() {}\nload()\n").do(swap(16, 20, "fetch")),
        language="typescript",
    )
    assert exported is not None
    assert not exported.is_import


def rename_cause(path: str = "a.py") -> Cause:
    before = TextSnapshot("load = 1\nuse(load)\nload()\n")
    return Cause(
        kind="rename",
        project="shop",
        path=path,
        name="load",
        new_name="fetch",
        span=Span(0, 5),
        before=before,
    )


NOW = TextSnapshot("fetch = 1\nuse(load)\nload()\n")
PLACES = (Place(path="a.py", span=Span(14, 18)), Place(path="a.py", span=Span(20, 24)))


def after(
    ripples: Ripples, text: TextSnapshot, *edits: TextEdit, path: str = "a.py"
) -> TextSnapshot:
    for edit in edits:
        new_span = Span(edit.span.start, edit.span.start + len(edit.new_text))
        change = Change(text, text.edit(edit.span, edit.new_text), edit.span, new_span)
        ripples.follow(("shop", path), [change])
        text = change.new
    return text


def spans(ripples: Ripples) -> list[tuple[int, int]]:
    ripple = ripples.current("shop")
    return [] if ripple is None else [tuple(place.span) for place in ripple.places]


def begun() -> Ripples:
    ripples = Ripples()
    ripples.begin(rename_cause(), PLACES)
    return ripples


def test_places_move_with_the_text_and_are_done_with_once_changed() -> None:
    ripples = begun()
    text = after(ripples, NOW, put(10, "re"))
    assert spans(ripples) == [(16, 20), (22, 26)]
    text = after(ripples, text, swap(16, 20, "fetch"))
    assert spans(ripples) == [(23, 27)]
    assert ripples.current("shop") == replace(ripples.current("shop"), total=2)  # type: ignore[type-var]
    after(ripples, text, put(23, "x"))
    assert ripples.current("shop") is None


def test_undoing_the_cause_ends_it() -> None:
    ripples = begun()
    after(ripples, NOW, swap(0, 5, "load"))
    assert ripples.current("shop") is None


def test_typing_on_at_the_cause_goes_into_the_new_name() -> None:
    ripples = begun()
    after(ripples, NOW, put(5, "_all"))
    ripple = ripples.current("shop")
    assert ripple is not None
    assert ripple.cause.new_name == "fetch_all"
    assert spans(ripples) == [(18, 22), (24, 28)]


def test_work_in_other_documents_moves_nothing_here() -> None:
    ripples = begun()
    after(ripples, TextSnapshot("x\n" * 20), put(0, "yyy"), path="b.py")
    assert spans(ripples) == [(14, 18), (20, 24)]


def test_closing_the_document_of_the_cause_ends_it_and_others_do_not() -> None:
    ripples = begun()
    ripples.drop(("shop", "b.py"))
    assert spans(ripples)
    ripples.drop(("shop", "a.py"))
    assert not spans(ripples)


def document_of(path: str, text: TextSnapshot) -> Document:
    return Document(project="shop", path=path, language="python", version=1, snapshot=text)


def view_of(ripple: Ripple | None, cursor: int = 9) -> View:
    other = document_of("b.py", TextSnapshot("from a import load\n"))
    return View(document=document_of("a.py", NOW), cursor=cursor, others=(other,), ripple=ripple)


def ripple_of(*places: Place, total: int = 3) -> Ripple:
    return Ripple(cause=rename_cause(), places=places, total=total)


ELSEWHERE = Place(path="b.py", span=Span(14, 18))
CLOSED = Place(path="c.py", span=Span(0, 4))


def proposed(ripple: Ripple | None, cursor: int = 9, **options: object) -> Prediction | Discarded:
    return RippleProposer(**options).propose(view_of(ripple, cursor))  # type: ignore[arg-type]


def test_places_come_from_the_cursor_on_then_in_other_documents() -> None:
    first = proposed(ripple_of(ELSEWHERE, *PLACES))
    assert isinstance(first, Prediction)
    assert (first.path, first.edits) == ("a.py", (swap(14, 18, "fetch"),))
    assert first.why == "`load` is called `fetch` now: place 1 of 3"
    behind = proposed(ripple_of(ELSEWHERE, *PLACES), cursor=19)
    assert isinstance(behind, Prediction)
    assert behind.edits == (swap(20, 24, "fetch"),)
    other = proposed(ripple_of(ELSEWHERE))
    assert isinstance(other, Prediction)
    assert (other.path, other.why[-6:]) == ("b.py", "3 of 3")


def test_places_in_one_row_come_together() -> None:
    text = TextSnapshot("fetch = 1\nload(load)\n")
    places = (Place(path="a.py", span=Span(10, 14)), Place(path="a.py", span=Span(15, 19)))
    view = replace(view_of(ripple_of(*places)), document=document_of("a.py", text))
    answer = RippleProposer().propose(view)
    assert isinstance(answer, Prediction)
    assert answer.edits == (swap(10, 14, "fetch"), swap(15, 19, "fetch"))


@pytest.mark.parametrize(
    ("ripple", "cursor", "reason"),
    [
        (None, 9, "no_ripple"),
        (ripple_of(*PLACES, total=2), 5, "half_typed"),
        (ripple_of(CLOSED), 9, "not_open"),
        (ripple_of(Place(path="a.py", span=Span(0, 4))), 9, "no_place"),
        (ripple_of(Place(path="a.py", span=Span(90, 94))), 9, "no_place"),
    ],
)
def test_silence_has_a_reason(ripple: Ripple | None, cursor: int, reason: str) -> None:
    answer = proposed(ripple, cursor)
    assert isinstance(answer, Discarded)
    assert answer.reason == reason


def read_closed(project: str, path: str) -> Document | None:
    texts = {"c.py": "load()\n", "lib/d.py": "import a\na.load()\n", "gone.py": None}
    text = texts.get(path)
    return None if text is None else document_of(path, TextSnapshot(text))


def test_after_the_open_files_there_is_a_jump_into_one_that_is_not_open() -> None:
    places = (
        Place(path="gone.py", span=Span(0, 4)),
        Place(path="lib/d.py", span=Span(11, 15)),
        CLOSED,
    )
    answer = proposed(ripple_of(*places, total=5), read_closed=read_closed)
    assert isinstance(answer, Discarded)
    assert answer.reason == "not_open"
    assert answer.jump is not None
    assert (answer.jump.path, answer.jump.offset) == ("c.py", 0)
    assert answer.jump.edits == (swap(0, 4, "fetch"),)
    assert answer.jump.why == "`load` is called `fetch` now: place 3 of 5, in c.py:1"
    open_one = proposed(ripple_of(*places, *PLACES), read_closed=read_closed)
    assert isinstance(open_one, Prediction)


@pytest.mark.parametrize(
    "ripple",
    [
        replace(ripple_of(CLOSED), is_followed=False),
        ripple_of(Place(path="gone.py", span=Span(0, 4))),
        ripple_of(Place(path="c.py", span=Span(1, 5))),  # the file has changed since
    ],
)
def test_there_is_no_jump_where_nothing_would_be_proposed(ripple: Ripple) -> None:
    answer = proposed(ripple, read_closed=read_closed)
    assert isinstance(answer, Discarded)
    assert (answer.reason, answer.jump) == ("not_open", None)


def test_a_jump_that_was_rejected_gives_way_to_the_next() -> None:
    ripple = ripple_of(CLOSED, Place(path="lib/d.py", span=Span(11, 15)))
    answer = proposed(
        ripple, read_closed=read_closed, was_rejected=lambda document, _: document.path == "c.py"
    )
    assert isinstance(answer, Discarded)
    assert answer.jump is not None
    assert answer.jump.path == "lib/d.py"


def test_a_ripple_is_followed_until_the_user_does_something_else() -> None:
    ripples = begun()

    def is_followed() -> bool:
        ripple = ripples.current("shop")
        return ripple is not None and ripple.is_followed

    text = after(ripples, NOW, put(5, "_all"))
    assert is_followed()
    text = after(ripples, text, swap(18, 22, "fetch_all"))
    assert is_followed()
    ripples.begin(rename_cause(), PLACES)
    cut_out = NOW.edit(Span(14, 18), "")
    put_in = cut_out.edit(Span(14, 14), "fetch")
    changes = [
        Change(NOW, cut_out, Span(14, 18), Span(14, 14)),
        Change(cut_out, put_in, Span(14, 14), Span(14, 19)),
    ]
    ripples.follow(("shop", "a.py"), changes)
    assert is_followed()
    after(ripples, put_in, put(len(put_in), "x = 1\n"))
    assert not is_followed()


def test_who_stays_in_the_open_files_has_nothing_left_elsewhere() -> None:
    ripples = Ripples()
    ripples.begin(rename_cause(), (*PLACES, CLOSED))
    ripples.stay("shop", {"a.py"})
    assert spans(ripples) == [(14, 18), (20, 24)]


def test_what_was_rejected_at_one_place_is_proposed_at_the_next() -> None:
    answer = proposed(
        ripple_of(*PLACES), was_rejected=lambda document, edits: edits[0].span.start == 14
    )
    assert isinstance(answer, Prediction)
    assert answer.edits == (swap(20, 24, "fetch"),)


def test_where_a_signature_changed_others_are_heard_about_the_place_alone() -> None:
    cause = replace(rename_cause(), kind="signature", name="load", new_name="load")
    ripple = Ripple(cause=cause, places=PLACES, total=2)
    other = Scripted(swap(0, 1, "F"), put(25, "1"))
    answer = proposed(ripple, others=(other,))
    assert isinstance(answer, Prediction)
    assert answer.edits == (put(25, "1"),)
    assert answer.why == "the signature of `load` was changed: place 1 of 2"
    assert [view.cursor for view in other.views] == [18, 24]
    assert other.views[0].ripple is None


class Model(Scripted):
    """Takes its time, as a model does."""

    name = "model"

    def read_ahead(self, view: View) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("cursor", "asked"), [(5, []), (11, [18])])
def test_a_model_is_asked_about_the_first_place_once_the_cause_is_left(
    cursor: int, asked: list[int]
) -> None:
    cause = replace(rename_cause(), kind="signature", name="load", new_name="load")
    ripple = Ripple(cause=cause, places=PLACES, total=2)
    model = Model(swap(14, 18, "read"))
    elsewhere = PromptInput(
        project="shop",
        path="b.py",
        language="python",
        cursor_excerpt="from a import load\n",
        cursor_offset=0,
        excerpt_start_row=0,
    )
    view = replace(view_of(ripple, cursor), prompt_input=elsewhere)
    answer = RippleProposer((model,)).propose(view)
    assert [one.cursor for one in model.views] == asked
    assert isinstance(answer, Prediction) is bool(asked)
    for one in model.views:
        assert one.prompt_input is not None
        assert one.prompt_input.path == "a.py"
        shown = one.prompt_input.cursor_excerpt
        assert shown[: one.prompt_input.cursor_offset].endswith("use(load")


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [("a load b", "load", True), ("reload loads", "load", False), ("", "load", False)],
)
def test_words_are_whole(text: str, word: str, expected: bool) -> None:
    assert has_word(text, word) is expected
