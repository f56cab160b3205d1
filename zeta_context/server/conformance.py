"""What a front end has to keep to, checked over a recorded conversation with the agent.

The rules are those of `docs/protocol.md`. Pure: knows messages and texts, no processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zeta_context.errors import FramingError, ZetaError
from zeta_context.events.content_change import (
    ContentChange,
    locate_change,
    parse_content_changes,
)
from zeta_context.lsp import uri as uris
from zeta_context.lsp.rpc import decode_body
from zeta_context.lsp.wire import FrameReader
from zeta_context.server.version import PROTOCOL_VERSION
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Encoding, Point
from zeta_context.text.snapshot import TextSnapshot

RULES: Mapping[str, str] = {
    "handshake": "`initialize` comes first, `initialized` follows its answer",
    "encodings": "`general.positionEncodings` offers what the editor counts in",
    "open_first": "a document is opened once, before anything else is said of it",
    "versions": "versions of a document grow",
    "ranges": "each changed range lies in the text as it was told so far",
    "saved_text": "the text told is the text that was saved",
    "asks": "`zeta/predict` asks about open documents, at places in them",
    "shows": "`zeta/didShow` is said once, of a prediction that was given",
    "accepts": "an accepted prediction is made in the text, exactly, and said once",
    "rejects": "what was rejected is not shown or accepted any more",
    "goodbye": "`shutdown` and `exit` come at the end, or the stream ends",
}
"""What is checked, in the order of the report."""


@dataclass(slots=True)
class Finding:
    """Whether a rule was kept: how often it applied, and what went against it."""

    rule: str
    seen: int = 0
    against: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`broken`, `kept`, or `not seen`."""
        return "broken" if self.against else "kept" if self.seen else "not seen"


def check(pieces: Iterable[tuple[str, bytes]]) -> Sequence[Finding]:
    """The findings about a conversation, one for each rule."""
    readers = {"editor": FrameReader(), "agent": FrameReader()}
    conversation = Conversation()
    try:
        for side, piece in pieces:
            for frame in readers[side].feed(piece):
                message = decode_body(frame.body)
                if message is not None:
                    conversation.take(side, message)
    except FramingError as error:
        conversation.fail("handshake", f"the framing is broken: {error}")
    conversation.end()
    return list(conversation.findings.values())


