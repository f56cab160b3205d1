"""`zeta-context acp` with the protocol's own Python SDK as the client."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

acp = pytest.importorskip("acp", reason="the extra `acp` is not installed")
schema = acp.schema

COMMAND = str(Path(sys.executable).with_name("zeta-context"))
TEXT = "logger.warn('𝒳 1')\nlogger.warn('𝒳 2')\nlogger.warn('𝒳 3')\nlogger.warn('𝒳 4')\n"


class Client:
    """A client's text, and its requests, each checked against the SDK's schema."""

    def __init__(self, connection: Any, root: Path) -> None:
        self.connection = connection
        self.uri = (root / "main.py").as_uri()
        self.session = ""
        self.version = 0

    async def begin(self, root: Path, **nes: Any) -> Any:
        capabilities = {"nes": nes, "positionEncodings": ["utf-8", "utf-16"]}
        hello = schema.InitializeRequest.model_validate(
            {"protocolVersion": 1, "clientCapabilities": capabilities}
        )
        answer = await self.request("initialize", hello, schema.InitializeResponse)
        start = schema.StartNesRequest(workspace_uri=root.as_uri())
        self.session = (await self.request("nes/start", start, schema.StartNesResponse)).session_id
        opened = schema.DidOpenDocumentNotification(
            session_id=self.session, uri=self.uri, language_id="python", version=0, text=TEXT
        )
        await self.tell("document/didOpen", opened)
        return answer

    async def request(self, method: str, params: Any, result: Any) -> Any:
        sent = params.model_dump(by_alias=True, exclude_none=True)
        return result.model_validate(await self.connection.send_request(method, sent))

    async def tell(self, method: str, params: Any) -> None:
        sent = params.model_dump(by_alias=True, exclude_none=True)
        await self.connection.send_notification(method, sent)

    async def replace(self, row: int, start: int, end: int, text: str) -> None:
        self.version += 1
        ends = [{"line": row, "character": column} for column in (start, end)]
        change = {"range": {"start": ends[0], "end": ends[1]}, "text": text}
        changed = schema.DidChangeDocumentNotification.model_validate(
            {
                "sessionId": self.session,
                "uri": self.uri,
                "version": self.version,
                "contentChanges": [change],
            }
        )
        await self.tell("document/didChange", changed)

    async def suggest(self, row: int, version: int | None = None) -> list[Any]:
        asked = schema.SuggestNesRequest.model_validate(
            {
                "sessionId": self.session,
                "uri": self.uri,
                "version": self.version if version is None else version,
                "position": {"line": row, "character": 8},
                "triggerKind": "manual",
            }
        )
        answer = await self.request("nes/suggest", asked, schema.SuggestNesResponse)
        suggestions: list[Any] = answer.suggestions
        return suggestions


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async def handle(method: str, params: Any, is_notification: bool) -> Any:
        raise AssertionError(f"the agent asked for {method}")

    arguments = (COMMAND, "acp", "--unstable")
    async with acp.stdio.spawn_stdio_connection(handle, *arguments) as (connection, process):
        yield Client(connection, tmp_path)
    assert process.returncode == 0


async def test_it_says_what_it_can_and_suggests_what_was_begun(
    client: Client, tmp_path: Path
) -> None:
    hello = await client.begin(tmp_path)
    assert hello.agent_capabilities.position_encoding == "utf-8"
    assert hello.agent_capabilities.nes.events.document.did_change.sync_kind == "incremental"
    for row in (0, 1):
        await client.replace(row, 7, 11, "warning")
    (suggestion,) = await client.suggest(2)
    assert suggestion.kind == "edit"
    assert suggestion.edits[0].new_text == "warning"
    assert suggestion.edits[0].range.start.line == 2
    assert suggestion.cursor_position.character == len("logger.warning")
    accepted = schema.AcceptNesNotification(session_id=client.session, id=suggestion.id)
    for edit in reversed(suggestion.edits):
        await client.replace(
            edit.range.start.line, edit.range.start.character, edit.range.end.character, "warning"
        )
    await client.tell("nes/accept", accepted)
    assert await client.suggest(2, version=0) == []


async def test_a_client_that_can_jump_is_told_where_to_go_first(
    client: Client, tmp_path: Path
) -> None:
    await client.begin(tmp_path, jump={})
    for row in (0, 1):
        await client.replace(row, 7, 11, "warning")
    (jump,) = await client.suggest(0)
    assert (jump.kind, jump.position.line) == ("jump", 2)
    (edit,) = await client.suggest(2)
    assert edit.kind == "edit"
    rejected = schema.RejectNesNotification(
        session_id=client.session, id=edit.id, reason="rejected"
    )
    await client.tell("nes/reject", rejected)
    left = await client.suggest(2)
    assert not left or left[0].edits[0].range.start.line != 2
    closed = schema.CloseNesRequest(session_id=client.session)
    await client.request("nes/close", closed, schema.CloseNesResponse)
    with pytest.raises(acp.RequestError):
        await client.suggest(2)


async def test_without_the_flag_it_tells_that_the_protocol_is_unstable() -> None:
    from click.testing import CliRunner

    from zeta_context.cli.acp import command

    done = CliRunner().invoke(command, [])
    assert done.exit_code == 2
    assert "--unstable" in done.output
