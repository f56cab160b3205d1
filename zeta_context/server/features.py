"""Our methods: what an editor asks and tells, whatever transport it comes by.

`docs/protocol.md` describes them. Every function takes the `params` of a message as decoded JSON
and gives its `result`. Knows nothing of streams, ids or other servers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from zeta_context.events.addresses import UNTITLED
from zeta_context.predict.gating import BusyState, Mode
from zeta_context.predict.prediction import Discarded, Jump, Prediction
from zeta_context.prompt.input import Trigger
from zeta_context.server.description import describe
from zeta_context.server.documents import EditorDocument, EditorDocuments
from zeta_context.server.jumps import ToldJumps
from zeta_context.server.made import Made, MadePredictions
from zeta_context.server.state import describe_state
from zeta_context.server.version import PROTOCOL_VERSION
from zeta_context.session import Session
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

ACTION_KIND = "refactor.rewrite"
_TRIGGERS: dict[str, Trigger] = {trigger: trigger for trigger in get_args(Trigger)}
_AUTOMATIC = 2
"""The trigger kind of inline completions, inline edits and code actions that nobody asked for."""

_REJECTED_BEFORE = Discarded(reason="rejected_before", detail="the same was rejected here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The names under which an editor can run what is ours."""

    accept: str
    reject: str
    jump: str

    @classmethod
    def named(cls, names: Sequence[str]) -> Commands:
        """From the names in the order accept, reject, jump."""
        accept, reject, jump = names
        return cls(accept=accept, reject=reject, jump=jump)


