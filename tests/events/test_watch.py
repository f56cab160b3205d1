"""Real files and real repositories, watched."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zeta_context.counts import Counts
from zeta_context.events import watch as watch_module
from zeta_context.events.outside_change import OutsideChange, PendingChanges
from zeta_context.events.polled import GitHead, find_git_folder
from zeta_context.events.projects import Project
from zeta_context.events.reading import read_text
from zeta_context.events.tracker import Tracker
from zeta_context.events.watch import Watcher

PATIENCE_SECONDS = 20.0


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )


class Reports:
    """What a watcher reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.changes: list[OutsideChange] = []
        self.batches = 0
        self._arrived = threading.Condition()

    def __call__(self, changes: tuple[OutsideChange, ...]) -> None:
        with self._arrived:
            self.changes += changes
            self.batches += 1
            self._arrived.notify_all()

    def wait_for(self, is_enough: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        with self._arrived:
            arrived = self._arrived.wait_for(
                lambda: is_enough(self.kinds), timeout=PATIENCE_SECONDS
            )
        assert arrived, self.kinds
        return self.kinds

    @property
    def kinds(self) -> dict[str, str]:
        return {change.path or change.kind: change.kind for change in self.changes}


@contextmanager
def watching(root: Path, **options: object) -> Iterator[tuple[Watcher, Reports, Counts]]:
    reports, counts = Reports(), Counts()
    project = Project(name="p", root=root)
    with Watcher([project], reports, counts=counts, **options) as watcher:  # type: ignore[arg-type]
        yield watcher, reports, counts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "p"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "node_modules").mkdir()
    (root / "src" / "a.py").write_text("a\n")
    (root / "top.py").write_text("t\n")
    return root


def test_files_that_change_appear_and_go_are_reported(root: Path) -> None:
    with watching(root) as (_, reports, _):
        (root / "src" / "a.py").write_text("b\n")
        (root / "src" / "deep" / "new.py").write_text("n\n")
        (root / "top.py").unlink()
        kinds = reports.wait_for(
            lambda kinds: {"src/a.py", "src/deep/new.py", "top.py"} <= kinds.keys()
        )
    assert kinds == {"src/a.py": "changed", "src/deep/new.py": "created", "top.py": "deleted"}


def test_a_file_replaced_by_moving_another_over_it_has_changed(root: Path) -> None:
    with watching(root) as (_, reports, _):
        (root / "src" / "a.py~").write_text("b\n")
        (root / "src" / "a.py~").rename(root / "src" / "a.py")
        kinds = reports.wait_for(lambda kinds: "src/a.py" in kinds)
    assert kinds["src/a.py"] == "changed"


def test_what_lies_in_ignored_folders_is_not_reported(root: Path) -> None:
    def is_ignored(project: str, path: str) -> bool:
        return project == "p" and path.endswith(".log")

    (root / "src" / "node_modules").mkdir()
    with watching(root, is_ignored=is_ignored) as (_, reports, _):
        (root / "node_modules" / "x.js").write_text("")
        (root / "src" / "node_modules" / "y.js").write_text("")
        (root / "src" / "z.log").write_text("")
        (root / "src" / "last.py").write_text("")
        kinds = reports.wait_for(lambda kinds: "src/last.py" in kinds)
    assert list(kinds) == ["src/last.py"]


def test_a_new_folder_at_the_top_is_watched_with_what_it_came_with(root: Path) -> None:
    with watching(root) as (_, reports, _):
        (root / "fresh" / "inner").mkdir(parents=True)
        (root / "fresh" / "inner" / "one.py").write_text("1")
        reports.wait_for(lambda kinds: "fresh/inner/one.py" in kinds)
        (root / "fresh" / "inner" / "two.py").write_text("2")
        reports.wait_for(lambda kinds: "fresh/inner/two.py" in kinds)


