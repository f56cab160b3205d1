"""The model of typing: seeded, in the order of what keystroke studies found, always corrected."""

from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.session_script import ScriptError, read_script
from zeta_context.training.commits.typing_model import BACKSPACE, DELETE_WORD, TypingModel


def average(previous: str, key: str) -> float:
    model = TypingModel(5)
    return mean(model.interval_ms(previous, key) for _ in range(400))


def test_the_same_seed_gives_the_same_times_and_slips() -> None:
    def play(seed: int) -> list[object]:
        model = TypingModel(seed)
        text = model.mistype("several words of some length to be typed", 0.1)
        return [text, *(model.interval_ms("a", key) for key in text), model.think_ms(900)]

    assert play(7) == play(7)
    assert play(7) != play(8)


def test_other_hand_before_same_hand_before_same_finger() -> None:
    assert average("t", "h") < average("t", "e") < average("e", "d")


def test_shifted_keys_and_digits_take_longer() -> None:
    assert average("k", "A") > average("k", "a") + 40
    assert average("k", "1") > average("k", "a") + 40


def test_a_correction_begins_with_a_hesitation_and_goes_on_fast() -> None:
    assert average("a", BACKSPACE) > 2 * average("a", "b")
    assert average(BACKSPACE, BACKSPACE) < 150
    assert average("a", DELETE_WORD) > 300


def test_a_practised_programmer_types_about_sixty_words_a_minute() -> None:
    model = TypingModel(1)
    text = "the quick brown fox jumps over the lazy dog and back again " * 5
    total_ms = sum(model.interval_ms(a, b) for a, b in pairwise(text))
    words_a_minute = len(text) / 5 / (total_ms / 60_000)
    assert 50 < words_a_minute < 100


@given(text=st.text("abcdefgh XYZ_(\n", max_size=60), seed=st.integers(0, 99), rate=st.floats(0, 1))
def test_every_slip_is_corrected(text: str, seed: int, rate: float) -> None:
    typed: list[str] = []
    for key in TypingModel(seed).mistype(text, rate):
        if key == BACKSPACE:
            typed.pop()
        else:
            typed.append(key)
    assert "".join(typed) == text


def test_slips_are_as_frequent_as_asked_for() -> None:
    words = "something " * 400
    assert TypingModel(3).mistype(words, 0) == words
    slips = TypingModel(3).mistype(words, 0.05).count(BACKSPACE)
    assert 80 < slips < 600


SCRIPT = """
repository = "lending"
purpose = "test"
language = "python"
tuning = true
seed = 1
steps = [{steps}]
"""


def test_a_script_is_read_with_its_steps(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text(SCRIPT.format(steps='["open", "a.py"], ["undo"], ["pause", 1.5]'))
    script = read_script(path)
    assert (script.name, script.typos) == ("short", 0.0)
    assert script.steps == (("open", "a.py"), ("undo",), ("pause", 1.5))


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ('["fly"]', "step 1: no such step: fly"),
        ('["save"], ["open"]', "step 2: wrong arguments for open"),
        ('["pause", "long"]', "step 1: wrong arguments for pause"),
        ('["save", 1]', "step 1: wrong arguments for save"),
    ],
)
def test_a_wrong_step_is_told_by_its_number(steps: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text(SCRIPT.format(steps=steps))
    with pytest.raises(ScriptError, match=says):
        read_script(path)


def test_an_unknown_setting_is_told(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text("hurry = true\n" + SCRIPT.format(steps='["save"]'))
    with pytest.raises(ScriptError, match="hurry"):
        read_script(path)
