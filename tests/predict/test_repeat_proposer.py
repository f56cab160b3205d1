"""What the repeat proposer proposes, and when it keeps silent, in small editing scenes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import pairwise

import pytest

from zeta_context.events.event import Cause, Event
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.proposers.repeat import RepeatProposer, RepeatSettings
from zeta_context.predict.view import Document, View
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot


def make_event(before: str, after: str, *, path: str = "app.py", cause: Cause = "edit") -> Event:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    diff = "".join(list(difflib.unified_diff(old, new, n=3))[2:])
    return Event(
        project="demo", path=path, diff=diff, old_span=Span(0, 0), new_span=Span(0, 0), cause=cause
    )


def make_document(text: str, path: str = "app.py") -> Document:
    return Document(
        project="demo", path=path, language="python", version=1, snapshot=TextSnapshot(text)
    )


def make_view(texts: Sequence[str], *, cursor: int | None = None) -> View:
    """A view of the last text; each step from one text to the next is one event."""
    events = tuple(make_event(a, b) for a, b in pairwise(texts))
    where = 0 if cursor is None else cursor
    return View(document=make_document(texts[-1]), cursor=where, events=events)


def replace_in_turn(text: str, *steps: tuple[str, str]) -> list[str]:
    """The texts that come about when each `(old, new)` is replaced once, from the top."""
    texts = [text]
    for old, new in steps:
        assert old in texts[-1]
        texts.append(texts[-1].replace(old, new, 1))
    return texts


def apply(view: View, prediction: Prediction) -> str:
    text = next(
        document.snapshot.text
        for document in (view.document, *view.others)
        if document.path == prediction.path
    )
    for edit in reversed(prediction.edits):
        text = text[: edit.span.start] + edit.new_text + text[edit.span.end :]
    return text


def propose(view: View) -> Prediction:
    answer = RepeatProposer().propose(view)
    assert isinstance(answer, Prediction), answer
    return answer


def silence(view: View) -> str:
    answer = RepeatProposer().propose(view)
    assert isinstance(answer, Discarded), apply(view, answer)
    return answer.reason


USERS = """\
def load(connection):
    user = connection.fetch()
    connection.reset()
    if user is None:
        return None
    connection.touch()
    check(user.name)
    connection.close()
    return user


def other(connection):
    return connection.shut()
