"""Near-duplicates and splits."""

import time

from tests.training.conftest import STORE
from zeta_context.prompt.input import PromptInput
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span
from zeta_context.training.example import Example, Target, decode_example, encode_example
from zeta_context.training.leakage import (
    NearDuplicates,
    assign_purpose,
    drop_near_duplicates,
    sign_text,
    similarity,
)


def example(text: str, name: str = "one", repository: str = "readings") -> Example:
    prompt_input = PromptInput(
        project=repository,
        path="a.py",
        cursor_excerpt=text,
        cursor_offset=len(text) // 2,
        excerpt_start_row=0,
    )
    edit = TextEdit(Span(0, 0), "import os\n")
    return Example(
        name=name,
        repository=repository,
        prompt_input=prompt_input,
        origin="commit",
        at=time.time(),
        targets=(Target(edits=(edit,), source="settled"),),
    )


def test_like_texts_are_alike_and_others_are_not() -> None:
    text = sign_text(STORE)
    assert similarity(text, sign_text(STORE.replace("LIMIT = 20", "LIMIT = 30"))) > 0.8
    assert similarity(text, sign_text(STORE.replace("item", "x").replace("self", "y"))) < 0.4


def test_near_duplicates_go_and_the_first_of_them_stays() -> None:
    texts = [STORE, STORE.replace("LIMIT = 20", "LIMIT = 30"), "x = 1\n" * 3]
    kept = list(drop_near_duplicates(example(text, str(i)) for i, text in enumerate(texts)))
    assert [one.name for one in kept] == ["0", "2"]


def test_what_is_like_an_evaluation_example_is_kept_out_of_training() -> None:
    held_out = example(STORE, "evaluation", repository="other")
    assert list(drop_near_duplicates([example(STORE)], of=[held_out])) == []


def test_the_oldest_signatures_are_forgotten() -> None:
    seen = NearDuplicates(max_remembered=2)
    first, *rest = (sign_text(STORE.replace("item", word)) for word in ("a1", "b2", "c3"))
    for signature in (first, *rest):
        seen.add(signature)
    assert not seen.holds(first)
    assert seen.holds(rest[-1])


def test_a_repository_is_on_one_side_and_later_times_are_held_out() -> None:
    names = [f"project-{i}" for i in range(2000)]
    sides = {name: assign_purpose(name, 5.0, held_out_share=0.2) for name in names}
    share = sum(side == "evaluation" for side in sides.values()) / len(names)
    assert 0.16 < share < 0.24
    assert sides == {name: assign_purpose(name, 900.0, held_out_share=0.2) for name in names}
    trained = next(name for name, side in sides.items() if side == "training")
    assert assign_purpose(trained, 100.0, held_out_share=0.2, cutoff=100.0) == "evaluation"


def test_an_example_is_the_same_after_writing_and_reading() -> None:
    one = example("é = 1\n")
    assert decode_example(encode_example(one)) == one
