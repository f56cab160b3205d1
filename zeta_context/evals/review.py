"""What people said of answers, kept beside the runs and carried over to later ones.

A verdict on an answer holds wherever that very answer is given to that very scenario again; that a
scenario's reference is bad holds whatever the answer. Knows nothing of scores or pages.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from zeta_context.errors import EvalError
from zeta_context.evals.answer import ScenarioAnswer
from zeta_context.evals.run import digest_answer
from zeta_context.evals.scenario import Scenario, digest_scenarios

Word = Literal["good", "wrong", "different direction", "reference bad"]
"""`different direction` is an answer that makes sense and that the reference did not think of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A person's verdict. `scenario` and `answer` are digests, `name` is for people."""

    name: str
    scenario: str
    answer: str
    word: Word
    note: str = ""


class Reviews:
    """The verdicts in a file of JSON lines; of several on one thing the last counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[tuple[str, str], Review] = {}
        self._references: dict[str, Review] = {}
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                self._take(_decode(line, f"{path.name}:{number}"))

    def find(self, scenario: Scenario, answer: ScenarioAnswer) -> Review | None:
        """What was said of this answer, else of the scenario's references."""
        key = digest_scenarios([scenario])
        return self._answers.get((key, digest_answer(answer))) or self._references.get(key)

    def add(self, scenario: Scenario, answer: ScenarioAnswer, word: Word, note: str = "") -> Review:
        """Take in a verdict and write it down; raises EvalError for another word."""
        if word not in get_args(Word):
            raise EvalError(f"{word!r} is no verdict: there are {', '.join(get_args(Word))}")
        review = Review(
            name=scenario.name,
            scenario=digest_scenarios([scenario]),
            answer=digest_answer(answer),
            word=word,
            note=note,
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(review)) + "\n")
        self._take(review)
        return review

    def _take(self, review: Review) -> None:
        self._answers[review.scenario, review.answer] = review
        if review.word == "reference bad":
            self._references[review.scenario] = review
        else:
            self._references.pop(review.scenario, None)


def _decode(line: str, place: str) -> Review:
    try:
        row = json.loads(line)
        review = Review(**{field.name: row[field.name] for field in fields(Review)})
    except (ValueError, KeyError, TypeError):
        raise EvalError(f"{place} is no verdict") from None
    if review.word not in get_args(Word):
        raise EvalError(f"{place}: {review.word!r} is no verdict")
    return review
