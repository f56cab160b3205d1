"""Our methods over a real session: places in every encoding, outcomes in any order."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.lsp import uri as uris
from zeta_context.predict.gating import GatingSettings, Mode
from zeta_context.predict.prediction import Discarded, Jump, Prediction
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.view import View
from zeta_context.server.documents import EditorDocuments
from zeta_context.server.features import ACTION_KIND, Commands, Features
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Encoding, Span
from zeta_context.text.snapshot import TextSnapshot

COMMANDS = Commands(accept="c.accept", reject="c.reject", jump="c.jump")
ROOT = Path("/project")
URI = "file:///project/a.py"
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")

texts = st.lists(st.sampled_from([*"ab é漢𝒳👩\u200d\u0301\t\n\n", "\r\n"]), max_size=40).map(
    "".join
)


class Scripted:
    """Proposes the edits it was given, for the document it was given."""

    name = "scripted"

    def __init__(self) -> None:
        self.edits: tuple[TextEdit, ...] = ()
        self.path: str | None = None
        self.silence = Discarded(reason="nothing_scripted")
        self.made = 0

    def propose(self, view: View) -> Prediction | Discarded:
        if not self.edits:
            return self.silence
        self.made += 1
        path = self.path or view.document.path
        others = {one.path: one.version for one in (view.document, *view.others)}
        return Prediction(
            id=f"p{self.made}",
            project=view.document.project,
            path=path,
            version=others[path],
            edits=self.edits,
            proposer=self.name,
            why="because",
        )


class Editor:
    """An LSP client's text, with positions counted by itself."""

    def __init__(
        self, encoding: Encoding = "utf-16", *, mode: Mode = "eager", **options: Any
    ) -> None:
        self.encoding = encoding
        self.proposer = Scripted()
        self.session = Session(
            ROOT,
            settings=Settings(
                offer_status=False, predict=PredictSettings(gating=GatingSettings(mode=mode))
            ),
            proposers=(self.proposer,),
        )
        documents = EditorDocuments(self.session, encoding=encoding)
        self.features = Features(self.session, documents, COMMANDS, **options)
        self.text = ""
        self.version = 0

    def units(self, text: str) -> int:
        size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[self.encoding]
        return len(text.encode(f"{self.encoding}{'-le' if size > 1 else ''}")) // size

    def position(self, offset: int) -> dict[str, int]:
        rows = list(re.finditer(r"\r\n|\r|\n", self.text[:offset]))
        start = rows[-1].end() if rows else 0
        return {"line": len(rows), "character": self.units(self.text[start:offset])}

    def offset(self, position: dict[str, int]) -> int:
        ends = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", self.text))]
        start = at = ends[position["line"]]
        while self.units(self.text[start:at]) < position["character"]:
            assert at < len(self.text), "a position past the end"
            at += 1
        return at

    def open(self, text: str) -> None:
        self.text, self.version = text, 1
        item = {"uri": URI, "languageId": "python", "version": 1, "text": text}
        self.features.take_notification("textDocument/didOpen", {"textDocument": item})

    def change(self, *edits: tuple[int, int, str]) -> None:
        """One didChange with changes that follow one another."""
        self.version += 1
        changes = []
        for start, end, new in edits:
            place = {"start": self.position(start), "end": self.position(end)}
            changes.append({"range": place, "text": new})
            self.text = self.text[:start] + new + self.text[end:]
        target = {"uri": URI, "version": self.version}
        params = {"textDocument": target, "contentChanges": changes}
        self.features.take_notification("textDocument/didChange", params)

    def ask(self, offset: int = 0) -> dict[str, Any]:
        return {"textDocument": {"uri": URI}, "position": self.position(offset)}

    def apply(self, edits: list[dict[str, Any]], text_key: str = "newText") -> str:
        """The text with simultaneous LSP edits."""
        text = self.text
        spans = [
            (self.offset(edit["range"]["start"]), self.offset(edit["range"]["end"]), edit[text_key])
            for edit in edits
        ]
        for start, end, new in reversed(spans):
            text = text[:start] + new + text[end:]
        return text

    @property
    def held(self) -> str:
        return self.session.document("/project/a.py").snapshot.text

    def total(self, name: str) -> int:
        return self.session.counts.total(name)


def draw_offset(data: st.DataObject, text: str, low: int = 0) -> int:
    """An offset that does not part a CR from its LF: no editor's position does."""
    offset = data.draw(st.integers(low, len(text)))
    inside = 0 < offset < len(text) and text[offset - 1 : offset + 1] == "\r\n"
    return offset + 1 if inside else offset


