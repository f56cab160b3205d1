"""Drafts of answers that mostly repeat a known text; no model needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zeta_context.runners.local.drafter import Drafter
from zeta_context.runners.local.words import replace_words

REGION = """def total(hits, seen):
    count = len(hits)
    for hit in hits:
        seen.add(hit)
    return count + len(hits)
"""


def drafted(drafter: Drafter, answer: str, *, is_split: bool = False) -> str:
    return "".join(segment.text for segment in drafter.draft(answer, is_split=is_split))


def count_drafts(drafter: Drafter, answer: str) -> int:
    """How many drafts an answer takes when each verified draft gives one word more for free."""
    done = 0
    count = 0
    while done < len(answer):
        draft = drafted(drafter, answer[:done])
        rest = answer[done:]
        same = next(
            (at for at, (a, b) in enumerate(zip(draft, rest, strict=False)) if a != b),
            min(len(draft), len(rest)),
        )
        done += same
        while done < len(answer) and answer[done].isalnum():
            done += 1
        done = min(len(answer), done + (same == 0 or not answer[done - 1].isalnum()))
        count += 1
    return count


def test_the_first_guess_is_drafted_whole_and_the_next_when_it_fails() -> None:
    drafter = Drafter([REGION.replace("count", "number"), REGION])
    assert drafted(drafter, "") == REGION.replace("count", "number")
    begun = REGION[: REGION.index("count") + 5]
    assert begun + drafted(drafter, begun) == REGION


def test_without_anything_to_go_by_nothing_is_drafted() -> None:
    assert Drafter([]).draft("some answer") == ()


def test_a_replaced_word_is_replaced_in_all_that_follows() -> None:
    drafter = Drafter([REGION])
    drafted(drafter, "")
    drafted(drafter, "def total(requests")
    answer = "def total(requests, seen):\n    count = len(requests"
    assert answer + drafted(drafter, answer) == replace_words(REGION, {"hits": "requests"})


def test_a_word_that_the_user_just_replaced_is_finished_at_once() -> None:
    drafter = Drafter([REGION], substitutions=[("hits", "all_requests")])
    drafted(drafter, "")
    assert "def total(all" + drafted(drafter, "def total(all") == replace_words(
        REGION, {"hits": "all_requests"}
    )


def test_a_word_that_the_answer_keeps_is_not_replaced_any_more() -> None:
    drafter = Drafter([REGION], substitutions=[("hits", "all_requests")])
    drafted(drafter, "")
    drafted(drafter, "def total(all")
    answer = "def total(all_requests, seen):\n    count = len(hits"
    assert answer + drafted(drafter, answer) == REGION.replace("hits", "all_requests", 1)


def test_a_rename_at_many_places_takes_three_drafts() -> None:
    assert count_drafts(Drafter([REGION]), replace_words(REGION, {"hits": "requests"})) <= 3


def test_text_that_was_left_out_is_skipped() -> None:
    answer = REGION.replace("    count = len(hits)\n", "")
    assert count_drafts(Drafter([REGION]), answer) <= 3


def test_an_inserted_row_is_told_from_one_that_began_alike() -> None:
    region = 'log("since %s", options.since)\nif options.until:\n    stop()\n'
    drafter = Drafter([region])
    drafted(drafter, "")
    answer = 'log("since %s", options.since)\nif options.until:\n    log("until'
    assert drafted(drafter, answer).startswith(' %s", options.until)')


def test_a_token_that_stops_short_of_the_draft_is_not_continued_like_it() -> None:
    region = "def first(self) -> None:\n    pass\n\ndef second(self):\n    pass\n"
    drafter = Drafter([region])
    drafted(drafter, "")
    answer = region[: region.index("):") + 1]
    segments = drafter.draft(answer, is_split=True)
    assert "".join(one.text for one in segments).startswith(" -> None:")


def test_after_the_reference_is_used_up_nothing_is_made_up() -> None:
    drafter = Drafter(["abc\n"])
    drafted(drafter, "")
    assert drafted(drafter, "abc\n") == ""


@given(
    guess=st.text("ab_(, \n", max_size=60),
    reference=st.text("ab_(, \n", max_size=60),
    answer=st.text("ab_(, \n", max_size=60),
    substitutions=st.lists(st.tuples(st.text("ab_", max_size=3), st.text("ab_", max_size=3))),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    is_split=st.booleans(),
)
def test_whatever_the_model_says_a_draft_is_text_with_probabilities(
    guess: str,
    reference: str,
    answer: str,
    substitutions: list[tuple[str, str]],
    *,
    cuts: list[int],
    is_split: bool,
) -> None:
    drafter = Drafter([guess], reference=reference, substitutions=substitutions, texts=[reference])
    for cut in sorted(cuts):
        for segment in drafter.draft(answer[:cut], is_split=is_split):
            assert segment.text
            assert 0 < segment.probability <= 1


def test_words_are_replaced_only_whole() -> None:
    assert replace_words("hit hits hit_x", {"hit": "ask"}) == "ask hits hit_x"
    assert replace_words("hit_hit hit", {"hit": "ask"}, start=4) == "hit ask"


def test_an_answer_that_goes_its_own_way_is_taken_at_its_word() -> None:
    drafter = Drafter([REGION], texts=[REGION])
    answer = "The response is a response.\n\n" * 20
    assert count_drafts(drafter, answer) <= 14
    known = "Here is what you asked for: nothing of it is known to me at all.\n"
    assert count_drafts(Drafter([REGION], texts=[known]), known) <= 6


def test_what_keeps_being_wrong_is_believed_less() -> None:
    drafter = Drafter([REGION])
    drafted(drafter, "")
    said = "I would rather talk about something else, with words that are nowhere else. "
    chances = [
        sum(one.probability for one in drafter.draft(said[:end])[:1]) for end in (8, 20, 34, 48)
    ]
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] < chances[0]


def test_without_a_region_a_text_at_hand_is_gone_on_with() -> None:
    text = "def load(path):\n    with open(path, encoding='utf-8') as file:\n        return file\n"
    drafter = Drafter([], texts=[text])
    begun = "    with open(path, encoding="
    assert drafted(drafter, begun).startswith("'utf-8') as file:\n")
