"""Sessions replayed against predictors, with a simulated user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from zeta_context.errors import SettingsError, TraceError
from zeta_context.evals.felt import score_groups, score_runs, sign
from zeta_context.evals.predictors import PredictorSetting, read_setting
from zeta_context.evals.rejected_edits import RejectedEdits
from zeta_context.evals.sessions import (
    RecordedSession,
    SessionRun,
    read_sessions,
    run_session,
    run_sessions,
)
from zeta_context.events.trace import CursorMoved, Edited, Focused, Opened, TraceEntry, TraceHeader
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.view import Proposer, View
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

SESSIONS = Path(__file__).parents[2] / "fixtures" / "sessions"
PATH = "a.py"
TEXT = "one = 1\ntwo = 2\nthree = 3\n"


class ScriptedProposer:
    """Proposes the scripted edits in turn, one for each time it is asked."""

    name = "scripted"

    def __init__(self, *answers: TextEdit | None) -> None:
        self._answers = list(answers)
        self.asked = 0

    def propose(self, view: View) -> Prediction | Discarded:
        self.asked += 1
        edit = self._answers.pop(0) if self._answers else None
        if edit is None:
            return Discarded(reason="no_rule")
        return Prediction(
            id=str(self.asked),
            project=view.document.project,
            path=view.document.path,
            version=view.document.version,
            edits=(edit,),
            proposer=self.name,
            why="it was scripted",
        )


class Recording:
    """Entries of a session, key by key, `gap_ms` apart."""

    def __init__(self, gap_ms: int = 100) -> None:
        self.entries: list[TraceEntry] = [
            Opened(at_ms=0, path=PATH, language="python", text=TEXT),
        ]
        self.at_ms = 0
        self._gap_ms = gap_ms
        self._version = 0

    def type(self, offset: int, keys: str) -> Recording:
        for index, key in enumerate(keys):
            self.replace(Span(offset + index, offset + index), key)
        return self

    def replace(self, span: Span, new_text: str) -> Recording:
        self.at_ms += self._gap_ms
        self._version += 1
        self.entries.append(
            Edited(at_ms=self.at_ms, path=PATH, span=span, new_text=new_text, version=self._version)
        )
        return self

    def cursor(self, offset: int, path: str = PATH) -> Recording:
        self.at_ms += self._gap_ms
        self.entries.append(CursorMoved(at_ms=self.at_ms, path=path, offset=offset))
        return self

    def open(self, path: str, text: str) -> Recording:
        self.entries.append(Opened(at_ms=self.at_ms, path=path, language="python", text=text))
        return self

    def focus(self, path: str) -> Recording:
        self.entries.append(Focused(at_ms=self.at_ms, path=path))
        return self

    def pause(self, ms: int = 2000) -> Recording:
        self.at_ms += ms
        return self

    @property
    def session(self) -> RecordedSession:
        return RecordedSession(
            name="made",
            header=TraceHeader(root="made", metadata={"language": "python", "quiet": True}),
            entries=tuple(self.entries),
        )


async def run(
    recording: Recording, proposer: Proposer, *, pause_ms: int = 300, latency_ms: int = 20
) -> SessionRun:
    setting = PredictorSetting(
        spec="scripted",
        make_proposers=lambda: (proposer,),
        pause_ms=pause_ms,
        latency_ms=latency_ms,
    )
    return await run_session(recording.session, setting)


def proposal(*edits: TextEdit) -> Prediction:
    return Prediction(
        id="1", project="made", path=PATH, version=1, edits=edits, proposer="scripted", why=""
    )


def add(offset: int, new_text: str) -> TextEdit:
    return TextEdit(Span(offset, offset), new_text)


async def test_what_the_user_goes_on_to_type_is_taken_and_all_but_one_key_saved() -> None:
    recording = Recording().type(7, "0").pause().type(16, "4")
    recording.pause().replace(Span(14, 16), "").type(14, "2000").pause()
    proposer = ScriptedProposer(None, TextEdit(Span(14, 16), "2000"))
    with_text = await run(recording, proposer)
    (shown,) = with_text.shown
    assert shown.is_taken
    assert shown.saved == 4
    assert with_text.keystrokes == 7
    assert score_runs([with_text]).keystrokes_saved_share == round(4 / 7, 4)


async def test_what_is_not_typed_interrupts_once_until_the_next_edit() -> None:
    recording = Recording().type(7, "0").pause().cursor(3).pause().cursor(5).pause().type(7, "1")
    proposer = ScriptedProposer(*[add(16, "4")] * 3)
    done = await run(recording, proposer)
    assert proposer.asked == 2
    assert [one.is_taken for one in done.shown] == [False]
    assert score_runs([done]).interruptions == 1


async def test_a_rejected_edit_does_not_come_again_nearby() -> None:
    recording = Recording().type(7, "0").pause().type(8, "1").pause()
    done = await run(recording, ScriptedProposer(add(16, "4"), add(17, "4")))
    assert [one.is_reshown for one in done.shown] == [False]
    assert done.silences["rejected_before"] == 1


def test_a_rejected_edit_that_comes_again_nearby_is_counted() -> None:
    rejected = RejectedEdits()
    rejected.add(proposal(add(16, "4")), "one = 10\ntwo = 2\n")
    rejected.follow(Edited(at_ms=1, path=PATH, span=Span(8, 8), new_text="1", version=2))
    text = "one = 101\ntwo = 2\n" + "\n" * 20
    assert rejected.has(proposal(add(17, "4")), text)
    assert not rejected.has(proposal(add(17, "5")), text)
    assert not rejected.has(proposal(add(len(text), "4")), text)


async def test_another_prediction_does_not_replace_a_shown_one_without_an_edit_between() -> None:
    recording = Recording().type(7, "0").pause().cursor(3).pause()
    done = await run(recording, ScriptedProposer(add(16, "4"), add(16, "5")))
    assert [one.replaced for one in done.shown] == [False]
    assert done.asked == 2


async def test_a_prediction_in_another_document_is_a_replacement() -> None:
    recording = Recording().open("b.py", "four = 4\n").focus(PATH)
    recording.type(7, "0").pause().focus("b.py").cursor(3, "b.py").pause()
    done = await run(recording, ScriptedProposer(add(16, "4"), add(8, "5")))
    assert [one.replaced for one in done.shown] == [False, True]
    assert [one.is_first for one in done.shown] == [True, False]


async def test_nothing_is_asked_while_the_user_types_what_was_taken() -> None:
    recording = Recording(gap_ms=700).type(7, "0").pause().type(16, "456").pause()
    proposer = ScriptedProposer(add(16, "456"))
    done = await run(recording, proposer)
    assert [one.saved for one in done.shown] == [2]
    assert proposer.asked == 2


async def test_the_same_prediction_before_it_is_made_by_hand_counts_once() -> None:
    recording = Recording().type(7, "0").pause().cursor(3).pause().cursor(16).type(16, "456")
    done = await run(recording, ScriptedProposer(add(16, "456")))
    assert [one.saved for one in done.shown] == [2]


async def test_an_answer_that_comes_after_the_user_went_on_is_stale_and_not_shown() -> None:
    recording = Recording(gap_ms=400).type(7, "01").pause()
    late = await run(recording, ScriptedProposer(add(16, "4")), latency_ms=150)
    assert (late.stale, late.shown) == (1, [])
    timely = await run(recording, ScriptedProposer(add(16, "4")), latency_ms=50)
    assert (timely.stale, len(timely.shown)) == (0, 1)


async def test_the_time_to_the_first_shown_counts_from_the_edit() -> None:
    recording = Recording().type(7, "0").pause().cursor(3).pause()
    done = await run(recording, ScriptedProposer(None, add(16, "4")))
    assert score_runs([done]).first_shown_p50_ms == 2000 + 100 + 300 + 20


async def test_taking_back_what_was_typed_is_not_shown() -> None:
    recording = Recording().type(7, "0").pause()
    done = await run(recording, ScriptedProposer(TextEdit(Span(7, 8), "")))
    assert done.shown == []
    assert done.silences["reversal"] == 1


async def test_what_is_shown_in_a_quiet_session_is_told() -> None:
    recording = Recording().type(7, "0").pause()
    done = await run(recording, ScriptedProposer(add(16, "4")))
    assert score_groups([done])["quiet"].shown_in_quiet == 1


async def test_a_session_runs_the_same_every_time() -> None:
    (recorded,) = read_sessions(SESSIONS / "lending-accounts.jsonl")
    setting = read_setting("repeat")
    one, other = [await run_session(recorded, setting) for _ in range(2)]
    assert one.shown == other.shown
    assert one.silences == other.silences
    assert one.asked >= 50


async def test_the_adversary_is_all_reversals_where_nothing_guards_against_it() -> None:
    recording = Recording().type(7, "0").pause().type(17, "9").pause().type(8, "5").pause()

    class Unguarded(ScriptedProposer):
        def __init__(self) -> None:
            super().__init__()
            self._make = read_setting("previous-state").make_proposers()

        def propose(self, view: View) -> Prediction | Discarded:
            assert self._make is not None
            return self._make[0].propose(view)

    done = await run(recording, Unguarded())
    assert all(one.is_reversal and not one.is_taken for one in done.shown)


def test_groups_are_told_apart_by_language_and_tuning() -> None:
    sessions = read_sessions(SESSIONS)
    runs = [SessionRun(session=session, keystrokes=1) for session in sessions]
    groups = score_groups(runs)
    assert groups["all"].sessions == len(sessions)
    assert groups["tuning"].sessions + groups["held out"].sessions == len(sessions)
    assert groups["python"].sessions >= 16


async def test_a_signature_tells_the_setting_and_the_very_sessions() -> None:
    sessions = read_sessions(SESSIONS / "lending-accounts.jsonl")
    shorter = [
        RecordedSession(name=one.name, header=one.header, entries=one.entries[:-1])
        for one in sessions
    ]
    setting = read_setting("repeat,pause=600")
    signature = sign(setting, sessions, "1.0")
    assert signature.startswith("predictor:repeat,pause=600,latency=20|sessions:1:")
    assert sign(setting, shorter, "1.0") != signature
    assert sign(setting, sessions, "1.0") == signature


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nothing", "no predictor 'nothing': there are default, repeat"),
        ("repeat,speed=1", "repeat has no option 'speed'"),
        ("repeat,min_confidence=high", "min_confidence is no number"),
        ("repeat,pause=soon", "pause is a whole number"),
        ("repeat,pause", "an option is written NAME=VALUE"),
        ("default,x=1", "default has no option 'x'"),
    ],
)
def test_a_setting_that_cannot_be_read_says_why(spec: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read_setting(spec)


def test_the_options_of_a_setting_reach_the_proposer() -> None:
    setting = read_setting("repeat,min_confidence=0.99,pause=150,latency=0")
    assert (setting.pause_ms, setting.latency_ms) == (150, 0)
    proposers: Sequence[Proposer] | None = setting.make_proposers()
    assert proposers is not None
    assert proposers[0].name == "repeat"
    assert setting.spec == "repeat,min_confidence=0.99,pause=150,latency=0"
    assert read_setting("default").make_proposers() is None


async def test_no_session_speaks_when_the_bar_is_out_of_reach() -> None:
    recorded = read_sessions(SESSIONS / "boxoffice-return-types.jsonl")
    bars = ("", "_elsewhere", "_rename", "_insertion", "_words")
    spec = ",".join(["repeat", *(f"min_confidence{bar}=1.1" for bar in bars)])
    (quiet,) = await run_sessions(recorded, read_setting(spec))
    assert quiet.shown == []
    assert quiet.silences["low_confidence"] > 0


def test_a_folder_without_sessions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no recorded session"):
        read_sessions(tmp_path)