"""
RENAME = (("user =", "account ="), ("if user is", "if account is"))


def test_a_rename_is_carried_to_the_next_use() -> None:
    texts = replace_in_turn(USERS, *RENAME)
    view = make_view(texts)
    prediction = propose(view)
    after = apply(view, prediction)
    assert "check(account.name)" in after
    assert prediction.proposer == "repeat"
    assert prediction.confidence is not None
    assert prediction.confidence >= RepeatSettings().min_confidence


def test_why_counts_the_examples_and_says_where_they_are() -> None:
    texts = replace_in_turn(USERS, *RENAME)
    assert propose(make_view(texts)).why == "you renamed `user` to `account` twice above"


def test_following_the_predictions_finishes_the_rename() -> None:
    texts = replace_in_turn(USERS, *RENAME)
    for _ in range(6):
        view = make_view(texts)
        answer = RepeatProposer().propose(view)
        if not answer:
            break
        texts.append(apply(view, answer))
    assert "user" not in texts[-1]
    assert texts[-1] == USERS.replace("user", "account")


def test_an_argument_added_to_calls_is_added_to_the_next_call() -> None:
    text = "".join(
        f"    {name} = fetch(url_{name}, retries=3)\n    print({name})\n" for name in "abcdef"
    )
    texts = replace_in_turn(
        text,
        ("fetch(url_a, retries=3)", "fetch(url_a, retries=3, timeout=5)"),
        ("fetch(url_b, retries=3)", "fetch(url_b, retries=3, timeout=5)"),
        ("fetch(url_c, retries=3)", "fetch(url_c, retries=3, timeout=5)"),
    )
    view = make_view(texts)
    assert "fetch(url_d, retries=3, timeout=5)" in apply(view, propose(view))


def test_a_decorator_is_inserted_above_the_next_sibling() -> None:
    names = ("alpha", "beta", "gamma", "delta", "epsilon")
    text = "".join(
        f"@pytest.mark.slow\ndef test_{name}(client):\n    assert client.{name}()\n\n\n"
        for name in names
    )
    texts = [text]
    for name in names[:3]:
        old = f"@pytest.mark.slow\ndef test_{name}"
        texts.append(texts[-1].replace(old, f"@pytest.mark.slow\n@retry(3)\ndef test_{name}", 1))
    view = make_view(texts)
    assert "@pytest.mark.slow\n@retry(3)\ndef test_delta" in apply(view, propose(view))


def test_the_same_line_is_deleted_again() -> None:
    text = "".join(
        f"def step_{n}(state):\n    print('debug')\n    state.advance({n})\n\n\n" for n in range(6)
    )
    texts = [text]
    for n in range(3):
        old = f"def step_{n}(state):\n    print('debug')\n"
        texts.append(texts[-1].replace(old, f"def step_{n}(state):\n", 1))
    view = make_view(texts)
    after = apply(view, propose(view))
    assert after.count("print('debug')") == 2
    assert "def step_3(state):\n    state.advance(3)" in after


def test_adjacent_lines_that_take_the_same_edit_are_proposed_together() -> None:
    block = "    left: Optional[int]\n    right: Optional[int]\n"
    text = "".join(f"class Pair{n}:\n{block}\n\n" for n in range(5))
    texts = [text]
    for n in range(3):
        old = f"class Pair{n}:\n{block}"
        texts.append(texts[-1].replace(old, old.replace("Optional[int]", "int"), 1))
    view = make_view(texts)
    after = apply(view, propose(view))
    assert "class Pair3:\n    left: int\n    right: int\n" in after
    assert "class Pair4:\n" + block in after


def test_nothing_is_proposed_without_events() -> None:
    view = View(document=make_document(USERS), cursor=0)
    assert silence(view) == "no_events"


def test_nothing_is_proposed_where_no_other_place_fits() -> None:
    texts = replace_in_turn(USERS, ("connection.shut()", "connection.stop()"))
    assert silence(make_view(texts)) in {"no_place", "low_confidence"}


def test_a_half_typed_word_is_not_carried_on() -> None:
    texts = replace_in_turn(USERS, ("user =", "acco ="))
    cursor = texts[-1].index("acco =") + len("acco")
    assert silence(make_view(texts, cursor=cursor)) == "half_typed"


def test_a_word_that_stood_there_before_is_not_half_typed() -> None:
    texts = replace_in_turn("a(20)\nb(31)\nb(40)\n", ("b(31)", "b(n=31)"))
    cursor = texts[-1].index("31") + len("31")
    answer = RepeatProposer().propose(make_view(texts, cursor=cursor))
    assert isinstance(answer, Prediction) or answer.reason != "half_typed"


def test_an_edit_that_was_undone_teaches_nothing() -> None:
    texts = replace_in_turn(USERS, ("user =", "account ="), ("account =", "user ="))
    assert silence(make_view(texts)) == "no_rule"


def test_an_undo_whose_edit_is_forgotten_teaches_nothing() -> None:
    before = USERS.replace("user =", "account =", 1)
    event = make_event(before, USERS, cause="undo")
    view = View(document=make_document(USERS), cursor=0, events=(event,))
    assert silence(view) == "no_rule"


def test_words_that_only_contain_the_renamed_word_stay_as_they_are() -> None:
    text = USERS.replace("check(user.name)", "check(username)")
    text = text.replace("    return user\n", "    return superusers\n")
    texts = replace_in_turn(text, *RENAME)
    answer = RepeatProposer().propose(make_view(texts))
    assert not answer


def test_places_that_were_passed_over_are_left_alone() -> None:
    rows = [f"value_{n} = compute(data, {n})" for n in range(12)]
    text = "\n\n".join(rows) + "\n"
    texts = [text]
    # Only one of many equal calls is changed, far above the latest edit: no habit to carry on.
    texts.append(texts[-1].replace("compute(data, 0)", "compute(cache, 0)"))
    texts.append(texts[-1].replace("value_8 = compute(data, 8)", "value_8 = None", 1))
    assert silence(make_view(texts)) in {"no_place", "low_confidence", "ambiguous"}


def test_a_rename_goes_on_in_another_open_document() -> None:
    text = "def fetch_rows(q):\n    return q\n\n\na = fetch_rows(1)\nb = 2\nc = fetch_rows(2)\n"
    texts = replace_in_turn(
        text,
        ("fetch_rows", "read_records"),
        ("fetch_rows", "read_records"),
        ("fetch_rows", "read_records"),
    )
    other = make_document("import app\n\n\ndef main():\n    return app.fetch_rows(3)\n", "main.py")
    view = make_view(texts)
    view = View(document=view.document, cursor=0, events=view.events, others=(other,))
    answer = RepeatProposer(RepeatSettings(min_confidence_elsewhere=0.3)).propose(view)
    assert isinstance(answer, Prediction), answer
    assert answer.path == "main.py"
    assert "app.read_records(3)" in apply(view, answer)
    assert "3 times in another file" in answer.why


def test_events_of_another_project_teach_nothing() -> None:
    texts = replace_in_turn(USERS, *RENAME)
    view = make_view(texts)
    document = Document(
        project="elsewhere",
        path="app.py",
        language="python",
        version=1,
        snapshot=view.document.snapshot,
    )
    assert silence(View(document=document, cursor=0, events=view.events)) == "no_rule"


def test_a_document_that_is_too_long_is_not_looked_through() -> None:
    texts = replace_in_turn(USERS, ("user =", "account ="))
    answer = RepeatProposer(RepeatSettings(max_length=10)).propose(make_view(texts))
    assert isinstance(answer, Discarded)
    assert answer.reason == "too_large"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_endings_stay_as_they_are(ending: str) -> None:
    texts = replace_in_turn(USERS, *RENAME)
    texts = [text.replace("\n", ending) for text in texts]
    view = make_view(texts)
    after = apply(view, propose(view))
    assert after.count(ending) == USERS.count("\n")
    assert after.count("\n") == USERS.count("\n")


def test_the_same_view_gives_the_same_prediction() -> None:
    texts = replace_in_turn(USERS, *RENAME)
    assert propose(make_view(texts)) == propose(make_view(texts))


def test_why_names_the_line_where_several_parts_of_it_change() -> None:
    rows = "class P:\n" + "".join(f"    field_{c}: Optional[int] = None\n" for c in "abcdefg")
    view = make_view(replace_in_turn(rows, ("Optional[int]", "int | None")))
    prediction = propose(view)
    assert apply(view, prediction).count("int | None") == 7
    assert prediction.why.startswith("you changed `field_a: Optional[int] = None` to `field_a: int")
