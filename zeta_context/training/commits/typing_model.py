"""How long a person takes from one key to the next.

A model for recordings on a scaled clock: seeded, so that a recording can be made again. The classes
and their order of size follow what keystroke studies agree on (alternating hands are fastest, one
finger on two keys slowest, shifted characters and digits cost extra, a correction starts with a
hesitation); the numbers are those of a practised programmer at some 60 words a minute. Knows
nothing of editors.
"""

from __future__ import annotations

from random import Random

BACKSPACE = "⌫"
DELETE_WORD = "⌧"
CORRECTIONS = BACKSPACE + DELETE_WORD

_FINGERS = ("qaz1", "wsx2", "edc3", "rfvtgb45", "yhnujm67", "ik,8", "ol.9", "p;/0-['")
_FINGER_OF = {key: finger for finger, keys in enumerate(_FINGERS) for key in keys}
_SHIFTED = dict(zip('!@#$%^&*()_+{}|:"<>?~', "1234567890-=[]\\;',./`", strict=True))
_NEIGHBOURS = {
    key: row[max(0, index - 1) : index] + row[index + 1 : index + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for index, key in enumerate(row)
}

_SAME_KEY_MS = 125
_SAME_FINGER_MS = 185
_SAME_HAND_MS = 140
_OTHER_HAND_MS = 112
_FAR_KEY_MS = 160
_SHIFT_MS = 70
_DIGIT_MS = 60
_NEW_WORD_MS = 55
_NEW_LINE_MS = 260
_JITTER = 0.22


class TypingModel:
    """Gives intervals in milliseconds, one after the other, from a seeded source."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def interval_ms(self, previous: str, key: str) -> int:
        """From the press of `previous` (empty at the start) to that of `key`."""
        if key in CORRECTIONS:
            if previous in CORRECTIONS and previous:
                return self._vary(105)
            return self._vary(430)
        if previous and previous in CORRECTIONS:
            return self._vary(240)
        mean = _travel_ms(previous, key)
        if key.isupper() or key in _SHIFTED:
            mean += _SHIFT_MS
        if key.isdigit():
            mean += _DIGIT_MS
        if previous in (" ", "\n", ""):
            mean += _NEW_WORD_MS
        if key == "\n":
            mean += _NEW_LINE_MS
        return self._vary(mean)

    def think_ms(self, mean_ms: int) -> int:
        """A pause of about `mean_ms`: to find the place, to read, to make up one's mind."""
        return self._vary(mean_ms)

    def mistype(self, text: str, rate: float) -> str:
        """The text with neighbouring keys hit at `rate`, each noticed and corrected soon after.

        Only letters within words are mistyped; the corrections stand in the text as `BACKSPACE`.
        """
        typed: list[str] = []
        index = 0
        while index < len(text):
            key = text[index]
            slip = _NEIGHBOURS.get(key, "")
            if slip and index > 0 and text[index - 1].isalpha() and self._random.random() < rate:
                wrong = self._random.choice(slip)
                late = self._random.randrange(3)
                follow = text[index + 1 : index + 1 + late]
                if not follow.isalpha():
                    follow = ""
                typed.append(wrong + follow + BACKSPACE * (1 + len(follow)))
            typed.append(key)
            index += 1
        return "".join(typed)

    def _vary(self, mean_ms: float) -> int:
        return max(20, round(mean_ms * self._random.lognormvariate(0, _JITTER)))


def _travel_ms(previous: str, key: str) -> int:
    before = _FINGER_OF.get(_SHIFTED.get(previous, previous.lower()))
    after = _FINGER_OF.get(_SHIFTED.get(key, key.lower()))
    if previous == key:
        return _SAME_KEY_MS
    if before is None or after is None:  # the thumb, or a key out of the usual reach
        return _OTHER_HAND_MS if " " in (previous, key) else _FAR_KEY_MS
    if before == after:
        return _SAME_FINGER_MS
    half = len(_FINGERS) // 2
    return _SAME_HAND_MS if (before < half) == (after < half) else _OTHER_HAND_MS
