"""What people try first: a short file, one plain change made once or twice, and the next place."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.predict.test_repeat_proposer import apply, make_view, propose, replace_in_turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A text, the changes made in it, and a change that has to come next, whichever comes first."""

    name: str
    text: str
    done: tuple[tuple[str, str], ...]
    next: tuple[str, ...]


CASES = (
    Plain(
        name="a field is renamed",
        text="""\
class Loan:
    def __init__(self, member: str, due: int) -> None:
        self.member = member
        self.due = due

    def is_overdue(self, today: int) -> bool:
        return today > self.due

    def days_left(self, today: int) -> int:
        return max(self.due - today, 0)

    def extend(self, days: int) -> None:
        self.due += days
""",
        done=(("self.due =", "self.due_day ="), ("> self.due\n", "> self.due_day\n")),
        next=("max(self.due_day - today, 0)", "self.due_day += days"),
    ),
    Plain(
        name="a parameter is renamed",
        text="""\
def area(width, height):
    if width < 0:
        raise ValueError(width)
    print("area of", width)
    return width * height
""",
        done=(("area(width,", "area(breadth,"), ("if width", "if breadth")),
        next=("raise ValueError(breadth)",),
    ),
    Plain(
        name="a function is renamed",
        text="""\
def get(url):
    return fetch(url)


first = get("one")
second = get("two")
third = get("three")
""",
        done=(("def get(", "def load("), ("first = get(", "first = load(")),
        next=('second = load("two")',),
    ),
    Plain(
        name="a keyword is added to calls",
        text="""\
BISQUE = [
    ramp(20, 600, 240),
    ramp(600, 1000, 180),
    ramp(1000, 1000, 20),
]
""",
        done=(
            ("ramp(20, 600, 240)", "ramp(20, 600, minutes=240)"),
            ("ramp(600, 1000, 180)", "ramp(600, 1000, minutes=180)"),
        ),
        next=("ramp(1000, 1000, minutes=20)",),
    ),
    Plain(
        name="a level is changed",
        text="""\
console.log("starting");
start();
console.log("started");
wait();
console.log("stopping");
stop();
console.log("stopped");
""",
        done=(
            ('console.log("starting")', 'console.debug("starting")'),
            ('console.log("started")', 'console.debug("started")'),
        ),
        next=('console.debug("stopping")',),
    ),
    Plain(
        name="an argument follows the names of its line",
        text="""\
int append_name(struct buffer *out, const struct person *person)
{
    return append(out, person->name);
}

int append_town(struct buffer *out, const struct person *person)
{
    return append(out, person->town);
}

int append_street(struct buffer *out, const struct person *person)
{
    return append(out, person->street);
}
""",
        done=(
            ("append(out, person->name)", "append(out, person->name, strlen(person->name))"),
            ("append(out, person->town)", "append(out, person->town, strlen(person->town))"),
        ),
        next=("append(out, person->street, strlen(person->street))",),
    ),
    Plain(
        name="a type is renamed",
        text="""\
type Pos struct{ X, Y int }

func Add(a, b Pos) Pos {
	return Pos{a.X + b.X, a.Y + b.Y}
}
""",
        done=(("type Pos ", "type Point "), ("a, b Pos)", "a, b Point)")),
        next=("Point {\n", "return Point{"),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_plain_change_is_carried_on(case: Plain) -> None:
    texts = replace_in_turn(case.text, *case.done)
    view = make_view(texts, cursor=_end_of_last(texts))
    after = apply(view, propose(view))
    assert any(text in after and text not in texts[-1] for text in case.next), after


def _end_of_last(texts: list[str]) -> int:
    """Where a user stands who has just made the last change."""
    before, now = texts[-2:]
    tail = 0
    while before[-1 - tail] == now[-1 - tail]:
        tail += 1
    return len(now) - tail
