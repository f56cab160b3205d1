"""Our methods as one pygls feature set: asked, replaced by newer ones, cancelled, answered in time.

Shared by the proxy's worker and by `serve`. Params stay the JSON that they are: types would lose
what they do not know. Knows nothing of streams: each request brings the way for its answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cattrs import Converter
from lsprotocol.types import CancelParams
from pygls.exceptions import JsonRpcException
from pygls.protocol import JsonRPCNotification, JsonRPCProtocol, JsonRPCRequestMessage
from pygls.server import JsonRPCServer

from zeta_context.errors import ZetaError
from zeta_context.lsp.rpc import INTERNAL_ERROR, INVALID_PARAMS
from zeta_context.server.features import Features

# pygls logs whole messages, which hold the user's text.
logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)

Answer = Callable[[bytes], None]
"""Takes the body of a response."""

Params = Mapping[str, Any]

DEADLINE_S = 20.0
_TOLD = ("zeta/didShow", "zeta/didAccept", "zeta/didReject")
_NOT_UNDERSTOOD = "params are not understood"


class FeatureSet:
    """The requests of one editor that are under way; belongs to one event loop."""

    def __init__(
        self,
        features: Features,
        *,
        show_document: Callable[[dict[str, Any]], None],
        status: Callable[[], dict[str, Any]],
    ) -> None:
        self._features = features
        self._counts = features.session.counts
        self._show_document = show_document
        self._answers: dict[object, Answer] = {}
        self._newest: dict[tuple[str, object], object] = {}
        self._server = JsonRPCServer(JsonRPCProtocol, Converter)
        self._server.protocol.set_writer(self, include_headers=False)
        self._serve("zeta/predict", features.zeta_predict, is_replaced=True)
        self._serve("textDocument/inlineCompletion", features.inline_completion, is_replaced=True)
        self._serve(
            "textDocument/copilotInlineEdit", features.copilot_inline_edit, is_replaced=True
        )
        self._serve("textDocument/codeAction", features.code_actions)
        self._serve("zeta/state", features.state)
        self._server.feature("zeta/status")(lambda params: status())
        self._serve("workspace/executeCommand", self._run_command)
        for method in _TOLD:
            self._server.feature(method)(self._telling(method))

    def take_request(self, message: Mapping[str, Any], answer: Answer) -> None:
        """Start on a request; the body of its response comes through `answer`, exactly once."""
        request_id = message.get("id")
        self._answers[request_id] = answer
        self._server.protocol.handle_message(
            JsonRPCRequestMessage(
                id=request_id,  # type: ignore[arg-type]
                method=message["method"],
                jsonrpc=JsonRPCProtocol.VERSION,
                params=message.get("params"),
            )
        )

    def cancel(self, params: Any) -> None:
        """`$/cancelRequest`."""
        request_id = params.get("id") if isinstance(params, Mapping) else None
        if isinstance(request_id, int | str) and request_id in self._answers:
            self._cancel(request_id)

    def cancel_all(self) -> None:
        """The editor is gone."""
        for request_id in list(self._answers):
            self._cancel(request_id)

    def _cancel(self, request_id: object) -> None:
        self._server.protocol.handle_message(
            JsonRPCNotification(
                method="$/cancelRequest",
                jsonrpc=JsonRPCProtocol.VERSION,
                params=CancelParams(id=request_id),  # type: ignore[arg-type]
            )
        )

    # What pygls writes to.

    def write(self, body: bytes) -> None:
        """A response, as pygls has made it."""
        answer = self._answers.pop(json.loads(body)["id"], None)
        if answer is not None:
            answer(body)

    def close(self) -> None:
        """Nothing: the streams are the callers'."""

    # The features.

    def _serve(
        self, method: str, work: Callable[[Params], Awaitable[Any]], *, is_replaced: bool = False
    ) -> None:
        async def feature(params: Any) -> Any:
            if not isinstance(params, Mapping):
                raise JsonRpcException("params must be an object", INVALID_PARAMS)
            if is_replaced:
                self._replace_older(method, params)
            return await self._run(work, params)

        self._server.feature(method)(feature)

    def _replace_older(self, method: str, params: Params) -> None:
        target = params.get("textDocument")
        uri = target.get("uri") if isinstance(target, Mapping) else None
        key = (method, uri if isinstance(uri, str) else None)
        older = self._newest.get(key)
        if older in self._answers:
            self._cancel(older)
        self._newest[key] = self._server.protocol.msg_id

    async def _run(self, work: Callable[[Params], Awaitable[Any]], params: Params) -> Any:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await work(params)
        except TimeoutError:
            self._counts.note("predict_timeout")
        except (KeyError, TypeError, ValueError, AttributeError):
            raise JsonRpcException(_NOT_UNDERSTOOD, INVALID_PARAMS) from None
        except ZetaError as error:
            self._counts.note(f"predict_{type(error).__name__.lower()}")
        except Exception as error:
            self._counts.note(f"fault_{type(error).__name__}")
            raise JsonRpcException("the request failed", INTERNAL_ERROR) from None
        return None

    def _telling(self, method: str) -> Callable[[Any], None]:
        return lambda params: self._features.take_notification(method, params)

    async def _run_command(self, params: Params) -> None:
        shown = self._features.execute_command(params)
        if shown is not None:
            self._show_document(shown)
