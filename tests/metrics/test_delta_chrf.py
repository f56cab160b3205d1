"""deltaChrF: the reference's values, its traps as decided, and sacrebleu where they coincide."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.metrics.delta_chrf import (
    DeltaChrf,
    best_score,
    mean_score,
    score_ceiling,
    score_delta_chrf,
)


def score(original: str, expected: str, actual: str, beta: float = 0.5, **more: str) -> DeltaChrf:
    return score_delta_chrf(
        original=original,
        expected=expected,
        actual=actual,
        beta=beta,
        **more,  # type: ignore[arg-type]
    )


MAIN = "fn main() {}"
PRINTLN = "fn main() { println!(); }"
PRINT = "fn main() { print!(); }"
HELLO, WORLD, GOODBYE = (
    f'fn main() {{ println!("{word}"); }}' for word in ("Hello", "Hello, World!", "Goodbye")
)


@pytest.mark.parametrize(
    ("original", "expected", "actual", "precise", "published", "counts"),
    [
        ("one two three", "one three", "one two four", 24.026801, 28.884792, (12, 40, 24)),
        ("let x = 42;", "let x = 100;", "let x = 99;", 48.264642, 43.713163, (17, 17, 23)),
        ("prefix old suffix", "prefix new suffix", "prefix old suffix", 0, 0, (0, 0, 66)),
        ("helloworld", "helloworld", "helloextraworld", 0, 0, (0, 60, 0)),
        ("abcdef", "abcXYZdef", "abcABCdef", 21.746032, 21.746032, (9, 27, 27)),
        ("abcdefghij", "abcXXXghij", "abcYYghij", 54.858360, 51.132089, (29, 23, 29)),
        (MAIN, PRINTLN, PRINT, 78.272203, 71.628861, (61, 15, 27)),
        (HELLO, WORLD, GOODBYE, 17.962693, 20.133667, (17, 81, 61)),
        (
            "one two three four",
            "one THREE four",
            "one two FOUR",
            53.713647,
            45.518748,
            (48, 36, 64),
        ),
        ("a b c d", "a X c d", "a Y c d", 50, 50, (14, 14, 14)),
        ("hello world", "hello there", "hello there", 100, 100, (58, 0, 0)),
        ("", "cccccc", "bbbbbb", 0, 0, (0, 21, 21)),
    ],
)
def test_the_reference_values_at_both_betas(
    *,
    original: str,
    expected: str,
    actual: str,
    precise: float,
    published: float,
    counts: tuple[int, int, int],
) -> None:
    result = score(original, expected, actual)
    assert result.score == pytest.approx(precise, abs=1e-6)
    assert result.at(2).score == pytest.approx(published, abs=1e-6)
    assert result.at(2) == score(original, expected, actual, beta=2)
    found = (result.true_positives, result.false_positives, result.false_negatives)
    assert found == counts


def test_a_signature_tells_all_that_a_score_depends_on() -> None:
    one = score("a", "b", "c")
    assert one.signature == "deltaChrF|order:6|beta:0.5|empty:count|whitespace:collapse|v:1"
    assert one.at(2).signature == "deltaChrF|order:6|beta:2|empty:count|whitespace:collapse|v:1"
    skipping = score("a", "b", "c", empty_orders="skip", whitespace="keep_indentation")
    assert "empty:skip|whitespace:keep_indentation" in skipping.signature


# The traps.


@pytest.mark.parametrize(
    ("original", "expected", "actual", "counted", "skipped"),
    [
        ("a", "b", "c", 91.666667, 50),
        ("", "abc", "", 50, 0),
        ("x", "x", "y", 83.333333, 0),
    ],
)
def test_trap_short_texts_get_points_for_missing_orders_unless_these_are_skipped(
    original: str, expected: str, actual: str, counted: float, skipped: float
) -> None:
    assert score(original, expected, actual).score == pytest.approx(counted)
    result = score(original, expected, actual, empty_orders="skip")
    assert result.score == pytest.approx(skipped)


def test_trap_changes_of_whitespace_runs_score_as_the_full_definition_does() -> None:
    assert score("abc  d", "abc d", "abc   d").score == pytest.approx(100 / 6)
    assert score("abc  def", "abc def", "abc def").score == 0


def test_trap_indentation_counts_only_where_it_is_kept() -> None:
    original = "def f():\n    if x:\n        a\n    b\n"
    expected = "def f():\n    if x:\n        a\n        b\n"
    assert score(original, expected, expected).score == 0
    assert score(original, expected, expected, whitespace="keep_indentation").score == 100
    assert score(original, expected, original, whitespace="keep_indentation").score == 0
    # Blank runs within a row are still one.
    assert (
        score("a =  1", "a = 2", "a =   2", whitespace="keep_indentation").score
        == score("a = 1", "a = 2", "a = 2").score
    )


def test_trap_moving_text_looks_much_like_doing_nothing() -> None:
    rows = [f"line number {n} of the text\n" for n in range(6)]
    moved = [*rows[1:], rows[0]]
    result = score("".join(rows), "".join(moved), "".join(rows))
    assert result.score == 0
    assert result.false_negatives < 40


def test_trap_a_quiet_example_is_all_or_nothing() -> None:
    assert score("some text", "some text", "some text").score == 100
    assert score("some text", "some text", "some more text").score == 0


# Several references.


def test_best_and_mean_of_references_and_their_ceiling() -> None:
    original, references = "let x = 42;", ["let x = 100;", "let x = 99;", "let x = 99;"]
    scores = [score(original, one, "let x = 99;") for one in references]
    assert best_score(scores).score == 100
    assert mean_score(scores) == pytest.approx((100 + 100 + 48.264642) / 3)
    ceiling = score_ceiling(original, references)
    assert ceiling is not None
    one_way = score(original, "let x = 99;", "let x = 100;").score
    other_way = 48.264642
    assert ceiling.references == 3
    assert ceiling.best == pytest.approx((one_way + 100 + 100) / 3)
    mean = (one_way + (other_way + 100) / 2 * 2) / 3
    assert ceiling.mean == pytest.approx(mean)
    assert score_ceiling(original, references[:1]) is None


# Against other implementations.


def score_plainly(original: str, expected: str, actual: str, beta: float) -> float:
    """The definition, word for word, over the whole texts."""
    if original == expected == actual:
        return 100.0
    texts = []
    for text in (original, expected, actual):
        collapsed = ""
        for character in text:
            kind = "\n" if character == "\n" else " " if character.isspace() else character
            if not (kind in (" ", "\n") and collapsed.endswith(kind)):
                collapsed += kind
        texts.append(collapsed)
    precisions, recalls = [], []
    for order in range(1, 7):
        old, wanted, got = (
            Counter(text[at : at + order] for at in range(len(text) - order + 1)) for text in texts
        )
        tokens: list[Counter[tuple[str, str]]] = []
        for counts in (wanted, got):
            tokens.append(Counter())
            for gram in {**old, **counts}:
                change = counts[gram] - old[gram]
                if change:
                    tokens[-1]["+" if change > 0 else "-", gram] = abs(change)
        if not old and not wanted and not got:
            precisions.append(1.0)
            recalls.append(1.0)
            continue
        hits = (tokens[0] & tokens[1]).total()
        precisions.append(hits / tokens[1].total() if tokens[1] else 0.0)
        recalls.append(hits / tokens[0].total() if tokens[0] else 0.0)
    precision, recall = sum(precisions) / 6, sum(recalls) / 6
    below = beta**2 * precision + recall
    return 100 * (1 + beta**2) * precision * recall / below if below else 0.0


_TEXTS = st.text(alphabet="ab \n\té", max_size=14)
_MIDDLES = st.text(alphabet="ab \n\té", max_size=5)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(_TEXTS, _MIDDLES, _TEXTS, _MIDDLES, _TEXTS, _MIDDLES, _TEXTS),
    st.sampled_from([0.5, 2.0]),
)
def test_shared_ends_and_far_apart_changes_count_as_in_the_definition(
    parts: tuple[str, str, str, str, str, str, str], beta: float
) -> None:
    head, one, between, two, after, three, tail = parts
    original = f"{head}{one}{between}{two}{after}{three}{tail}"
    expected = f"{head}{two}{between}{two}{after}{one}{tail}"
    actual = f"{head}{two}{between}{three}{after}{three}{tail}"
    plain = score_plainly(original, expected, actual, beta)
    assert score(original, expected, actual, beta).score == pytest.approx(plain, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(_TEXTS, _TEXTS, _TEXTS, st.sampled_from([0.5, 1.0, 2.0]))
def test_the_quick_way_gives_what_the_definition_gives(
    original: str, expected: str, actual: str, beta: float
) -> None:
    plain = score_plainly(original, expected, actual, beta)
    assert score(original, expected, actual, beta).score == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_with_nothing_before_it_is_sacrebleus_chrf(beta: int) -> None:
    chrf = pytest.importorskip("sacrebleu.metrics.chrf")
    oracle = chrf.CHRF(char_order=6, word_order=0, beta=beta, whitespace=True)
    dice = random.Random(7)
    alphabet = "abcxyz_(){}=. \n"
    for _ in range(200):
        expected = "".join(dice.choices(alphabet, k=dice.randint(1, 60)))
        keep = dice.randint(0, len(expected))
        actual = expected[:keep] + "".join(dice.choices(alphabet, k=dice.randint(1, 20)))
        expected, actual = (" ".join(text.split()) or "a" for text in (expected, actual))
        theirs = oracle.sentence_score(actual, [expected]).score
        if min(len(expected), len(actual)) >= 6:
            assert score("", expected, actual, beta).score == pytest.approx(theirs, abs=1e-9)
        skipping = score("", expected, actual, beta, empty_orders="skip").score
        assert skipping == pytest.approx(theirs, abs=1e-9)
