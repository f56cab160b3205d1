"""Kept rate: the reference's worked numbers, and how tokens are told apart."""

from __future__ import annotations

from itertools import compress
from operator import and_, not_

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.metrics.kept_rate import KeptRate, label_predicted, score_kept_rate
from zeta_context.metrics.subsequence import count_common, mask_common
from zeta_context.metrics.tokens import split_tokens, split_units


def rate(base: str, predicted: str, reference: str) -> KeptRate:
    return score_kept_rate(base=base, predicted=predicted, reference=reference)


FUNCTION = "fn example() {\n    epr\n"
ROWS = 16


@pytest.mark.parametrize(
    ("base", "predicted", "reference", "counts", "rates"),
    [
        (
            FUNCTION,
            'fn example() {\n    eprintln!("hello world!");\n',
            'fn example() {\n    eprintln!("");\n',
            (14, 12, 3),
            (0.586207, 1),
        ),
        (
            FUNCTION,
            'fn example() {\n    epr\neprintln!("");\n',
            'fn example() {\neprintln!("");\n',
            (14, 1, 0),
            (14 / 15, 2 / 3),
        ),
        ("fomr", "formula", "formula", (7, 0, 4), (1, 1)),
        ("", "brand new line\n", "something completely different\n", (3, 12, 0), (0.2, 0.096774)),
        ("old\n", "alpha beta gamma\n", "alpha gamma\n", (11, 5, 3), (0.736842, 1)),
        ("old line\n", "", "new line\n", (0, 0, 3), (1 / 3, 1 / 2)),
        (
            "foo\n" * ROWS,
            "prediction_token\n" * ROWS,
            "kept_token\n" * ROWS,
            (0, 256, 48),
            (0.157895, 0.230769),
        ),
    ],
)
def test_the_references_worked_numbers(
    *,
    base: str,
    predicted: str,
    reference: str,
    counts: tuple[int, int, int],
    rates: tuple[float, float],
) -> None:
    found = rate(base, predicted, reference)
    assert (found.kept, found.discarded, found.correctly_deleted) == counts
    assert found.kept_rate == pytest.approx(rates[0], abs=1e-6)
    assert found.recall_rate == pytest.approx(rates[1], abs=1e-6)


def test_a_completion_of_a_half_typed_name_is_told_from_the_final_one() -> None:
    base, reference = "a=fomr\nb=old", "a=formula;\nb=new"
    found = rate(base, "a=formula;\nb=old", reference)
    assert found.kept_rate == 1
    assert found.recall_rate == pytest.approx(2 / 3)


def test_nothing_changed_is_all_kept_and_all_foreseen() -> None:
    found = rate("same", "same", "same")
    assert (found.kept_rate, found.recall_rate) == (1, 1)
    assert rate("a", "a", "b").kept_rate == 1
    assert rate("a", "a", "b").recall_rate == 0


def test_texts_that_something_else_changed_count_as_not_kept() -> None:
    found = rate("a\n", "a\nb\n", "a\nb\n" + "x" * 600)
    assert found.is_dirty
    assert (found.kept, found.kept_rate, found.recall_rate) == (0, 0, 0)
    assert not rate("a\n", "a\nb\n", "a\nb\n" + "x" * 512).is_dirty


def test_sizes_are_characters_unless_bytes_are_asked_for() -> None:
    found = rate("", "日本", "日本")
    in_bytes = score_kept_rate(base="", predicted="日本", reference="日本", size="bytes")
    assert (found.kept, in_bytes.kept) == (2, 6)
    assert found.signature == "keptRate|unit:identifier|size:characters|dirty:512|v:1"
    assert "size:bytes" in in_bytes.signature


def test_every_predicted_token_is_context_kept_or_discarded() -> None:
    labels = label_predicted(base="f(a)", predicted="f(a, b)", reference="f(a,c)")
    assert labels == [
        ("f", "context"),
        ("(", "context"),
        ("a", "context"),
        (",", "kept"),
        (" ", "discarded"),
        ("b", "discarded"),
        (")", "context"),
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("myHTTPServer", ["my", "HTTP", "Server"]),
        ("Version2Update", ["Version2", "Update"]),
        ("snake__case_", ["snake", "__", "case", "_"]),
        ("__init__", ["__", "init", "__"]),
        ("a>>>=b", ["a", ">>>=", "b"]),
        ("x..=y...z", ["x", "..=", "y", "...", "z"]),
        ("a \t\r\n\n b", ["a", " \t", "\r\n\n", " ", "b"]),
        ("日本語x", ["日本語x"]),
        ("HTTP", ["HTTP"]),
        ("日A", ["日", "A"]),
    ],
)
def test_tokens_part_identifiers_as_people_read_them(text: str, tokens: list[str]) -> None:
    assert split_tokens(text) == tokens


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="aB2_ \n\r=>.日", max_size=20))
def test_tokens_lose_nothing(text: str) -> None:
    assert "".join(split_tokens(text)) == text
    assert "".join(split_units(text)) == text


_LINES = st.lists(st.sampled_from(["a\n", "b c\n", "\n", "  d\r\n", "e"]), max_size=6).map("".join)


@settings(max_examples=150, deadline=None)
@given(_LINES, _LINES, _LINES, _LINES, _LINES)
def test_lines_that_all_share_at_their_ends_change_nothing(
    head: str, base: str, predicted: str, reference: str, tail: str
) -> None:
    texts = [f"{head}{text}{tail}" for text in (base, predicted, reference)]
    found = score_kept_rate(base=texts[0], predicted=texts[1], reference=texts[2])
    assert found == score_plainly(*texts)


def score_plainly(base: str, predicted: str, reference: str) -> KeptRate:
    """The definition over the whole texts."""
    old, guess, final = (split_units(text) for text in (base, predicted, reference))
    new_guess = list(compress(guess, map(not_, mask_common(guess, old))))
    new_final = list(compress(final, map(not_, mask_common(final, old))))
    gone, also_gone = (list(map(not_, mask_common(old, other))) for other in (guess, final))
    kept = sum(map(len, compress(new_guess, mask_common(new_guess, new_final))))
    return KeptRate(
        kept=kept,
        discarded=sum(map(len, new_guess)) - kept,
        correctly_deleted=sum(map(len, compress(old, map(and_, gone, also_gone)))),
        predicted_new=sum(map(len, new_guess)),
        predicted_deleted=sum(map(len, compress(old, gone))),
        reference_new=sum(map(len, new_final)),
        reference_deleted=sum(map(len, compress(old, also_gone))),
    )


_WORDS = st.text(alphabet="abc", max_size=10)


@settings(max_examples=150, deadline=None)
@given(_WORDS, _WORDS)
def test_a_mask_is_a_longest_common_subsequence(one: str, other: str) -> None:
    mask, back = mask_common(one, other), mask_common(other, one)
    length = count_common(one, other)
    assert sum(mask) == sum(back) == length == count_common(other, one)
    rest = iter(other)
    assert all(element in rest for element, kept in zip(one, mask, strict=True) if kept)
