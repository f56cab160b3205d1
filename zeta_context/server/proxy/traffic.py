"""Which messages pass, which are copied to the worker, which are ours, which are added to.

Knows methods and ids, no streams and no processes: it calls an `Outlets`. All of the proxy's
policy about foreign traffic is here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Protocol

from zeta_context.errors import FramingError
from zeta_context.lsp.wire import encode_frame
from zeta_context.server.proxy import link
from zeta_context.server.proxy.envelope import Envelope, find_member
from zeta_context.server.proxy.rewrite import (
    FrontEnds,
    ServerFacts,
    add_capabilities,
    add_code_actions,
    encode_json,
)
from zeta_context.server.proxy.shadows import MARK, Shadows
from zeta_context.server.proxy.stream import Treatment
from zeta_context.server.proxy.workers import Keep

OWN_PREFIX = "zeta/"
ENVIRONMENT = "zeta/didChangeEnvironment"
INLINE_COMPLETION = "textDocument/inlineCompletion"
CODE_ACTION = "textDocument/codeAction"
PUBLISH_DIAGNOSTICS = "textDocument/publishDiagnostics"
COPILOT_METHODS = frozenset(
    {"textDocument/copilotInlineEdit", "textDocument/didShowInlineEdit", "textDocument/didFocus"}
)
DOCUMENT_SYNC = frozenset(
    {
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didClose",
        "workspace/didChangeWorkspaceFolders",
    }
)
"""What a worker that starts late must be told: kept until its next checkpoint."""

REGISTRATIONS = frozenset({"client/registerCapability", "client/unregisterCapability"})
HANDSHAKE = frozenset({"initialize", "initialized"}) | REGISTRATIONS
"""What every new worker must be told."""

_OBSERVED_FROM_CLIENT = DOCUMENT_SYNC | HANDSHAKE | {"textDocument/didSave", "shutdown", "exit"}
_OBSERVED_FROM_SERVER = frozenset({"$/progress"}) | REGISTRATIONS
_MAY_NAME_SHADOWS = frozenset(
    {PUBLISH_DIAGNOSTICS, "window/logMessage", "window/showMessage", "$/logTrace"}
)
_MAX_HINT_BYTES = 16 * 1024
_MAX_DIAGNOSTICS_BYTES = 1024 * 1024
_MAX_COPIED_DIAGNOSTICS_BYTES = 64 * 1024
_MAX_ACTION_REQUEST_BYTES = 256 * 1024
_MAX_REMEMBERED = 1000


class Outlets(Protocol):
    """Where traffic goes."""

    def forward_to_client(self, data: bytes) -> None:
        """Bytes of the server's stream."""

    def forward_to_server(self, data: bytes) -> None:
        """Bytes of the editor's stream."""

    def send_to_client(self, frame: bytes) -> None:
        """A message of ours, to be put between two of the server's."""

    def send_to_worker(self, kind: bytes, body: bytes, keep: Keep = "no") -> bool:
        """Hand a copy over; False when no worker is there to take it."""

    def start_worker(self) -> None:
        """The handshake is through: from now on there is something to observe."""


