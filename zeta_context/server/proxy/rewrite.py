"""The two kinds of foreign message that the proxy changes, and how.

Adds to the `initialize` result and to `codeAction` answers, takes nothing away. Knows nothing of
streams. What cannot be understood is left as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from zeta_context.server.proxy.envelope import find_member
from zeta_context.server.version import describe_protocol

MAX_ACTIONS_BYTES = 256 * 1024
"""A longer list of code actions is passed on without ours."""


class FrontEnds(NamedTuple):
    """What is offered to the editor besides what the server offers."""

    commands: tuple[str, ...] = ()
    has_code_actions: bool = False
    update: str = ""


class ServerFacts(NamedTuple):
    """What the `initialize` result says about the server behind, before ours is added."""

    has_inline_completion: bool = False
    has_code_actions: bool = False
    is_copilot: bool = False


def add_capabilities(
    body: bytes, *, offered: FrontEnds, client_has_inline_completion: bool
) -> tuple[bytes, ServerFacts]:
    """The `initialize` answer with our capabilities, and what the server's own were."""
    try:
        message = json.loads(body)
        result = message["result"]
        capabilities = result["capabilities"]
        if not isinstance(capabilities, dict):
            return body, ServerFacts()
    except (ValueError, KeyError, TypeError, RecursionError):
        return body, ServerFacts()
    info = result.get("serverInfo")
    name = info.get("name") if isinstance(info, dict) else None
    facts = ServerFacts(
        has_inline_completion=_is_offered(capabilities.get("inlineCompletionProvider")),
        has_code_actions=_is_offered(capabilities.get("codeActionProvider")),
        is_copilot=isinstance(name, str) and "copilot" in name.lower(),
    )
    if client_has_inline_completion and not facts.has_inline_completion:
        capabilities["inlineCompletionProvider"] = True
    if offered.commands:
        _add_commands(capabilities, offered.commands)
    if offered.has_code_actions and not facts.has_code_actions:
        capabilities["codeActionProvider"] = True
    experimental = capabilities.get("experimental")
    if experimental is None:
        experimental = capabilities["experimental"] = {}
    if isinstance(experimental, dict):
        experimental["zetaContext"] = describe_protocol(offered.commands, offered.update)
    return encode_json(message), facts


def _is_offered(provider: object) -> bool:
    # An empty object is a provider with no options.
    return provider is not None and provider is not False


def _add_commands(capabilities: dict[str, Any], commands: tuple[str, ...]) -> None:
    provider = capabilities.get("executeCommandProvider")
    if not isinstance(provider, dict):
        provider = capabilities["executeCommandProvider"] = {"commands": []}
    known = provider.get("commands")
    known = known if isinstance(known, list) else []
    provider["commands"] = [*known, *(name for name in commands if name not in known)]


def add_code_actions(body: bytes, actions: bytes) -> bytes:
    """The answer with `actions` (JSON, without brackets) after the server's own.

    An error answer, and a list longer than `MAX_ACTIONS_BYTES`, stay as they are.
    """
    if not actions or len(body) > MAX_ACTIONS_BYTES:
        return body
    place = find_member(body, "result")
    if place is None:
        return body
    start, end = place
    value = body[start:end]
    if value == b"null":
        return body[:start] + b"[" + actions + b"]" + body[end:]
    if value[:1] != b"[":
        return body
    comma = b"" if re.fullmatch(rb"\[[ \t\r\n]*\]", value) else b","
    return body[: end - 1] + comma + actions + body[end - 1 :]


def encode_json(value: object) -> bytes:
    """Compact JSON in UTF-8; a text with lone surrogates is escaped instead."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
