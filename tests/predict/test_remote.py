"""What leaves for a model on another machine: nothing of excluded files, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeta_context.counts import Counts
from zeta_context.errors import SettingsError
from zeta_context.events.event import Event
from zeta_context.events.projects import Projects
from zeta_context.predict.prediction import Discarded
from zeta_context.predict.remote import RemoteRedaction
from zeta_context.prompt.input import PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.text.point import Span

TOKEN = "ghp_" + "a8Fk2LmQ9xZr4TnV7bYc1WdE5sHu3JpK6oGi"


def _input(path: str = "app/models.py", excerpt: str = "user = 1\n", **more: object) -> PromptInput:
    fields = {"project": "app", "cursor_offset": 0, "excerpt_start_row": 0, **more}
    return PromptInput(path=path, cursor_excerpt=excerpt, **fields)  # type: ignore[arg-type]


def _related(path: str, text: str) -> RelatedFile:
    excerpt = RelatedExcerpt(start_row=0, end_row=1, text=text)
    return RelatedFile(project="app", path=path, last_row=5, excerpts=(excerpt,))


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    (tmp_path / "app" / "app").mkdir(parents=True)
    for name in ("app/models.py", ".env", "app/other.py"):
        (tmp_path / "app" / name).write_text("x = 1\n")
    return Projects([tmp_path / "app"])


def test_a_plain_input_leaves_as_it_is(projects: Projects) -> None:
    counts = Counts()
    assert RemoteRedaction(projects, counts=counts)(_input()) == _input()
    assert counts.totals() == {}


def test_nothing_leaves_from_an_excluded_file(projects: Projects) -> None:
    counts = Counts()
    answer = RemoteRedaction(projects, counts=counts)(_input(path=".env"))
    assert isinstance(answer, Discarded)
    assert answer.reason == "excluded_file"
    assert ".env" not in answer.detail
    assert len(counts.totals()) == 1


def test_nothing_leaves_where_the_cursor_is_beside_a_secret(projects: Projects) -> None:
    answer = RemoteRedaction(projects)(_input(excerpt=f'token = "{TOKEN}"\n'))
    assert isinstance(answer, Discarded)
    assert answer.reason == "secret_in_excerpt"
    assert TOKEN not in answer.detail


def test_other_parts_with_a_secret_or_of_an_excluded_file_stay_here(projects: Projects) -> None:
    counts = Counts()
    diff = f'@@ -1 +1 @@\n-a\n+a = "{TOKEN}"\n'
    event = Event(
        project="app", path="app/other.py", diff=diff, old_span=Span(0, 1), new_span=Span(0, 46)
    )
    files = (_related(".env", "KEY=canary\n"), _related("app/other.py", "fine = 1\n"))
    answer = RemoteRedaction(projects, counts=counts)(_input(events=(event,), related_files=files))
    assert isinstance(answer, PromptInput)
    assert answer.events == ()
    assert [file.path for file in answer.related_files] == ["app/other.py"]
    assert all(name.startswith("remote_") for name in counts.totals())
    assert sum(counts.totals().values()) == 2


def test_a_file_of_no_open_project_stays_here(projects: Projects) -> None:
    answer = RemoteRedaction(projects)(_input(project="elsewhere"))
    assert isinstance(answer, Discarded)
    assert answer.reason == "excluded_file"


def test_the_users_own_globs_come_on_top(projects: Projects) -> None:
    answer = RemoteRedaction(projects, user_globs=("app/models.py",))(_input())
    assert isinstance(answer, Discarded)
    with pytest.raises(SettingsError):
        RemoteRedaction(projects, user_globs=("!.env",))


def test_a_project_that_was_added_later_counts(projects: Projects, tmp_path: Path) -> None:
    redact = RemoteRedaction(projects)
    (tmp_path / "lib").mkdir()
    assert isinstance(redact(_input(project="lib", path="a.py")), Discarded)
    projects.add(tmp_path / "lib")
    assert isinstance(redact(_input(project="lib", path="a.py")), PromptInput)
