"""Commits typed out again, and the examples cut from them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.git_repo import GitRepo, plant_traps
from tests.training.conftest import STORE
from zeta_context.counts import Counts
from zeta_context.errors import RepositoryError
from zeta_context.evals.sessions import read_sessions
from zeta_context.events.trace import Edited, Opened, TraceEntry
from zeta_context.repository.history import ChangedBlob, CommitChange, CommitFacts
from zeta_context.text.edit import apply_edits
from zeta_context.training.commits.choose import CommitLimits, refuse_commit, refuse_path
from zeta_context.training.commits.hunks import Place, find_places, order_places
from zeta_context.training.commits.keystrokes import type_commit
from zeta_context.training.commits.mine import MiningSettings, type_history
from zeta_context.training.commits.profile import Habits, measure_habits, recorded_habits
from zeta_context.training.commits.realism import compare_realism
from zeta_context.training.commits.repository import mine_repository
from zeta_context.training.commits.told_order import ToldOrder, parse_order
from zeta_context.training.example import Example, encode_example
from zeta_context.training.teacher.endpoint import TeacherSettings

SESSIONS = Path(__file__).parents[2] / "fixtures" / "sessions"


def mine(root: Path, **options: object) -> list[Example]:
    arguments: dict[str, object] = {"refuse": lambda _: None, "processes": 1}
    return list(mine_repository(root, **{**arguments, **options}))  # type: ignore[arg-type]


def play(entries: Sequence[TraceEntry]) -> dict[str, str]:
    """The texts that a trace leads to."""
    texts: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, Opened):
            texts[entry.path] = entry.text or ""
        elif isinstance(entry, Edited):
            text = texts[entry.path]
            assert entry.span.end <= len(text)
            texts[entry.path] = text[: entry.span.start] + entry.new_text + text[entry.span.end :]
    return texts


LINES = st.lists(st.sampled_from(["a = 1\n", "b = 2\n", "\n", "    return value\n", "x\n", "é\n"]))


@given(old=LINES, new=LINES, seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_whatever_is_mistyped_on_the_way_the_text_in_the_end_is_the_commits(
    old: list[str], new: list[str], seed: int
) -> None:
    before, after = "".join(old), "".join(new)
    places = order_places(find_places(0, before, after), ["a.py"], Random(seed))
    habits = Habits(
        slip_rate=0.2,
        false_start_rate=1.0,
        backspace_share=0.1,
        block_delete_share=0.4,
        paste_share=0.0,
        revisit_rate=1.0,
        interval_ms=140,
        pause_log_mean=7.0,
        pause_log_sd=0.5,
        burst_length=20,
    )
    typed = type_commit(["a.py"], [before], places, habits=habits, seed=seed)
    assert play(typed.entries).get("a.py", before) == after


def test_a_commit_typed_out_twice_with_one_seed_is_the_same(history_of_three: GitRepo) -> None:
    first, again, other = (
        [one.entries for one in type_history(history_of_three.root, MiningSettings(seed=seed))]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_slips_false_starts_and_corrections_are_typed() -> None:
    text = STORE * 3
    places = find_places(0, text, text.replace("def ", "async def ").replace("item", "measurement"))
    habits = recorded_habits()
    typed = type_commit(["a.py"], [text], places, habits=habits, seed=3)
    seen = measure_habits([typed.entries])
    assert seen.backspace_share > 0
    assert seen.slip_rate > 0


def test_a_name_is_defined_before_it_is_used_and_imported_after_it_was_needed() -> None:
    places = [
        Place(file=0, row=0, start=0, old="", new="from limits import rounded\n"),
        Place(file=0, row=10, start=90, old="x = 1\n", new="x = rounded(ceiling)\n"),
        Place(file=0, row=40, start=400, old="", new="ceiling = 3\n"),
    ]
    ordered = order_places(places, ["a.py"], Random(0))
    assert [place.row for place in ordered] == [40, 10, 0]


def test_an_example_has_history_cursor_and_what_follows(history_of_three: GitRepo) -> None:
    examples = mine(history_of_three.root)
    assert len(examples) >= 3
    for one in examples:
        assert one.origin == "commit"
        assert one.purpose == "evaluation"
        assert one.prompt_input.events
        assert one.targets
        assert one.repository == "readings"
        for target in one.targets:
            assert one.text_after(target) != one.prompt_input.cursor_excerpt
    renamed = [
        one for one in examples if "readings" in one.text_after(one.targets[0]) and one.targets
    ]
    assert renamed
    whole = mine(history_of_three.root, settings=MiningSettings(half_typed=0))
    assert whole, "something is cut between two places"
    for one in whole:
        assert "next-place" in one.tags
        after = apply_edits(one.prompt_input.cursor_excerpt, one.targets[0].edits)
        assert after.count("\n") >= 5


def test_several_processes_give_the_same_examples_in_the_same_order(
    history_of_three: GitRepo,
) -> None:
    alone = [encode_example(one) for one in mine(history_of_three.root, processes=1)]
    together = [encode_example(one) for one in mine(history_of_three.root, processes=2)]
    assert alone == together


def test_a_repository_that_the_gate_refuses_gives_nothing(history_of_three: GitRepo) -> None:
    with pytest.raises(RepositoryError, match="AGPL"):
        mine(history_of_three.root, refuse=lambda _: "its licence is AGPL-3.0")


def test_a_file_with_a_secret_gives_nothing(repo: GitRepo) -> None:
    secret = "AKIA" + "Q3EXAMPLE7XY2LMN"
    repo.commit({"a.py": f'key = "{secret}"\n' + STORE})
    repo.commit({"a.py": f'key = "{secret}"\n' + STORE.replace("item", "reading")})
    counts = Counts()
    assert mine(repo.root, counts=counts) == []
    assert counts.total("file_secret") == 1


def test_hostile_configuration_runs_nothing(history_of_three: GitRepo, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    expected = [encode_example(one) for one in mine(history_of_three.root)]
    plant_traps(history_of_three, marker)
    assert [encode_example(one) for one in mine(history_of_three.root)] == expected
    assert not marker.exists(), marker.read_text()


def test_without_git_it_says_what_to_do(
    history_of_three: GitRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    with pytest.raises(RepositoryError, match="install git"):
        mine(history_of_three.root)


def test_an_object_that_is_missing_is_counted(history_of_three: GitRepo) -> None:
    blob = history_of_three.git("rev-parse", "HEAD~1:readings/store.py")
    path = history_of_three.root / ".git" / "objects" / blob[:2] / blob[2:]
    os.chmod(path, 0o644)
    path.unlink()
    counts = Counts()
    mine(history_of_three.root, counts=counts)
    assert counts.total("file_missing_object") == 2


def commit(message: str = "Fix it", author: str = "Ada", path: str = "a.py") -> CommitChange:
    facts = CommitFacts(
        sha="0" * 40,
        parents=("1" * 40,),
        author_name=author,
        author_email="",
        authored_at=0,
        committed_at=0,
        message=message,
    )
    file = ChangedBlob(path=path, letter="M", old_blob="2", new_blob="3", is_regular=True)
    return CommitChange(facts=facts, files=(file,))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (commit(), None),
        (commit(author="dependabot[bot]"), "bot"),
        (commit(author="renovate"), "bot"),
        (commit("Bump version to 2.0"), "mechanical"),
        (commit("style: run black"), "mechanical"),
        (commit('Revert "Fix it"'), "mechanical"),
        (commit(path="README.md"), "no_code"),
        (commit(path="api/users_pb2.py"), "no_code"),
        (commit(path="web/dist/app.js"), "no_code"),
    ],
)
def test_commits_that_teach_nothing_are_refused_with_a_reason(
    change: CommitChange, reason: str | None
) -> None:
    assert refuse_commit(change, CommitLimits()) == reason


def test_a_symbolic_link_is_no_file() -> None:
    link = ChangedBlob(path="a.py", letter="M", old_blob="1", new_blob="2", is_regular=False)
    assert refuse_path(link) == "not_modified"


def test_the_habits_that_are_shipped_are_those_of_the_recorded_sessions() -> None:
    measured = measure_habits([one.entries for one in read_sessions(SESSIONS)])
    shipped = recorded_habits()
    for name in ("slip_rate", "backspace_share", "interval_ms", "pause_log_mean"):
        assert getattr(shipped, name) == pytest.approx(getattr(measured, name), rel=0.05)


def test_the_classifier_tells_machine_gun_typing_from_people_and_people_from_no_one() -> None:
    recorded = [one.entries for one in read_sessions(SESSIONS)]
    machine = [
        [
            Opened(at_ms=0, path="a.py", text=""),
            *(_key(number, 20) for number in range(300)),
        ]
        for _ in range(10)
    ]
    assert compare_realism(recorded, machine).auc > 0.95
    assert abs(compare_realism(recorded[::2], recorded[1::2]).auc - 0.5) < 0.3


def _key(number: int, interval_ms: int) -> Edited:
    from zeta_context.text.point import Span

    return Edited(
        at_ms=number * interval_ms,
        path="a.py",
        span=Span(number, number),
        new_text="x",
        version=number + 1,
    )


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ("2, 5-7", [1, 4, 5, 6, 0, 2, 3]),
        ("// first the type\n3\n\n1\n3", [2, 0, 1, 3, 4, 5, 6]),
        ("9, 0, 7", [6, 0, 1, 2, 3, 4, 5]),
        ("I do not know", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_an_order_that_was_told_names_every_place_once(answer: str, order: list[int]) -> None:
    assert parse_order(answer, 7) == order


def test_a_teacher_can_order_the_changes_of_a_commit(
    history_of_three: GitRepo, tmp_path: Path
) -> None:
    teacher = TeacherSettings(api="command", endpoint=f"{sys.executable} -c print('3,2,1')")
    told = ToldOrder(teacher=teacher, cache=tmp_path / "answers.sqlite")
    by_rule = list(type_history(history_of_three.root, MiningSettings()))
    by_teacher = list(type_history(history_of_three.root, MiningSettings(told_order=told)))
    assert [play(one.entries) for one in by_rule] == [play(one.entries) for one in by_teacher]
    assert [one.entries for one in by_rule] != [one.entries for one in by_teacher]
    assert mine(history_of_three.root, settings=MiningSettings(told_order=told), processes=2)