@given(texts, st.data(), st.sampled_from(ENCODINGS))
def test_changes_in_any_encoding_leave_the_editors_text(
    text: str, data: st.DataObject, encoding: Encoding
) -> None:
    editor = Editor(encoding)
    editor.open(text)
    for _ in range(data.draw(st.integers(1, 4))):
        start = draw_offset(data, editor.text)
        end = draw_offset(data, editor.text, start)
        editor.change((start, end, data.draw(texts)))
    assert editor.held == editor.text


@given(texts, st.data(), st.sampled_from(ENCODINGS))
async def test_predicted_edits_apply_to_the_editors_text_in_any_encoding(
    text: str, data: st.DataObject, encoding: Encoding
) -> None:
    editor = Editor(encoding, has_document_changes=data.draw(st.booleans()))
    editor.open(text)
    edits = []
    reached = 0
    for _ in range(data.draw(st.integers(1, 3))):
        start = draw_offset(data, text, reached)
        reached = draw_offset(data, text, start)
        edits.append(TextEdit(Span(start, reached), data.draw(texts)))
    editor.proposer.edits = tuple(edits)
    expected = apply_edits(text, edits)
    answer = await editor.features.zeta_predict(editor.ask(draw_offset(data, text)))
    if expected == text or answer["prediction"] is None:
        return
    assert editor.apply(answer["prediction"]["edits"]) == expected
    copilot = await editor.features.copilot_inline_edit(editor.ask())
    assert editor.apply(copilot["edits"], "text") == expected
    (action, _) = await editor.features.code_actions(editor.ask())
    change = action["edit"].get("documentChanges") or [{"edits": action["edit"]["changes"][URI]}]
    assert editor.apply(change[0]["edits"]) == expected
    inline = await editor.features.inline_completion(editor.ask(draw_offset(data, text)))
    if inline is not None:
        (item,) = inline["items"]
        assert item["range"]["start"]["line"] == item["range"]["end"]["line"]
        assert editor.apply([item], "insertText") == expected


async def test_the_inline_item_covers_the_cursor() -> None:
    editor = Editor()
    editor.open("x = user.name\n")
    editor.proposer.edits = (TextEdit(Span(4, 8), "account"),)
    inline = await editor.features.inline_completion(editor.ask(13))
    assert inline is not None
    item = inline["items"][0]
    assert item["insertText"] == "account.name"
    assert item["range"]["end"] == {"line": 0, "character": 13}
    assert item["command"]["command"] == "c.accept"


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("eager", 2, (1, 1, 2)),
        ("subtle", 2, (0, 0, 2)),
        ("subtle", 1, (1, 1, 2)),
        ("manual", 2, (0, 0, 0)),
        ("manual", 1, (1, 1, 2)),
    ],
)
async def test_who_wants_to_ask_is_shown_content_only_when_they_ask(
    mode: Mode, kind: int, expected: tuple[int, int, int]
) -> None:
    editor = Editor(mode=mode)
    editor.open("x = user.name\n")
    editor.proposer.edits = (TextEdit(Span(4, 8), "account"),)
    asked = {**editor.ask(13), "context": {"triggerKind": kind}}
    inline = await editor.features.inline_completion(asked)
    edits = await editor.features.copilot_inline_edit(asked)
    actions = await editor.features.code_actions(asked)
    counted = len(inline["items"]) if inline else 0, len(edits["edits"]), len(actions)
    assert counted == expected
    hidden = sum(not one for one in expected)
    assert editor.session.counts.totals().get(f"{mode}_mode", 0) == hidden


async def test_an_edit_in_another_row_is_no_inline_completion() -> None:
    editor = Editor()
    editor.open("a\nb\n")
    editor.proposer.edits = (TextEdit(Span(2, 3), "c"),)
    assert await editor.features.inline_completion(editor.ask(0)) is None
    assert editor.total("not_in_cursor_row") == 1


async def predicted(editor: Editor) -> str:
    answer = await editor.features.zeta_predict(editor.ask())
    prediction_id: str = answer["prediction"]["id"]
    return prediction_id


@pytest.mark.parametrize("is_told_first", [True, False])
async def test_an_acceptance_counts_once_in_either_order(is_told_first: bool) -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    prediction_id = await predicted(editor)
    accept = {"command": "c.accept", "arguments": [prediction_id]}
    if is_told_first:
        editor.change((0, 4, "account"))
        editor.features.execute_command(accept)
    else:
        editor.features.execute_command(accept)
        editor.change((0, 4, "account"))
    editor.features.execute_command(accept)
    assert editor.held == editor.text == "account = 1\n"
    assert editor.total("accepted") == 1
    assert editor.total("shown") == 1
    (event,) = editor.session.events()
    assert event.predicted


