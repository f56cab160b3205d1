"""Documents that are unlike others, in `zeta-context serve`: what docs/support.md says of them."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.git_repo import GitRepo
from tests.server.proxy_peer import Peer
from zeta_context.consent.exclusions import Exclusions
from zeta_context.lsp.uri import to_cell

COMMAND = [str(Path(sys.executable).with_name("zeta-context")), "serve"]
ROWS = [f"    logger.warn('{n}')" for n in range(4)]
MEBIBYTE = 1024 * 1024


class Editor:
    """An editor that has told of nothing yet, counting in UTF-16."""

    def __init__(self, peer: Peer, root: Path) -> None:
        self.peer, self.number, self.version = peer, 1, 1
        peer.request(1, "initialize", {"rootUri": root.as_uri(), "capabilities": {}})
        peer.send(method="initialized", params={})

    def open(self, uri: str, text: str, language: str = "python") -> None:
        self.uri, self.version = uri, 1
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.peer.send(method="textDocument/didOpen", params={"textDocument": item})

    def replace(self, row: int, start: int, end: int, text: str) -> None:
        self.version += 1
        place = {
            "start": {"line": row, "character": start},
            "end": {"line": row, "character": end},
        }
        target = {"uri": self.uri, "version": self.version}
        changes = [{"range": place, "text": text}]
        params = {"textDocument": target, "contentChanges": changes}
        self.peer.send(method="textDocument/didChange", params=params)
        time.sleep(0.4)

    def predict(self, row: int, character: int = 0) -> dict[str, Any]:
        self.number += 1
        position = {"line": row, "character": character}
        params = {"textDocument": {"uri": self.uri}, "position": position, "trigger": "explicit"}
        answer: dict[str, Any] = self.peer.request(self.number, "zeta/predict", params)
        return answer

    def rename_twice(self, first_row: int = 1) -> dict[str, Any]:
        for row in (first_row, first_row + 1):
            self.replace(row, 11, 15, "warning")
        return self.predict(first_row + 2)

    def counts(self) -> dict[str, int]:
        self.number += 1
        counts: dict[str, int] = self.peer.request(self.number, "zeta/status", {})["counts"]
        return counts


def text_of(ending: str = "\n") -> str:
    return ending.join(["def run():", *ROWS, ""])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_either_line_ending_is_predicted_in(ending: str, tmp_path: Path) -> None:
    with Peer(COMMAND, cwd=tmp_path) as peer:
        editor = Editor(peer, tmp_path)
        editor.open((tmp_path / "a.py").as_uri(), text_of(ending))
        edit = editor.rename_twice()["prediction"]["edits"][0]
        assert edit["range"]["start"] == {"line": 3, "character": 11}
        assert edit["newText"] == "warning"


def test_a_cell_of_a_notebook_is_a_document_of_its_own(tmp_path: Path) -> None:
    notebook = (tmp_path / "study.ipynb").as_uri().replace("file://", "vscode-notebook-cell:")
    with Peer(COMMAND, cwd=tmp_path) as peer:
        editor = Editor(peer, tmp_path)
        editor.open(f"{notebook}#W1sZmlsZQ%3D%3D", text_of())
        editor.open(f"{notebook}#W0sZmlsZQ%3D%3D", text_of())
        prediction = editor.rename_twice()["prediction"]
        assert prediction["textDocument"]["uri"] == editor.uri
        assert "document_is_no_file" not in editor.counts()


def test_a_notebook_that_is_excluded_takes_its_cells_with_it(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path / "project")
    repo.commit({".gitignore": "private.ipynb\n", "a.py": text_of()})
    exclusions = Exclusions(repo.root, user_globs=["drafts/*.ipynb"])
    for name in ("private.ipynb", "drafts/one.ipynb"):
        cell = to_cell(f"vscode-notebook-cell:{repo.root}/{name}#X")
        assert cell is not None
        assert exclusions.decide(cell).is_excluded
    other = to_cell(f"vscode-notebook-cell:{repo.root}/study.ipynb#X")
    assert other is not None
    assert not exclusions.decide(other).is_excluded


def test_a_minified_file_costs_no_more_than_its_size(tmp_path: Path) -> None:
    """One row of 3 MB with a change in its middle: it is answered, predicted in or not."""
    row = "".join(f"function f{n}(){{return{n}}}" for n in range(130_000))
    assert len(row) > 3_000_000
    with Peer(COMMAND, cwd=tmp_path) as peer:
        editor = Editor(peer, tmp_path)
        editor.open((tmp_path / "app.min.js").as_uri(), row, "javascript")
        for at in (1_500_000, 1_500_100):
            editor.replace(0, at, at + 1, "x")
        answer = editor.predict(0, 1_500_200)
        assert answer["prediction"] or answer["reason"]
        assert editor.counts().get("document_textmismatch") is None


def test_12_megabytes_give_the_reason_and_17_are_left_alone(
    tmp_path: Path,
) -> None:
    filler = "# nothing here\n"
    with Peer(COMMAND, cwd=tmp_path) as peer:
        editor = Editor(peer, tmp_path)
        editor.open(
            (tmp_path / "big.py").as_uri(), text_of() + filler * (12 * MEBIBYTE // len(filler))
        )
        assert editor.rename_twice()["reason"] == "too_large"
        editor.open((tmp_path / "huge.py").as_uri(), filler * (17 * MEBIBYTE // len(filler)))
        assert editor.predict(3)["reason"] == "document_not_open"
        assert editor.counts()["document_too_large"] == 1


def test_a_buffer_without_a_file_is_predicted_in(tmp_path: Path) -> None:
    with Peer(COMMAND, cwd=tmp_path) as peer:
        editor = Editor(peer, tmp_path)
        editor.open("untitled:Untitled-1", text_of())
        assert editor.rename_twice()["prediction"]


@pytest.mark.parametrize("scheme", ["git", "jdt", "output"])
def test_documents_of_other_kinds_are_left_alone(scheme: str, tmp_path: Path) -> None:
    with Peer(COMMAND, cwd=tmp_path) as peer:
        editor = Editor(peer, tmp_path)
        editor.open(f"{scheme}:{tmp_path}/a.py", text_of())
        assert editor.predict(1)["reason"] == "document_not_open"
        assert editor.counts()["document_is_no_file"] == 1
