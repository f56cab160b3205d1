"""What followed elsewhere on text like the answer's end: in other texts, and in the answer itself.

Pure text: knows nothing of tokens, models or of the text that the answer repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zeta_context.runners.local.course import Segment
from zeta_context.runners.local.matching import continue_like, is_in_new_row

_SUFFIXES = (40, 24, 16, 12, 8, 6)
_SHORT_SUFFIXES = (*_SUFFIXES, 4, 3, 2)
_REPEATED = {40: 0.85, 24: 0.75, 16: 0.6, 12: 0.45, 8: 0.3, 6: 0.2}
"""How probably a text goes on as it did the last time that so many of its characters were met."""

_CLEAR, _ASTRAY = 12, 24
"""A shorter repetition says something only where the answer is this far off what it follows."""

_MAX_COPY = 240
_TEMPLATE_TEXT = 8000


def is_astray(answer: str, left: int) -> bool:
    """Whether an answer has gone its own way for long enough to be taken at its word."""
    return len(answer) - left >= _ASTRAY


class Copies:
    """Looks through `texts`, the best last."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [text for text in texts if text]

    @property
    def texts(self) -> Iterator[str]:
        """The texts, the best first."""
        return reversed(self._texts)

    def find_repeated(self, answer: str, left: int) -> Segment | None:
        """What followed on the answer's end, all of it new, earlier in it or in the texts.

        For answers that go their own way: they mostly say again what was said. A text that has
        come round to itself goes on doing so.
        """
        for length, chance in _REPEATED.items():
            suffix = answer[len(answer) - length :]
            if len(suffix) < length or not suffix.strip():
                continue
            if length < _CLEAR and not is_astray(answer, left):
                continue
            at = answer.rfind(suffix, 0, len(answer) - 1)
            if at >= 0:
                round_ = answer[at + length :]
                return Segment((round_ * (_MAX_COPY // len(round_) + 1))[:_MAX_COPY], chance)
            for text in self.texts if len(answer) - length >= left else ():
                at = text.rfind(suffix)
                if at >= 0 and (copied := text[at + length : at + length + _MAX_COPY]):
                    return Segment(copied, chance)
        return None

    def find_like_row(self, answer: str, left: int) -> Segment | None:
        """The rest of the row that the answer is in, told from a row that began alike.

        Words may differ: one that stood for another before it does so again.
        """
        if not is_in_new_row(answer, left) or left == len(answer):
            return None
        row = answer[answer.rfind("\n") + 1 :]
        if len(row.strip()) < 3:
            return None
        best: tuple[int, str] | None = None
        for text in (answer[:left], *self.texts):
            for other in reversed(text[-_TEMPLATE_TEXT:].split("\n")):
                found = continue_like(row, other.lstrip("+- "))
                if found is not None and (best is None or found[0] > best[0]):
                    best = found
            if best is not None:
                break
        if best is None:
            return None
        return Segment(best[1], min(0.6, 0.2 + 0.05 * best[0]))

    def find_copied(self, answer: str, left: int, *, avoid: str = "") -> tuple[Segment, ...]:
        """What followed, elsewhere, on the text that the answer ends in: up to the row's end.

        Where the answer has only just left its reference, not what the reference says there.
        """
        if left == len(answer) and avoid:
            return self._find_other(answer, avoid)
        for length in _SUFFIXES:
            suffix = answer[len(answer) - length :]
            if len(suffix) < length or not suffix.strip() or len(answer) - length > left:
                continue
            for text in (answer[:left], *self.texts):
                at = text.rfind(suffix)
                if at < 0:
                    continue
                end = text.find("\n", at + length + 1)
                copied = text[at + length : (end if end >= 0 else len(text))][:_MAX_COPY]
                if copied:
                    return (Segment(copied, 0.7 if length >= 16 else 0.3),)
        return ()

    def _find_other(self, answer: str, avoid: str) -> tuple[Segment, ...]:
        """What else followed on the answer's last words elsewhere, best in the latest rows."""
        for length in _SHORT_SUFFIXES:
            suffix = answer[len(answer) - length :]
            if len(suffix) < length or not suffix.strip():
                continue
            for text in (answer[: len(answer) - 1], *self.texts):
                at = text.rfind(suffix)
                while at >= 0:
                    end = text.find("\n", at + length)
                    copied = text[at + length : (end if end >= 0 else len(text))][:_MAX_COPY]
                    if copied and not copied.startswith(avoid):
                        return (Segment(copied, 0.5 if length >= 6 else 0.35),)
                    at = text.rfind(suffix, 0, at + length - 1) if at > 0 else -1
        return ()