class Features:
    """One editor's predictions."""

    def __init__(
        self,
        session: Session,
        documents: EditorDocuments,
        commands: Commands,
        *,
        has_document_changes: bool = False,
    ) -> None:
        self.session = session
        self.documents = documents
        self.made = MadePredictions(session, documents)
        self.jumps = ToldJumps(session, documents)
        self.has_document_changes = has_document_changes
        self.environment = {"telemetry": True, "trusted": True}
        self._commands = commands
        self._cursors: dict[str, Mapping[str, Any]] = {}

    # What the editor tells.

    def take_notification(self, method: str, params: Any) -> None:
        """A notification about documents or predictions; others are ignored."""
        if not isinstance(params, Mapping):
            return
        match method:
            case "textDocument/didOpen":
                self.documents.take_open(params)
            case "textDocument/didChange":
                self.documents.take_change(params)
                if (document := self._document(params)) is not None:
                    self.made.settle(document)
                    if (position := self.documents.end_of_change(document, params)) is not None:
                        self._cursors[document.uri] = position
            case "textDocument/didClose":
                document = self._document(params)
                self.documents.take_close(params)
                if document is not None:
                    self.made.forget(document)
                    self._cursors.pop(document.uri, None)
            case "textDocument/didSave":
                self.documents.take_save(params)
            case "textDocument/didShowInlineEdit":
                item = params.get("item")
                command = item.get("command") if isinstance(item, Mapping) else None
                self._show(_first_argument(command))
            case _:
                self._take_own(method, params)

    def _take_own(self, method: str, params: Mapping[str, Any]) -> None:
        match method:
            case "zeta/didShow":
                self._show(params.get("id"))
            case "zeta/didAccept":
                self._accept(params.get("id"), is_partial=bool(params.get("partial")))
            case "zeta/didReject":
                self._reject(params.get("id"), params.get("reason"))
            case "zeta/didChangeEnvironment":
                self.take_environment(params)

    def take_environment(self, told: Mapping[str, Any]) -> None:
        """The editor's own switches; what it does not name stays, what is not true forbids."""
        for switch in self.environment.keys() & told.keys():
            self.environment[switch] = told[switch] is True
        self.session.limit_collection(
            editor_allows=self.environment["telemetry"], is_trusted=self.environment["trusted"]
        )

    def take_hint(self, params: Any) -> None:
        """A request of the editor for somebody else, whose position is where the cursor is."""
        if isinstance(params, Mapping) and (document := self._document(params)) is not None:
            position = params.get("position")
            if position is None and isinstance(params.get("range"), Mapping):
                position = params["range"].get("start")
            if isinstance(position, Mapping):
                self._cursors[document.uri] = position

    def cursor(self, document: EditorDocument) -> Mapping[str, Any] | None:
        """Where the cursor was last known to be."""
        return self._cursors.get(document.uri)

    def _show(self, prediction_id: object) -> None:
        if (made := self.made.get(prediction_id)) is not None:
            self.made.show(made)

    def _accept(self, prediction_id: object, *, is_partial: bool) -> None:
        made = self.made.get(prediction_id)
        if made is not None and is_partial:
            self.made.accept_part(made)
        elif made is not None:
            self.made.accept(made)
        else:
            self.session.counts.add("outcome_of_unknown_prediction")

    def _reject(self, prediction_id: object, reason: object) -> None:
        if (made := self.made.get(prediction_id)) is not None:
            self.made.reject(made, reason)
        elif (jump := self.jumps.get(prediction_id)) is not None:
            self.jumps.reject(jump)

    # What the editor asks.

    async def predict(
        self, params: Mapping[str, Any], *, trigger: Trigger = "other"
    ) -> Made | Discarded:
        """The prediction for the place that `params` name, the standing one if it still holds."""
        document = self._document(params)
        state = self.documents.state(document) if document is not None else None
        if document is None or state is None:
            return Discarded(reason="document_not_open")
        self.take_hint(params)
        position = params.get("position") or self.cursor(document) or {"line": 0, "character": 0}
        offset = self.documents.offset(state.snapshot, position)
        answer = await self.session.predict(
            document.address, offset, trigger=trigger, busy=_busy(params)
        )
        return answer if isinstance(answer, Discarded) else self._keep(answer)

    def _keep(self, prediction: Prediction) -> Made | Discarded:
        # The place may be in another open document than the one that was asked for.
        if prediction.path.startswith(UNTITLED):
            document = self.documents.find(prediction.path)
        else:
            file = self.session.projects.file(prediction.project, prediction.path)
            document = self.documents.find_file(file)
        state = self.documents.state(document) if document is not None else None
        if document is None or state is None:
            return Discarded(reason="document_not_open")
        known = self.made.carry(prediction, document, state.snapshot)
        if known is not None:
            return known
        standing = self.made.standing(document)
        if standing is not None and standing.prediction.edits == prediction.edits:
            # The same suggestion keeps its id, so that what is on the screen stays.
            standing.prediction = prediction
            return standing
        made = Made(prediction.id, prediction, document, state.snapshot)
        if self.made.was_rejected(made):
            self.session.counts.note(_REJECTED_BEFORE.reason, place=prediction.path)
            return _REJECTED_BEFORE
        self.made.add(made)
        return made

    async def zeta_predict(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`zeta/predict`: the prediction, or the reason for none."""
        asked = params.get("trigger")
        trigger: Trigger = _TRIGGERS.get(asked, "other") if isinstance(asked, str) else "other"
        answer = await self.predict(params, trigger=trigger)
        if isinstance(answer, Discarded):
            silence = {"prediction": None, "reason": answer.reason, "detail": answer.detail}
            jump = answer.jump
            return silence if jump is None else {**silence, "jump": self.jumps.describe(jump)}
        is_hint = self._mode == "subtle" and trigger != "explicit"
        display = "hint" if is_hint else "full"
        return {"prediction": {**describe(answer, self.documents), "display": display}}

    async def inline_completion(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """`textDocument/inlineCompletion`: what can be shown in the row of the cursor.

        Nothing in the modes `subtle` and `manual` unless the user has asked for it.
        """
        if self._is_unwanted(params, "subtle", "manual"):
            return None
        answer = await self.predict(params)
        if isinstance(answer, Discarded):
            return None
        if answer.document is not self._document(params):
            self.session.counts.add("not_in_cursor_row")
            return None
        before = answer.before
        span, text = answer.single_edit()
        cursor = self.documents.offset(before, params["position"])
        # The item must cover the cursor and stay in its row: what lies between belongs to it.
        start, end = min(span.start, cursor), max(span.end, cursor)
        row = before.point(cursor).row
        if before.point(start).row != row or before.point(end).row != row:
            self.session.counts.add("not_in_cursor_row")
            return None
        text = before.slice(Span(start, span.start)) + text + before.slice(Span(span.end, end))
        item = {
            "insertText": text,
            "range": self.documents.range(before, Span(start, end)),
            "command": self._accept_command(answer),
        }
        self.made.show(answer)
        return {"items": [item]}

    async def copilot_inline_edit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`textDocument/copilotInlineEdit`: the prediction as the one alternative.

        Nothing in the modes `subtle` and `manual` unless the user has asked for it.
        """
        if self._is_unwanted(params, "subtle", "manual"):
            return {"edits": []}
        answer = await self.predict(params)
        if isinstance(answer, Discarded) or answer.document is not self._document(params):
            return {"edits": []}
        span, text = answer.single_edit()
        edit = {
            "text": text,
            "range": self.documents.range(answer.before, span),
            "textDocument": {
                "uri": answer.document.uri,
                "version": answer.prediction.version,
            },
            "command": self._accept_command(answer),
        }
        return {"edits": [edit]}

    async def code_actions(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """`textDocument/codeAction`: apply the prediction, or go where it is.

        That there are any is the hint of the mode `subtle`; in `manual` there are none for the
        editor's own light bulb.
        """
        only = params.get("context", {}).get("only") if isinstance(params, Mapping) else None
        if isinstance(only, list) and not any(_includes(kind, ACTION_KIND) for kind in only):
            return []
        if self._is_unwanted(params, "manual"):
            return []
        answer = await self.predict(params)
        if not isinstance(answer, Discarded):
            return self.actions(answer)
        return [] if answer.jump is None else [self._jump_action(answer.jump)]

    def actions(self, made: Made) -> list[dict[str, Any]]:
        """A prediction as code actions."""
        described = describe(made, self.documents)
        place = described["jump"]
        edits, target = described["edits"], described["textDocument"]
        edit: dict[str, Any] = {"changes": {target["uri"]: edits}}
        if self.has_document_changes:
            edit = {"documentChanges": [{"textDocument": target, "edits": edits}]}
        return [
            {
                "title": f"Apply predicted edit in line {place['line'] + 1}",
                "kind": ACTION_KIND,
                "edit": edit,
                "command": self._accept_command(made),
            },
            self._go_to(f"line {place['line'] + 1}", made.id),
        ]

    def _jump_action(self, jump: Jump) -> dict[str, Any]:
        place = self.jumps.describe(jump)["position"]
        return self._go_to(f"{jump.path}:{place['line'] + 1}", jump.id)

    def _go_to(self, place: str, target_id: str) -> dict[str, Any]:
        return {
            "title": f"Go to predicted edit in {place}",
            "kind": ACTION_KIND,
            "command": {
                "title": "Go to predicted edit",
                "command": self._commands.jump,
                "arguments": [target_id],
            },
        }

    def execute_command(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """`workspace/executeCommand` of ours; what it gives is `window/showDocument` to send."""
        prediction_id = _first_argument(params)
        command = params.get("command")
        if command == self._commands.accept:
            self._accept(prediction_id, is_partial=False)
        elif command == self._commands.reject:
            self._reject(prediction_id, "rejected")
        elif command == self._commands.jump and (made := self.made.get(prediction_id)) is not None:
            start = made.prediction.edits[0].span.start
            return self._showing(made.document.uri, made.before, start)
        elif command == self._commands.jump and (jump := self.jumps.get(prediction_id)) is not None:
            return self._showing(self.jumps.uri(jump), jump.text, jump.offset)
        return None

    def _showing(self, uri: str, text: TextSnapshot, offset: int) -> dict[str, Any]:
        selection = self.documents.range(text, Span(offset, offset))
        return {"uri": uri, "takeFocus": True, "selection": selection}

    async def state(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """`zeta/state`: the state of the editor at a place, None for an unknown document."""
        document = self._document(params)
        state = self.documents.state(document) if document is not None else None
        if document is None or state is None:
            return None
        position = params.get("position") or self.cursor(document) or {"line": 0, "character": 0}
        offset = self.documents.offset(state.snapshot, position)
        made = self.made.standing(document)
        prediction = made.prediction if made is not None else None
        return describe_state(self.session, document.address, offset, prediction)

    def status(self) -> dict[str, Any]:
        """`zeta/status`: what has happened so far; names, counts and places, never text."""
        counts, told = self.session.counts, self.session.status()
        return {
            "protocol": PROTOCOL_VERSION,
            "pid": os.getpid(),
            "encoding": self.documents.encoding,
            "documents": len(list(self.documents)),
            "environment": dict(self.environment),
            **{key: told[key] for key in ("latency_ms", "rates", "memory_mb")},
            "counts": counts.totals(),
            "recent": [
                {"at": one.at, "reason": one.name, "place": one.place} for one in counts.recent()
            ],
        }

    @property
    def _mode(self) -> Mode:
        return self.session.settings.predict.gating.mode

    def _is_unwanted(self, params: Mapping[str, Any], *modes: Mode) -> bool:
        """Whether the editor asks of itself, in a mode in which the user wants to ask."""
        context = params.get("context")
        kind = context.get("triggerKind") if isinstance(context, Mapping) else None
        if kind != _AUTOMATIC or self._mode not in modes:
            return False
        self.session.counts.add(f"{self._mode}_mode")
        return True

    def _accept_command(self, made: Made) -> dict[str, Any]:
        return {
            "title": "Accept predicted edit",
            "command": self._commands.accept,
            "arguments": [made.id],
        }

    def _document(self, params: Mapping[str, Any]) -> EditorDocument | None:
        target = params.get("textDocument")
        uri = target.get("uri") if isinstance(target, Mapping) else None
        return self.documents.find(uri) if isinstance(uri, str) else None


def _busy(params: Mapping[str, Any]) -> tuple[BusyState, ...]:
    """What the editor says that its user is in the middle of; other words mean nothing."""
    told = params.get("busy")
    if not isinstance(told, list):
        return ()
    return tuple(state for state in get_args(BusyState) if state in told)


def _first_argument(command: Any) -> object:
    arguments = command.get("arguments") if isinstance(command, Mapping) else None
    return arguments[0] if isinstance(arguments, list) and arguments else None


def _includes(kind: object, action: str) -> bool:
    return isinstance(kind, str) and (not kind or action == kind or action.startswith(kind + "."))