def test_a_folder_that_is_replaced_is_watched_again(root: Path) -> None:
    with watching(root) as (_, reports, _):
        (root / "src" / "a.py").unlink()
        (root / "src" / "deep").rmdir()
        (root / "src").rmdir()
        reports.wait_for(lambda kinds: "src" in kinds)
        (root / "src").mkdir()
        (root / "src" / "b.py").write_text("")
        reports.wait_for(lambda kinds: "src/b.py" in kinds)
        (root / "src" / "c.py").write_text("")
        reports.wait_for(lambda kinds: "src/c.py" in kinds)


def test_a_branch_switch_is_seen_and_the_files_that_it_changed(root: Path) -> None:
    git(root, "init", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-m", "one")
    git(root, "switch", "-c", "other")
    (root / "src" / "a.py").write_text("other\n")
    git(root, "commit", "-am", "two")
    with watching(root) as (_, reports, _):
        git(root, "commit", "--allow-empty", "-m", "three")
        git(root, "switch", "main")
        kinds = reports.wait_for(lambda kinds: {"head", "src/a.py"} <= kinds.keys())
    assert kinds == {"head": "head", "src/a.py": "changed"}


def test_the_head_of_a_linked_worktree_is_its_own(root: Path) -> None:
    git(root, "init", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-m", "one")
    linked = root.parent / "linked"
    git(root, "worktree", "add", str(linked), "-b", "side")
    with watching(linked) as (_, reports, _):
        git(root, "switch", "-c", "unrelated")
        git(linked, "switch", "-c", "further")
        reports.wait_for(lambda kinds: "head" in kinds)
    assert [change.kind for change in reports.changes].count("head") == 1


def test_a_repository_made_later_is_noticed(root: Path) -> None:
    with watching(root) as (_, reports, _):
        git(root, "init", "-b", "main")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "head" not in reports.kinds and time.monotonic() < deadline:
            git(root, "symbolic-ref", "HEAD", f"refs/heads/b{time.monotonic_ns()}")
            time.sleep(0.2)
    assert "head" in reports.kinds


@pytest.mark.parametrize("text", ["gitdir: ../outside\n", "nonsense", "gitdir: \0\n", "gitdir:\n"])
def test_a_git_file_that_names_no_worktree_of_git_is_not_followed(root: Path, text: str) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "HEAD").write_text("secret")
    (root / ".git").write_text(text)
    assert find_git_folder(root) is None
    assert not GitHead(root).has_moved()


def test_a_project_with_too_many_folders_is_polled(root: Path) -> None:
    git(root, "init", "-b", "main")
    options = {"max_folders": 1, "poll_seconds": 0.05, "debounce_seconds": 0.01}
    with watching(root, **options) as (watcher, reports, counts):
        assert watcher.is_polling("p")
        watcher.follow("p", ["src/a.py", "src/later.py"])
        (root / "src" / "a.py").write_text("longer\n")
        (root / "src" / "later.py").write_text("")
        git(root, "symbolic-ref", "HEAD", "refs/heads/other")
        reports.wait_for(lambda kinds: len(kinds) == 3)
        (root / "src" / "a.py").unlink()
        kinds = reports.wait_for(lambda kinds: kinds["src/a.py"] == "deleted")
    assert kinds == {"head": "head", "src/a.py": "deleted", "src/later.py": "created"}
    assert counts.total("watch_polling") == 1


def test_a_project_is_polled_when_the_system_has_no_watch_left(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not watch_module._WATCHES_EACH_TREE:
        pytest.skip("only inotify counts its watches")
    from watchdog.observers.inotify_c import InotifyFD

    left = [2]
    add_callback = InotifyFD.add_callback

    def add_while_any_is_left(self, path, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "inotify watch limit reached")
        return add_callback(self, path, *arguments)

    monkeypatch.setattr(InotifyFD, "add_callback", add_while_any_is_left)
    with watching(root, poll_seconds=0.05) as (watcher, reports, counts):
        assert watcher.is_polling("p")
        watcher.follow("p", ["src/a.py"])
        (root / "src" / "a.py").write_text("longer\n")
        reports.wait_for(lambda kinds: "src/a.py" in kinds)
    assert counts.total("watch_polling") == 1


def test_a_root_that_is_not_there_is_polled(tmp_path: Path) -> None:
    with watching(tmp_path / "gone") as (watcher, _, _):
        assert watcher.is_polling("p")


def test_a_storm_of_changes_is_reported_as_one(root: Path) -> None:
    with watching(root) as (_, reports, counts):
        for number in range(4_000):
            (root / "src" / f"{number}.py").touch()
        reports.wait_for(lambda kinds: "overflow" in kinds)
    assert counts.total("watch_overflow") >= 1
    assert len(reports.changes) < 4_000


def test_a_hundred_thousand_changes_cost_no_more_memory_than_the_limit() -> None:
    pending = PendingChanges()
    refused = 0
    for number in range(100_000):
        change = OutsideChange(kind="changed", project="p", path=f"{number}.py")
        refused += not pending.add(change)
        assert len(pending._kinds) <= 2_000
    pending.add(OutsideChange(kind="changed", project="q", path="kept.py"))
    pending.add(OutsideChange(kind="head", project="p"))
    assert refused == 1
    assert [(change.kind, change.project) for change in pending.drain()] == [
        ("head", "p"),
        ("overflow", "p"),
        ("changed", "q"),
    ]
    assert not pending


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (("created", "changed"), ["created"]),
        (("created", "deleted"), []),
        (("deleted", "created"), ["changed"]),
        (("changed", "deleted"), ["deleted"]),
        (("changed", "created"), ["changed"]),
    ],
)
def test_changes_of_one_file_are_told_as_what_they_amount_to(kinds, told) -> None:
    pending = PendingChanges()
    for kind in kinds:
        pending.add(OutsideChange(kind=kind, project="p", path="a"))
    assert [change.kind for change in pending.drain()] == told


