"""The predictions that are kept for a document."""

from zeta_context.events.change import Change
from zeta_context.predict.cache import PredictionCache
from zeta_context.predict.prediction import Prediction
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

KEY = ("project", "a.py")
TEXT = TextSnapshot("one warn\n")


def predict(version: int, start: int) -> Prediction:
    """As a proposer that calls the same suggestion by the same id."""
    edit = TextEdit(Span(start, start + 4), "warning")
    return Prediction(
        id="same", project="project", path="a.py", version=version, edits=(edit,),
        proposer="repeat", why="because",
    )  # fmt: skip


def test_a_prediction_made_again_under_its_id_still_follows_the_text() -> None:
    cache = PredictionCache()
    first = cache.add(predict(1, 4), TEXT, TEXT)
    assert first is not None
    cache.make_current(first)
    cache.add(predict(1, 4), TEXT, TEXT)
    longer = TEXT.edit(Span(8, 8), "i")
    cache.follow(KEY, [Change(old=TEXT, new=longer, old_span=Span(8, 8), new_span=Span(8, 9))])
    standing = cache.standing(KEY)
    assert standing is not None
    assert standing.remaining
    assert apply_edits(longer.text, standing.remaining) == "one warning\n"
