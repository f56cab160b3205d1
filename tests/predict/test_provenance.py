"""Where the text of a document comes from, however it was changed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from zeta_context.events.change import Change
from zeta_context.predict.provenance import ProvenanceRecorder
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

EDITS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(0, 4),
        st.text(alphabet="ab\n", max_size=3),
        st.sampled_from(["user", "undo", "prediction", "other"]),
    ),
    max_size=30,
)


@settings(max_examples=300)
@given(EDITS)
def test_looking_on_from_the_latest_change_finds_what_looking_from_the_start_does(
    edits: list[tuple[int, int, str, str]],
) -> None:
    near, far = ProvenanceRecorder(), ProvenanceRecorder()
    snapshot = TextSnapshot("one\ntwo\nthree\n" * 3)
    for at, (wanted, length, text, author) in enumerate(edits):
        start = min(wanted, len(snapshot))
        span = Span(start, min(start + length, len(snapshot)))
        new = snapshot.edit(span, text)
        change = Change(snapshot, new, span, Span(start, start + len(text)))
        far._near = (0, 0)
        for recorder in (near, far):
            recorder.follow(change, author=author, at=float(at))  # type: ignore[arg-type]
        snapshot = new
        assert near.provenance() == far.provenance()
        assert sum(one.length for one in near.provenance().segments) <= len(snapshot)