def test_a_receiver_that_fails_does_not_end_the_watch(root: Path) -> None:
    reports = Reports()

    def fail_first(changes: tuple[OutsideChange, ...]) -> None:
        reports(changes)
        if reports.batches == 1:
            raise RuntimeError("broken")

    counts = Counts()
    with Watcher([Project(name="p", root=root)], fail_first, counts=counts):
        (root / "src" / "a.py").write_text("1\n")
        reports.wait_for(lambda kinds: "src/a.py" in kinds)
        (root / "src" / "b.py").write_text("2\n")
        reports.wait_for(lambda kinds: "src/b.py" in kinds)
    assert counts.total("watch_report_failed") == 1


def test_nothing_is_reported_after_the_watch_has_ended(root: Path) -> None:
    before = threading.active_count()
    with watching(root) as (_, reports, _):
        pass
    (root / "src" / "a.py").write_text("late\n")
    time.sleep(0.3)
    assert reports.changes == []
    assert threading.active_count() <= before + 1  # watchdog keeps one thread for inotify


def test_a_branch_switch_under_open_documents_is_no_typing(root: Path) -> None:
    """The whole way: git changes a file, the watcher tells, the editor reloads, nothing is told."""
    git(root, "init", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-m", "one")
    git(root, "switch", "-c", "other")
    (root / "src" / "a.py").write_text("other\n")
    git(root, "commit", "-am", "two")
    counts = Counts()
    tracker = Tracker(counts=counts)
    tracker.open("p", "src/a.py", read_text(root / "src" / "a.py").text)
    with watching(root) as (_, reports, _):
        git(root, "switch", "main")
        reports.wait_for(lambda kinds: "src/a.py" in kinds)
    disk = read_text(root / "src" / "a.py").text
    assert tracker.take_disk("p", "src/a.py", disk) == "changed"
    tracker.replace("p", "src/a.py", disk)
    assert tracker.history("p").events() == ()
    assert counts.total("history_reload") == 1