async def test_an_acceptance_counts_though_it_was_asked_again_before_its_change() -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    accepted = await predicted(editor)
    editor.features.execute_command({"command": "c.accept", "arguments": [accepted]})
    await predicted(editor)
    editor.change((0, 4, "account"))
    assert editor.total("accepted") == 1
    (event,) = editor.session.events()
    assert event.predicted


async def test_an_accepted_edit_in_several_changes_is_a_prediction_too() -> None:
    editor = Editor()
    editor.open("a b\n")
    editor.proposer.edits = (TextEdit(Span(0, 1), "xx"), TextEdit(Span(2, 3), "yy"))
    prediction_id = await predicted(editor)
    editor.change((2, 3, "yy"), (0, 1, "xx"))
    editor.features.take_notification("zeta/didAccept", {"id": prediction_id})
    assert editor.total("accepted") == 1
    assert all(event.predicted for event in editor.session.events())


async def test_typing_on_is_not_an_acceptance() -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    await predicted(editor)
    editor.change((0, 0, "z"))
    assert editor.total("accepted") == 0
    assert not any(event.predicted for event in editor.session.events())


async def test_the_same_suggestion_keeps_its_id_until_the_text_changes() -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    first = await predicted(editor)
    assert await predicted(editor) == first
    assert editor.total("replaced") == 0
    editor.proposer.edits = (TextEdit(Span(0, 4), "other"),)
    assert await predicted(editor) == first
    assert editor.total("replaced") == 0
    editor.change((7, 8, "2"))
    assert await predicted(editor) != first
    assert editor.total("interpolate_failed") == 1


async def test_typing_what_a_suggestion_says_keeps_its_id_and_the_rest_of_it() -> None:
    editor = Editor()
    editor.open("x = \n")
    editor.proposer.edits = (TextEdit(Span(4, 4), "total()"),)
    first = await predicted(editor)
    editor.change((4, 4, "to"))
    answer = await editor.features.zeta_predict(editor.ask())
    assert answer["prediction"]["id"] == first
    assert editor.apply(answer["prediction"]["edits"]) == "x = total()\n"
    assert editor.proposer.made == 1