class Traffic:
    """The state that both directions share, and the two receivers."""

    def __init__(
        self,
        outlets: Outlets,
        *,
        id_prefix: str,
        front_ends: FrontEnds,
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.outlets = outlets
        self.front_ends = front_ends
        self.count = count
        self.clock = clock
        self.own_id_start = b'"' + id_prefix.encode()
        self.initialize_id: bytes | None = None
        self.client_has_inline_completion = False
        self.server = ServerFacts()
        self.outstanding: dict[bytes, tuple[str, float]] = {}
        self.awaited_actions: dict[bytes, str] = {}
        self.offers: dict[str, bytes] = {}
        self.shadows = Shadows(outlets.forward_to_server, count, clock)
        self.from_client = FromClient(self)
        self.from_server = FromServer(self)

    def is_own_method(self, method: str) -> bool:
        """Whether a method of the editor is for us and the server must not see it."""
        if method.startswith(OWN_PREFIX):
            return True
        if method == INLINE_COMPLETION:
            return not self.server.has_inline_completion
        if method in COPILOT_METHODS:
            return not self.server.is_copilot
        return (
            method == CODE_ACTION
            and self.front_ends.has_code_actions
            and not self.server.has_code_actions
        )

    def take_request(self, method: str, request_id: bytes | None, body: bytes) -> None:
        """Hand a message of ours to the worker; without one, a request is answered at once."""
        if request_id is None:
            keep: Keep = "sync" if method == ENVIRONMENT else "no"
            self.outlets.send_to_worker(link.FROM_CLIENT, body, keep)
            return
        if self.outlets.send_to_worker(link.REQUEST, body):
            self.outstanding[request_id] = (method, self.clock())
        else:
            self._answer_empty(method, request_id)

    def answer(self, request_id: bytes, body: bytes) -> None:
        """The worker's answer; one that comes after the request was given up is dropped."""
        if self.outstanding.pop(request_id, None) is None:
            self.count("late_answer")
            return
        self.outlets.send_to_client(encode_frame(body))

    def give_up_requests(self) -> None:
        """Answer all that the worker owes, because it will not."""
        for request_id, (method, _) in list(self.outstanding.items()):
            self._answer_empty(method, request_id)
        self.outstanding.clear()

    def oldest_request_age(self) -> float:
        """Seconds that the worker has owed its oldest answer."""
        if not self.outstanding:
            return 0.0
        return self.clock() - next(iter(self.outstanding.values()))[1]

    def _answer_empty(self, method: str, request_id: bytes) -> None:
        self.count("answered_without_worker")
        result = b'{"reason":"worker_unavailable"}' if method.startswith(OWN_PREFIX) else b"null"
        body = b'{"jsonrpc":"2.0","id":' + request_id + b',"result":' + result + b"}"
        self.outlets.send_to_client(encode_frame(body))


class FromClient:
    """Receives the editor's messages."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def decide(self, envelope: Envelope, size: int) -> Treatment:
        method = envelope.method
        if method is None:
            is_ours = (envelope.id or b"").startswith(self._traffic.own_id_start)
            return "hold" if is_ours else "pass"
        if not self._traffic.is_own_method(method) and self._traffic.shadows.make_way(method):
            self._traffic.outlets.send_to_worker(link.SHADOWS_CLOSED, b"")
        if method in _OBSERVED_FROM_CLIENT:
            return "copy"
        if method in ("$/cancelRequest", "workspace/executeCommand"):
            return "hold"
        if self._traffic.is_own_method(method):
            return "hold"
        if method == CODE_ACTION and self._traffic.front_ends.has_code_actions:
            return "copy" if size <= _MAX_ACTION_REQUEST_BYTES else "pass"
        # Requests at a position tell where the cursor is.
        is_hint = method.startswith("textDocument/") and size <= _MAX_HINT_BYTES
        return "copy" if is_hint else "pass"

    def forward(self, data: bytes) -> None:
        self._traffic.outlets.forward_to_server(data)

    def take_copy(self, envelope: Envelope, body: bytes) -> None:
        traffic, method = self._traffic, envelope.method
        if method == "initialize":
            traffic.initialize_id = _id_of(envelope, body)
            traffic.client_has_inline_completion = _declares_inline_completion(body)
        elif method == "textDocument/didChange":
            traffic.offers.clear()
        elif method == CODE_ACTION:
            request_id, uri = _id_of(envelope, body), _uri_of(body)
            if request_id and uri and len(traffic.awaited_actions) < _MAX_REMEMBERED:
                traffic.awaited_actions[request_id] = uri
        keep: Keep = "no"
        if method in DOCUMENT_SYNC:
            keep = "sync"
        elif method in HANDSHAKE:
            keep = "handshake"
        traffic.outlets.send_to_worker(link.FROM_CLIENT, body, keep)

    def take_held(self, envelope: Envelope, raw: bytes, body_offset: int) -> None:
        traffic, method, body = self._traffic, envelope.method, raw[body_offset:]
        if method is None:
            traffic.outlets.send_to_worker(link.FROM_CLIENT, body)
        elif method == "$/cancelRequest":
            if _cancelled_id(body) in traffic.outstanding:
                traffic.outlets.send_to_worker(link.FROM_CLIENT, body)
            else:
                self.forward(raw)
        elif method == "workspace/executeCommand" and not self._is_own_command(body):
            self.forward(raw)
        else:
            if method == "workspace/executeCommand":
                traffic.shadows.note_answer()  # the server does not get it
            traffic.take_request(method, _id_of(envelope, body), body)

    def lose_framing(self, error: FramingError) -> None:
        self._traffic.count("client_framing_lost")

    def note_failure(self, error: Exception) -> None:
        self._traffic.count("client_message_misread")

    def _is_own_command(self, body: bytes) -> bool:
        commands = self._traffic.front_ends.commands
        if not any(name.encode() in body for name in commands):
            return False
        try:
            return json.loads(body)["params"]["command"] in commands
        except (ValueError, KeyError, TypeError, RecursionError):
            return False


class FromServer:
    """Receives the server's messages."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def decide(self, envelope: Envelope, size: int) -> Treatment:
        traffic, method = self._traffic, envelope.method
        if method is None:
            token = envelope.id or b""
            is_stopped = (
                (token == traffic.initialize_id and token != b"")
                or token in traffic.awaited_actions
                or token.startswith(traffic.own_id_start)
            )
            if not token.startswith(traffic.own_id_start):
                traffic.shadows.note_answer()
            return "hold" if is_stopped else "pass"
        if traffic.shadows.was_any and method in _MAY_NAME_SHADOWS:
            return "hold"
        if method == PUBLISH_DIAGNOSTICS:
            return "copy" if size <= _MAX_COPIED_DIAGNOSTICS_BYTES else "pass"
        return "copy" if method in _OBSERVED_FROM_SERVER else "pass"

    def forward(self, data: bytes) -> None:
        self._traffic.outlets.forward_to_client(data)

    def take_copy(self, envelope: Envelope, body: bytes) -> None:
        keep: Keep = "handshake" if envelope.method in HANDSHAKE else "no"
        self._traffic.outlets.send_to_worker(link.FROM_SERVER, body, keep)

    def take_held(self, envelope: Envelope, raw: bytes, body_offset: int) -> None:
        traffic, token, body = self._traffic, envelope.id or b"", raw[body_offset:]
        if envelope.method == PUBLISH_DIAGNOSTICS:
            self._take_diagnostics(raw, body)
        elif envelope.method is not None:
            if not MARK.search(body):
                self.forward(raw)
        elif token == traffic.initialize_id:
            traffic.initialize_id = None
            traffic.outlets.send_to_worker(link.FROM_SERVER, body, "handshake")
            changed, traffic.server = add_capabilities(
                body,
                offered=traffic.front_ends,
                client_has_inline_completion=traffic.client_has_inline_completion,
            )
            self.forward(raw if changed is body else encode_frame(changed))
            traffic.outlets.start_worker()
        elif token in traffic.awaited_actions:
            uri = traffic.awaited_actions.pop(token)
            changed = add_code_actions(body, traffic.offers.get(uri, b""))
            self.forward(raw if changed is body else encode_frame(changed))
        else:
            traffic.outlets.send_to_worker(link.FROM_SERVER, body)

    def _take_diagnostics(self, raw: bytes, body: bytes) -> None:
        place = find_member(body, "params")
        params = body[place[0] : place[1]] if place is not None else b""
        inner = find_member(params, "uri")
        is_shadow = inner is not None and MARK.search(params, *inner) is not None
        if not is_shadow:
            self.forward(raw)
        limit = _MAX_DIAGNOSTICS_BYTES if is_shadow else _MAX_COPIED_DIAGNOSTICS_BYTES
        if len(body) <= limit:
            self._traffic.outlets.send_to_worker(link.FROM_SERVER, body)

    def lose_framing(self, error: FramingError) -> None:
        self._traffic.count("server_framing_lost")

    def note_failure(self, error: Exception) -> None:
        self._traffic.count("server_message_misread")


def encode_actions(actions: object) -> bytes:
    """A JSON array of code actions as `add_code_actions` takes it: without its brackets."""
    return encode_json(actions)[1:-1] if isinstance(actions, list) else b""


def _declares_inline_completion(body: bytes) -> bool:
    if b"inlineCompletion" not in body:
        return False
    try:
        capabilities = json.loads(body)["params"]["capabilities"]
        return capabilities["textDocument"]["inlineCompletion"] is not None
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _id_of(envelope: Envelope, body: bytes) -> bytes | None:
    """The id of a request, which may stand behind its params: Lua tables have no order."""
    if envelope.id is not None:
        return envelope.id
    place = find_member(body, "id")
    return body[place[0] : place[1]] if place is not None else None


def _uri_of(body: bytes) -> str | None:
    try:
        uri = json.loads(body)["params"]["textDocument"]["uri"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return uri if isinstance(uri, str) else None


def _cancelled_id(body: bytes) -> bytes | None:
    place = find_member(body, "params")
    if place is None:
        return None
    params = body[place[0] : place[1]]
    inner = find_member(params, "id")
    return params[inner[0] : inner[1]] if inner else None
