"""Answers that say the same over and over end; those that repeat what the prompt does go on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.runners.local.toy_engine import END, CharacterTokenizer, ToyEngine
from zeta_context.runners.local.circling import goes_in_circles
from zeta_context.runners.local.decoding import Decoded, Decoding, Limits
from zeta_context.runners.local.prefixes import HeldSequence

SAID = "once. " + "and again, " * 100


def decode(known: str) -> Decoded:
    codec = CharacterTokenizer()
    engine = ToyEngine(SAID, window=2000)
    limits = Limits(end_tokens=frozenset({END}), max_tokens=1500, known=known)
    held = HeldSequence(engine.new_sequence())
    return Decoding(engine, codec, held, codec.encode("go on>"), limits).run()


def test_an_answer_that_goes_in_circles_ends_as_too_long() -> None:
    out = decode("go on>")
    assert out.finish == "length"
    assert SAID.startswith(out.text)
    assert 600 <= len(out.text) < 700


def test_what_the_prompt_repeats_as_often_may_be_repeated() -> None:
    out = decode("and again, " * 80)
    assert (out.finish, out.text) == ("stop", SAID)


@given(
    head=st.text("abc \n", max_size=40),
    said=st.text("abc \n", min_size=1, max_size=100),
    tail=st.text("xyz", min_size=1, max_size=5),
)
def test_only_nothing_but_repetition_counts(head: str, said: str, tail: str) -> None:
    answer = head + said * (1 + 620 // len(said))
    assert goes_in_circles(answer, "")
    assert not goes_in_circles(answer + tail, "")
    assert not goes_in_circles(answer[:599], "")