async def test_what_was_rejected_is_not_suggested_again_there() -> None:
    editor = Editor()
    editor.open("user = 1\n" + "\n" * 12 + "user = 2\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    prediction_id = await predicted(editor)
    editor.features.take_notification("zeta/didReject", {"id": prediction_id, "reason": "rejected"})
    answer = await editor.features.zeta_predict(editor.ask())
    assert answer["reason"] == "rejected_before"
    editor.proposer.edits = (TextEdit(Span(21, 25), "account"),)
    assert (await editor.features.zeta_predict(editor.ask()))["prediction"] is not None


@pytest.mark.parametrize("reason", ["replaced", "canceled", "nonsense", None, ["x"]])
async def test_a_rejection_is_counted_by_its_reason(reason: object) -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    prediction_id = await predicted(editor)
    editor.features.take_notification("zeta/didReject", {"id": prediction_id, "reason": reason})
    editor.features.take_notification("zeta/didReject", {"id": prediction_id, "reason": reason})
    known = reason if reason in ("replaced", "canceled") else "rejected"
    assert editor.total(str(known)) == 1


async def test_a_partial_acceptance_is_counted_as_one() -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    prediction_id = await predicted(editor)
    editor.features.take_notification("zeta/didAccept", {"id": prediction_id, "partial": True})
    assert editor.total("partially_accepted") == 1
    assert editor.total("accepted") == 0


async def test_a_prediction_in_another_open_file_names_that_file() -> None:
    editor = Editor()
    other = {"uri": "file:///project/b%2Epy", "languageId": "python", "version": 7, "text": "é u\n"}
    editor.features.take_notification("textDocument/didOpen", {"textDocument": other})
    editor.open("user = 1\n")
    editor.proposer.path = "b.py"
    editor.proposer.edits = (TextEdit(Span(2, 3), "account"),)
    answer = await editor.features.zeta_predict(editor.ask())
    target = answer["prediction"]["textDocument"]
    assert target == {"uri": "file:///project/b%2Epy", "version": 7}
    assert await editor.features.inline_completion(editor.ask()) is None
    assert await editor.features.copilot_inline_edit(editor.ask()) == {"edits": []}


def jumping(editor: Editor) -> Jump:
    text = TextSnapshot("é = load()\n")
    project = next(iter(editor.session.projects)).name
    return Jump(
        id="j1",
        project=project,
        path="lib/b c.py",
        text=text,
        edits=(TextEdit(Span(4, 8), "fetch"),),
        why="`load` is called `fetch` now: place 2 of 3, in lib/b c.py:1",
    )


async def test_an_edit_that_waits_in_a_closed_file_is_told_gone_to_and_rejected() -> None:
    editor = Editor("utf-8")
    editor.open("x = 1\n")
    jump = jumping(editor)
    editor.proposer.silence = Discarded(reason="not_open", jump=jump)
    answer = await editor.features.zeta_predict({"textDocument": {"uri": URI}})
    uri = "file:///project/lib/b%20c.py"
    place = {"line": 0, "character": 5}
    assert answer["prediction"] is None
    assert answer["jump"] == {"id": "j1", "uri": uri, "position": place, "why": jump.why}
    (action,) = await editor.features.code_actions(
        {"textDocument": {"uri": URI}, "range": {"start": place, "end": place}, "context": {}}
    )
    assert action["title"] == "Go to predicted edit in lib/b c.py:1"
    shown = editor.features.execute_command(action["command"])
    assert shown is not None
    assert (shown["uri"], shown["selection"]["start"]) == (uri, place)
    editor.features.take_notification("zeta/didReject", {"id": "j1", "reason": "rejected"})
    editor.features.take_notification("zeta/didReject", {"id": "j1", "reason": "rejected"})
    assert editor.session.counts.totals()["jump_rejected"] == 1


async def test_code_actions_keep_to_the_kinds_that_were_asked_for() -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    for only, expected in ((["quickfix"], 0), (["refactor"], 2), ([ACTION_KIND], 2), ([], 0)):
        asked = {**editor.ask(), "context": {"only": only}}
        assert len(await editor.features.code_actions(asked)) == expected


async def test_the_jump_command_shows_where_the_edit_is() -> None:
    editor = Editor()
    editor.open("a\nuser = 1\n")
    editor.proposer.edits = (TextEdit(Span(2, 6), "account"),)
    prediction_id = await predicted(editor)
    shown = editor.features.execute_command({"command": "c.jump", "arguments": [prediction_id]})
    assert shown is not None
    assert shown["uri"] == URI
    assert shown["selection"]["start"] == {"line": 1, "character": 0}


async def test_copilot_clients_tell_what_they_showed() -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    (edit,) = (await editor.features.copilot_inline_edit(editor.ask()))["edits"]
    editor.features.take_notification("textDocument/didShowInlineEdit", {"item": edit})
    assert editor.total("shown") == 1


async def test_a_document_outside_the_project_is_left_alone() -> None:
    editor = Editor()
    item = {"uri": "file:///elsewhere/x.py", "languageId": "python", "version": 1, "text": "a"}
    editor.features.take_notification("textDocument/didOpen", {"textDocument": item})
    answer = await editor.features.zeta_predict({"textDocument": {"uri": item["uri"]}})
    assert answer["reason"] == "document_not_open"
    assert editor.total("document_outside_project") == 1


async def test_a_change_of_an_unknown_document_needs_its_whole_text() -> None:
    editor = Editor()
    change = {"range": {"start": {"line": 0, "character": 0}}, "text": "x"}
    params = {"textDocument": {"uri": URI, "version": 3}, "contentChanges": [change]}
    editor.features.take_notification("textDocument/didChange", params)
    assert editor.total("change_of_unknown_document") == 1
    params["contentChanges"] = [{"text": "whole"}]
    editor.features.take_notification("textDocument/didChange", params)
    assert editor.held == "whole"


@pytest.mark.parametrize("version", [0, 1])
async def test_a_version_that_does_not_follow_stops_predictions_until_the_text_comes(
    version: int,
) -> None:
    editor = Editor()
    editor.open("user = 1\n")
    editor.proposer.edits = (TextEdit(Span(0, 4), "account"),)
    target = {"uri": URI, "version": version}
    place = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    change = {"textDocument": target, "contentChanges": [{"range": place, "text": "z"}]}
    editor.features.take_notification("textDocument/didChange", change)
    assert (await editor.features.zeta_predict(editor.ask()))["prediction"] is None
    whole = {"textDocument": {"uri": URI, "version": 9}, "contentChanges": [{"text": "user\n"}]}
    editor.features.take_notification("textDocument/didChange", whole)
    assert (await editor.features.zeta_predict(editor.ask()))["prediction"] is not None


@pytest.mark.parametrize("spelling", ["file:///project/%61.py", "file://localhost/project/a.py"])
async def test_another_spelling_of_a_uri_is_the_same_document(spelling: str) -> None:
    editor = Editor()
    editor.open("user = 1\n")
    found = editor.features.documents.find(spelling)
    assert found is not None
    assert found.uri == URI
    assert uris.to_path(spelling) == found.path


def test_a_status_tells_counts_and_no_text() -> None:
    editor = Editor()
    editor.open("secret_text = 1\n")
    status = editor.features.status()
    assert status["protocol"] == 1
    assert status["documents"] == 1
    assert "secret_text" not in str(status)
