"""Runs our requests: one task each, cancelled by the editor or by a newer request of its kind.

Knows JSON-RPC and `Features`, no transport: every request comes with a function for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from zeta_context.errors import ZetaError
from zeta_context.server.features import Features

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603
REQUEST_CANCELLED = -32800

Answer = Callable[[dict[str, Any]], None]
"""Takes `{"result": ...}` or `{"error": {"code": ..., "message": ...}}`."""

DEADLINE_S = 20.0
_TOLD = frozenset({"zeta/didShow", "zeta/didAccept", "zeta/didReject"})


class Dispatcher:
    """The requests of one editor that are under way; belongs to one event loop."""

    def __init__(
        self,
        features: Features,
        *,
        show_document: Callable[[dict[str, Any]], None],
        status: Callable[[], dict[str, Any]],
    ) -> None:
        self._features = features
        self._show_document = show_document
        self._status = status
        self._running: dict[object, asyncio.Task[None]] = {}
        self._newest: dict[tuple[str, object], object] = {}
        self._methods: dict[str, Callable[[Mapping[str, Any]], Awaitable[Any]]] = {
            "zeta/predict": features.zeta_predict,
            "textDocument/inlineCompletion": features.inline_completion,
            "textDocument/copilotInlineEdit": features.copilot_inline_edit,
            "textDocument/codeAction": features.code_actions,
        }

    def take_request(self, message: Mapping[str, Any], answer: Answer) -> None:
        """Start on a request; its answer comes through `answer`, exactly once."""
        method, params, request_id = message["method"], message.get("params"), message.get("id")
        if method in self._methods:
            if not isinstance(params, Mapping):
                answer({"error": {"code": INVALID_PARAMS, "message": "params must be an object"}})
                return
            self._replace_older(method, params, request_id)
            run = self._run(lambda: self._methods[method](params), answer)
            task = asyncio.create_task(run, name=method)
            self._running[request_id] = task
            task.add_done_callback(lambda _: self._finish(request_id, task, answer))
            return
        if method in _TOLD:
            self._features.take_notification(method, params)
            answer({"result": None})
        elif method == "zeta/status":
            answer({"result": self._status()})
        elif method == "workspace/executeCommand" and isinstance(params, Mapping):
            shown = self._features.execute_command(params)
            if shown is not None:
                self._show_document(shown)
            answer({"result": None})
        else:
            answer({"error": {"code": METHOD_NOT_FOUND, "message": f"no method {method[:100]}"}})

    def cancel(self, params: Any) -> None:
        """`$/cancelRequest`."""
        request_id = params.get("id") if isinstance(params, Mapping) else None
        task = self._running.get(request_id) if isinstance(request_id, int | str) else None
        if task is not None:
            task.cancel()

    def cancel_all(self) -> None:
        """The editor is gone."""
        for task in list(self._running.values()):
            task.cancel()

    def _replace_older(self, method: str, params: Mapping[str, Any], request_id: object) -> None:
        target = params.get("textDocument")
        uri = target.get("uri") if isinstance(target, Mapping) else None
        key = (method, uri if isinstance(uri, str) else None)
        older = self._running.get(self._newest.get(key))
        if older is not None and method != "textDocument/codeAction":
            self._features.session.counts.add("canceled")
            older.cancel()
        self._newest[key] = request_id

    def _finish(self, request_id: object, task: asyncio.Task[None], answer: Answer) -> None:
        if self._running.get(request_id) is task:
            del self._running[request_id]
        if task.cancelled():
            # Also of one that was cancelled before it began.
            answer({"error": {"code": REQUEST_CANCELLED, "message": "cancelled"}})

    async def _run(self, work: Callable[[], Awaitable[Any]], answer: Answer) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                result = await work()
        except TimeoutError:
            self._features.session.counts.note("predict_timeout")
            answer({"result": None})
        except (KeyError, TypeError, ValueError, AttributeError):
            answer({"error": {"code": INVALID_PARAMS, "message": "params are not understood"}})
        except ZetaError as error:
            self._features.session.counts.note(f"predict_{type(error).__name__.lower()}")
            answer({"result": None})
        except Exception as error:
            self._features.session.counts.note(f"fault_{type(error).__name__}")
            answer({"error": {"code": INTERNAL_ERROR, "message": "the request failed"}})
        else:
            answer({"result": result})
