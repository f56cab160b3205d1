"""Whatever way an excluded file's text takes, it is in no request to a model on another machine."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest

from tests.git_repo import GitRepo
from tests.predict.test_model_proposer import ScriptedRunner
from zeta_context.consent.repository_file import REPOSITORY_FILE
from zeta_context.counts import Counts
from zeta_context.events.document import OpenDocument
from zeta_context.events.event import Event
from zeta_context.events.projects import Projects
from zeta_context.predict.prediction import Discarded
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.predict.proposers.repeat import RepeatProposer
from zeta_context.predict.remote import RemoteRedaction
from zeta_context.predict.view import View
from zeta_context.prompt.input import Diagnostic, PromptInput, RelatedExcerpt, RelatedFile
from zeta_context.prompt.registry import find_format
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

CANARY = "canary_of_the_excluded"
TOKEN = "ghp_" + "a8Fk2LmQ9xZr4TnV7bYc1WdE5sHu3JpK6oGi"
TEXT = "import settings\n\nvalue = settings.load()\n"


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    made = GitRepo(tmp_path / "shop")
    made.commit({"app.py": TEXT, ".gitignore": "private/\n", REPOSITORY_FILE: 'exclude = ["own/"]'})
    for path in (".env", "private/a.py", "own/b.py"):
        made.write(path, f"{CANARY} = 1\n")
    return made


def related(path: str, text: str, *, is_outside: bool = False) -> RelatedFile:
    return RelatedFile(
        project="" if is_outside else "shop",
        path=path,
        last_row=1,
        excerpts=(RelatedExcerpt(start_row=0, end_row=1, text=text),),
        is_outside_project=is_outside,
    )


def change(path: str, old: str, new: str, *, renamed_from: str | None = None) -> Event:
    more = {} if renamed_from is None else {"old_path": renamed_from}
    return Event(
        project="shop",
        path=path,
        diff=f"@@ -1 +1 @@\n-{old}\n+{new}\n",
        old_span=Span(0, len(old)),
        new_span=Span(0, len(new)),
        **more,  # type: ignore[arg-type]
    )


EXCLUDED = [".env", "private/a.py", "own/b.py", "../elsewhere.py"]


def ways(path: str) -> dict[str, dict[str, object]]:
    """Each way that text of a file can take into a prompt."""
    message = f"unknown name {CANARY}, did you mean {CANARY}_2?"
    return {
        "definition": {"related_files": (related(path, f"{CANARY} = 1\n"),)},
        "library": {"related_files": (related("lib/x.py", CANARY, is_outside=True),)},
        "diagnostic": {"diagnostics": (Diagnostic(severity=1, message=message, span=Span(0, 6)),)},
        "diff": {"events": (change(path, "a = 1", f"{CANARY} = 2"),)},
        "deleted text": {"events": (change(path, f"{CANARY} = 2", "a = 1"),)},
        "rename away": {"events": (change("b.py", CANARY, "a", renamed_from=path),)},
        "rename into": {"events": (change(path, CANARY, "a", renamed_from="b.py"),)},
        "secret in a diff": {"events": (change("app.py", "a", f'a = "{TOKEN}"'),)},
        "secret deleted": {"events": (change("app.py", f'a = "{TOKEN}"', "a"),)},
        "secret in a definition": {"related_files": (related("b.py", f'k = "{TOKEN}"\n'),)},
    }


@pytest.mark.parametrize("path", EXCLUDED)
@pytest.mark.parametrize("way", list(ways("")))
@pytest.mark.parametrize("format_name", ["zeta1", "zeta2", "instinct"])
def test_bad_input_16_no_request_holds_it(
    repo: GitRepo, path: str, way: str, format_name: str
) -> None:
    shown = PromptInput(
        project="shop",
        path="app.py",
        language="python",
        cursor_excerpt=TEXT,
        cursor_offset=len(TEXT) - 2,
        excerpt_start_row=0,
        syntax_spans=(Span(0, len(TEXT)),),
        **ways(path)[way],  # type: ignore[arg-type]
    )
    document = OpenDocument(
        project="shop", path="app.py", language="python", version=1, snapshot=TextSnapshot(TEXT)
    )
    view = View(
        document=document,
        cursor=len(TEXT) - 2,
        events=shown.events,
        prompt_input=shown,
    )
    runner = ScriptedRunner(answer=lambda _: "", is_remote=True)
    counts = Counts()
    proposer = ModelProposer(
        runner,
        find_format(format_name),
        redact=RemoteRedaction(Projects([repo.root]), counts=counts),
        guesser=RepeatProposer(),
    )
    answer = proposer.propose(view)
    assert runner.asked or isinstance(answer, Discarded)
    for request in runner.asked:
        said = repr(astuple(request))
        assert CANARY not in said
        assert TOKEN not in said
        assert path not in said
    assert any(name.startswith("remote_") for name in counts.totals())
    assert CANARY not in repr(counts.totals()) + repr(counts.recent())