class Conversation:
    """Follows one conversation and notes what went against the rules."""

    def __init__(self) -> None:
        self.findings = {rule: Finding(rule) for rule in RULES}
        self._texts: dict[str, TextSnapshot] = {}
        self._versions: dict[str, int] = {}
        self._encoding: Encoding = "utf-16"
        self._asked: dict[Any, str] = {}
        self._given: dict[str, Mapping[str, Any]] = {}
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._expected: tuple[str, str] | None = None
        self._accepted: dict[str, bool] = {}
        self._shown: set[str] = set()
        self._rejected: set[str] = set()
        self._methods: list[str] = []

    def fail(self, rule: str, what: str) -> None:
        """Something went against a rule."""
        self.findings[rule].against.append(what)

    def _see(self, rule: str) -> None:
        self.findings[rule].seen += 1

    def take(self, side: str, message: Mapping[str, Any]) -> None:
        """One message, in the order in which they passed."""
        method = message.get("method")
        params = message.get("params")
        params = params if isinstance(params, Mapping) else {}
        if side == "agent":
            if method is None:
                self._take_answer(message)
            return
        if not isinstance(method, str):
            return
        self._methods.append(method)
        if "id" in message:
            self._asked[message["id"]] = method
        try:
            self._take(method, params)
        except (KeyError, TypeError, AttributeError):
            self.fail("handshake", f"{method}: its params are not as the protocol has them")

    def _take(self, method: str, params: Mapping[str, Any]) -> None:
        match method:
            case "initialize":
                self._see("encodings")
                general = params.get("capabilities", {}).get("general", {})
                if not general.get("positionEncodings"):
                    self.fail("encodings", "none offered: columns are taken to be UTF-16 units")
            case "textDocument/didOpen":
                self._open(params["textDocument"])
            case "textDocument/didChange":
                self._change(params)
            case "textDocument/didSave":
                self._save(params["textDocument"]["uri"])
            case "textDocument/didClose":
                self._known(method, params["textDocument"]["uri"])
                self._texts.pop(params["textDocument"]["uri"], None)
            case "zeta/predict":
                self._ask(params)
            case "zeta/didShow":
                self._show(params["id"])
            case "zeta/didAccept":
                self._accept(params["id"], is_partial=bool(params.get("partial")))
            case "zeta/didReject":
                self._see("rejects")
                self._rejected.add(params["id"])

    def _take_answer(self, message: Mapping[str, Any]) -> None:
        method = self._asked.pop(message.get("id"), "")
        result = message.get("result")
        if not isinstance(result, Mapping):
            return
        if method == "initialize":
            capabilities = result.get("capabilities", {})
            self._encoding = capabilities.get("positionEncoding", "utf-16")
        elif method == "zeta/predict" and isinstance(result.get("prediction"), Mapping):
            prediction = result["prediction"]
            self._give(prediction)

    def _give(self, prediction: Mapping[str, Any]) -> None:
        self._given[prediction["id"]] = prediction
        uri, version = prediction["textDocument"]["uri"], prediction["textDocument"]["version"]
        if self._versions.get(uri) == version and uri in self._texts:
            made = self._made(prediction, self._texts[uri])
            if made is not None:
                self._outcomes[prediction["id"]] = uri, made

    def _known(self, method: str, uri: str) -> bool:
        self._see("open_first")
        if uri not in self._texts:
            self.fail("open_first", f"{method} about a document that is not open")
        return uri in self._texts

    def _open(self, document: Mapping[str, Any]) -> None:
        self._see("open_first")
        uri = document["uri"]
        if uri in self._texts:
            self.fail("open_first", "a document was opened twice")
        self._texts[uri] = TextSnapshot(document["text"])
        self._versions[uri] = document.get("version", 0)

    def _change(self, params: Mapping[str, Any]) -> None:
        uri = params["textDocument"]["uri"]
        if not self._known("textDocument/didChange", uri):
            return
        self._see("versions")
        version = params["textDocument"].get("version")
        if not isinstance(version, int) or version <= self._versions[uri]:
            self.fail("versions", f"version {version} after {self._versions[uri]}")
        else:
            self._versions[uri] = version
        for change in parse_content_changes(params["contentChanges"]):
            self._see("ranges")
            text = self._texts[uri]
            try:
                span = locate_change(text, change, self._encoding)
                self._texts[uri] = text.edit(span, change.text)
            except ZetaError as error:
                self.fail("ranges", str(error))
        if self._expected is not None and self._is_expected(*self._expected):
            self._expected = None

    def _save(self, uri: str) -> None:
        if not self._known("textDocument/didSave", uri):
            return
        path = uris.to_path(uri)
        if path is None or not Path(path).exists():
            return
        self._see("saved_text")
        try:
            saved = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return
        if _plain(saved) != _plain(self._texts[uri].text):
            self.fail("saved_text", "the saved file differs from the text that was told")

    def _ask(self, params: Mapping[str, Any]) -> None:
        self._see("asks")
        self._judge_expected()
        uri = params["textDocument"]["uri"]
        if uri not in self._texts:
            self.fail("asks", "about a document that is not open")
        elif (position := params.get("position")) is not None:
            text = self._texts[uri]
            if not 0 <= position["line"] < max(text.row_count, 1):
                self.fail("asks", f"at line {position['line']} of {text.row_count}")

    def _show(self, prediction_id: str) -> None:
        self._see("shows")
        if prediction_id not in self._given:
            self.fail("shows", "a prediction that was not given")
        elif prediction_id in self._shown:
            self.fail("shows", "the same prediction twice")
        if prediction_id in self._rejected:
            self.fail("rejects", "a prediction that had been rejected was shown")
        self._shown.add(prediction_id)

    def _accept(self, prediction_id: str, *, is_partial: bool) -> None:
        self._see("accepts")
        if prediction_id in self._rejected:
            self.fail("rejects", "a prediction that had been rejected was accepted")
        prediction = self._given.get(prediction_id)
        if prediction is None:
            self.fail("accepts", "a prediction that was not given")
        elif self._accepted.get(prediction_id) and not is_partial:
            self.fail("accepts", "the same prediction twice")
        else:
            self._accepted[prediction_id] = True
            if not is_partial:
                self._expect(prediction_id)

    def _is_expected(self, uri: str, text: str) -> bool:
        now = self._texts.get(uri)
        return now is not None and _plain(now.text) == text

    def _expect(self, prediction_id: str) -> None:
        """The text with the prediction made is there now, or comes with the next changes."""
        uri, text = self._outcomes.get(prediction_id, ("", ""))
        if uri and not self._is_expected(uri, text):
            self._expected = uri, text

    def _judge_expected(self) -> None:
        if self._expected is not None:
            self.fail("accepts", "the text is not what the prediction makes of it")
            self._expected = None

    def _made(self, prediction: Mapping[str, Any], text: TextSnapshot) -> str | None:
        edits = []
        for edit in prediction["edits"]:
            change = ContentChange(
                text=edit["newText"],
                start=Point(*_place(edit["range"]["start"])),
                end=Point(*_place(edit["range"]["end"])),
            )
            edits.append(TextEdit(locate_change(text, change, self._encoding), change.text))
        return _plain(apply_edits(text, edits).text)

    def end(self) -> None:
        """No more is said."""
        self._judge_expected()
        self._see("handshake")
        if not self._methods or self._methods[0] != "initialize":
            self.fail("handshake", "the first message is not `initialize`")
        elif "initialized" not in self._methods:
            self.fail("handshake", "`initialized` never came")
        self._see("goodbye")
        if "exit" in self._methods and "shutdown" not in self._methods:
            self.fail("goodbye", "`exit` without `shutdown`")


def _place(position: Mapping[str, int]) -> tuple[int, int]:
    return position["line"], position["character"]


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def describe_protocol() -> str:
    """The version that is checked."""
    return f"protocol {PROTOCOL_VERSION}"
