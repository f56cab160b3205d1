"""The language-server client against a scripted server that does right and wrong."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from zeta_context.errors import NotOpen, RequestTimeout, ResponseError, ServerGone
from zeta_context.lsp.client import MAX_RESTARTS, LanguageServer
from zeta_context.lsp.sync import MAX_VISITED
from zeta_context.lsp.uri import from_path
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

TEXT = "one\r\né𝒳 two\rthree\n"


def open_text(server: LanguageServer, path: Path, text: str = TEXT, version: int = 1) -> None:
    server.sync(path, language="toy", version=version, snapshot=TextSnapshot(text))


async def text_of(server: LanguageServer, path: Path) -> Any:
    return await server.ask("toy/text", {"uri": from_path(path)})


def place(uri: str, row: int, start: int, end: int) -> dict[str, Any]:
    span = {
        "start": {"line": row, "character": start},
        "end": {"line": row, "character": end},
    }
    return {"uri": uri, "range": span}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", None])
@pytest.mark.parametrize("sync", [1, 2])
async def test_the_servers_text_follows_every_edit(
    toy: Any, tmp_path: Path, encoding: str | None, sync: int
) -> None:
    server = toy(sync=sync, **({"encoding": encoding} if encoding else {}))
    await server.start()
    assert server.encoding == (encoding or "utf-16")
    path = tmp_path / "file.toy"
    open_text(server, path)
    snapshot = TextSnapshot(TEXT)
    edits = [
        (Span(4, 5), "\r"),  # inside of a CRLF
        (Span(0, 0), "𝒳é\r"),
        (Span(3, 4), ""),
        (Span(8, 10), "new\n\nrows"),
        (Span(0, 12), ""),
    ]
    for version, (span, new_text) in enumerate(edits, start=2):
        snapshot = snapshot.edit(span, new_text)
        server.sync(path, language="toy", version=version, snapshot=snapshot)
        assert await text_of(server, path) == snapshot.text


async def test_a_lone_surrogate_reaches_the_server_as_a_replacement(
    toy: Any, tmp_path: Path
) -> None:
    server = toy(encoding="utf-16")
    await server.start()
    open_text(server, tmp_path / "a", "a\ud800b")
    server.sync(tmp_path / "a", language="toy", version=2, snapshot=TextSnapshot("a\ud800bc"))
    assert await text_of(server, tmp_path / "a") == "a\ufffdbc"


async def test_documents_opened_before_the_start_are_told_afterwards(
    toy: Any, tmp_path: Path
) -> None:
    server = toy()
    open_text(server, tmp_path / "a", "early")
    await server.start()
    assert await text_of(server, tmp_path / "a") == "early"


async def test_locations_and_links_are_both_understood(toy: Any, tmp_path: Path) -> None:
    uri = from_path(tmp_path / "other file.toy")
    link = {
        "targetUri": uri,
        "targetRange": place(uri, 3, 0, 40)["range"],
        "targetSelectionRange": place(uri, 3, 4, 8)["range"],
    }
    broken = {"uri": uri}
    server = toy(
        answers={
            "textDocument/definition": [[link, place(uri, 1, 2, 3), broken, 7]],
            "textDocument/typeDefinition": [place(uri, 5, 0, 1)],
        }
    )
    await server.start()
    open_text(server, tmp_path / "a")
    first, second = await server.definition(tmp_path / "a", 0)
    assert (first.path, first.start, first.end) == (tmp_path / "other file.toy", (3, 4), (3, 8))
    assert (first.full_start_row, first.full_end_row) == (3, 3)
    assert (second.start, second.full_start_row) == ((1, 2), None)
    (only,) = await server.type_definition(tmp_path / "a", 0)
    assert only.start == (5, 0)
    assert await server.references(tmp_path / "a", 0) == ()


async def test_a_question_about_an_unknown_document_is_refused(toy: Any, tmp_path: Path) -> None:
    server = toy()
    await server.start()
    with pytest.raises(NotOpen):
        await server.definition(tmp_path / "never opened", 0)


async def test_a_server_without_the_capability_is_not_asked(toy: Any, tmp_path: Path) -> None:
    server = toy(
        capabilities={"definitionProvider": False, "typeDefinitionProvider": None},
        answers={"textDocument/definition": [place("file:///x", 0, 0, 1)]},
        ask=[
            [
                "client/registerCapability",
                {"registrations": [{"id": "r", "method": "textDocument/typeDefinition"}]},
            ]
        ],
    )
    await server.start()
    open_text(server, tmp_path / "a")
    assert await server.definition(tmp_path / "a", 0) == ()
    await server.ask("toy/heard", None)
    assert not server.supports("textDocument/definition")
    assert server.supports("textDocument/typeDefinition")


async def test_a_hanging_request_times_out_and_is_cancelled(toy: Any, tmp_path: Path) -> None:
    server = toy(hang=["textDocument/definition"])
    await server.start()
    open_text(server, tmp_path / "a")
    started = time.perf_counter()
    with pytest.raises(RequestTimeout):
        await server.definition(tmp_path / "a", 0, timeout_s=0.1)
    assert time.perf_counter() - started < 1
    heard = await server.ask("toy/heard", None)
    assert [method for method, _ in heard if method == "$/cancelRequest"]
    assert server.counts.total("lsp_timeout") == 1


async def test_a_cancelled_caller_cancels_the_request(toy: Any, tmp_path: Path) -> None:
    server = toy(hang=["textDocument/definition"])
    await server.start()
    open_text(server, tmp_path / "a")
    question = asyncio.create_task(server.definition(tmp_path / "a", 0))
    await asyncio.sleep(0.05)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    heard = await server.ask("toy/heard", None)
    assert [method for method, _ in heard] == ["$/cancelRequest"]


async def test_a_server_that_never_answers_initialize_is_given_up(toy: Any) -> None:
    server = toy(hang=["initialize"])
    with pytest.raises(RequestTimeout):
        await server.start(timeout_s=0.2)
    assert server.state == "crashed"


async def test_a_missing_command_says_what_to_install(tmp_path: Path) -> None:
    server = LanguageServer(
        [str(tmp_path / "no-such-server")], root=tmp_path, hint="to install it: pip install x"
    )
    with pytest.raises(ServerGone, match=r"cannot start no-such-server: .*pip install x"):
        await server.start()
    await server.close()


async def test_a_server_that_dies_fails_the_question_and_is_started_again(
    toy: Any, tmp_path: Path
) -> None:
    server = toy(die=["textDocument/definition"])
    await server.start()
    open_text(server, tmp_path / "a", "kept over the crash")
    with pytest.raises(ServerGone):
        await server.definition(tmp_path / "a", 0)
    assert server.counts.total("lsp_crashed") == 1
    with pytest.raises(ServerGone):  # at once, while the new one starts
        await server.type_definition(tmp_path / "a", 0)
    await server.start()
    assert await text_of(server, tmp_path / "a") == "kept over the crash"


async def test_a_server_that_keeps_dying_is_left_alone(tmp_path: Path) -> None:
    now = [1000.0]
    server = LanguageServer([str(tmp_path / "missing")], root=tmp_path, clock=lambda: now[0])
    for _ in range(MAX_RESTARTS + 4):
        now[0] += 20
        server.start_soon()
        await asyncio.sleep(0.02)
    assert server.counts.total("lsp_start_failed") == MAX_RESTARTS + 1
    now[0] += 1000
    server.start_soon()
    await asyncio.sleep(0.05)
    assert server.counts.total("lsp_start_failed") == MAX_RESTARTS + 2
    await server.close()


async def test_changed_content_is_asked_again_and_other_errors_are_not(
    toy: Any, tmp_path: Path
) -> None:
    server = toy(
        errors={
            "textDocument/definition": [-32801, -32802, -32801],
            "textDocument/typeDefinition": [-32603],
        },
        answers={"textDocument/definition": [place("file:///x/y", 0, 0, 1)]},
    )
    await server.start()
    open_text(server, tmp_path / "a")
    assert len(await server.definition(tmp_path / "a", 0)) == 1
    assert server.counts.total("lsp_retried") == 3
    with pytest.raises(ResponseError, match="-32603") as caught:
        await server.type_definition(tmp_path / "a", 0)
    assert "secret" not in str(caught.value)


async def test_content_that_never_settles_fails_within_the_timeout(
    toy: Any, tmp_path: Path
) -> None:
    server = toy(errors={"textDocument/definition": [-32801] * 100})
    await server.start()
    open_text(server, tmp_path / "a")
    started = time.perf_counter()
    with pytest.raises(ResponseError):
        await server.definition(tmp_path / "a", 0, timeout_s=0.3)
    assert time.perf_counter() - started < 1


async def test_the_servers_own_requests_are_answered(toy: Any, tmp_path: Path) -> None:
    settings = {"toy": {"analysis": {"mode": "strict"}}}
    items = {"items": [{"section": "toy.analysis"}, {"section": "toy.none"}, {}]}
    server = toy(
        settings,
        ask=[
            ["workspace/configuration", items],
            ["workspace/workspaceFolders", None],
            ["window/workDoneProgress/create", {"token": 1}],
            ["workspace/applyEdit", {"edit": {}}],
            ["window/showMessageRequest", {"type": 1, "message": "?", "actions": []}],
            ["workspace/diagnostic/refresh", None],
            ["toy/unknown", {}],
            ["workspace/configuration", {"malformed": True}],
        ],
    )
    await server.start()
    await server.ask("toy/anything", None)
    heard = {item["id"]: item for item in await server.ask("toy/heard", None)}
    assert heard["toy-0"]["result"] == [{"mode": "strict"}, None, settings]
    assert heard["toy-1"]["result"] == [{"uri": from_path(tmp_path), "name": tmp_path.name}]
    assert heard["toy-2"]["result"] is None
    assert heard["toy-3"]["result"]["applied"] is False
    assert heard["toy-4"]["result"] is None
    assert heard["toy-5"]["result"] is None
    assert heard["toy-6"]["error"]["code"] == -32601
    assert heard["toy-7"]["error"]["code"] == -32603


async def test_duplicate_unknown_and_text_ids_are_counted_not_believed(toy: Any) -> None:
    server = toy()
    await server.start()
    assert await server.ask("toy/twice", None) == 1
    assert await server.ask("toy/as-text", None) == "as text"
    assert server.counts.total("lsp_duplicate_answer") == 1
    assert server.counts.total("lsp_unknown_id") == 1


def framed(body: str) -> str:
    return f"Content-Length: {len(body)}\r\n\r\n{body}"


async def test_garbage_in_good_frames_is_counted_and_the_server_goes_on(toy: Any) -> None:
    bodies = ["{", "[]", '"text"', "{}", '{"id":1}', "[" * 100_000, '{"method":7}', "\xff\xfe"]
    server = toy(raw="".join(framed(body) for body in bodies))
    await server.start()
    with pytest.raises(RequestTimeout):
        await server.ask("toy/raw", None, timeout_s=0.3)
    assert server.counts.total("lsp_garbage") == len(bodies)
    assert await server.ask("toy/anything", None) is None


@pytest.mark.parametrize(
    "raw", ["no header at all\r\n\r\n", "Content-Length: -5\r\n\r\n", "Content-Length: x\r\n\r\n"]
)
async def test_a_broken_stream_ends_the_server_not_us(toy: Any, raw: str) -> None:
    server = toy(raw=raw)
    await server.start()
    with pytest.raises(ServerGone, match="no message"):
        await server.ask("toy/raw", None)
    assert server.state == "crashed"


async def test_progress_makes_it_busy_until_the_end(toy: Any) -> None:
    server = toy()
    await server.start()
    server.settling_s = 0.0
    assert not server.is_busy

    async def say(token: Any, kind: str) -> None:
        params = {"token": token, "value": {"kind": kind}}
        server.notify("toy/say", {"method": "$/progress", "params": params})
        await server.ask("toy/anything", None)

    await say("a", "end")
    assert not server.is_busy
    await say("a", "begin")
    await say(7, "begin")
    await say("a", "end")
    assert server.is_busy
    await say(7, "end")
    assert not server.is_busy


async def test_published_diagnostics_are_carried_to_the_text_of_now(
    toy: Any, tmp_path: Path
) -> None:
    server = toy(encoding="utf-16")
    await server.start()
    path = tmp_path / "a b.toy"
    text = "𝒳 wrong\nfine\n"
    open_text(server, path, text)
    uri = from_path(path).replace("%20", " ")  # as some servers spell it
    span = place(uri, 0, 3, 8)["range"]
    params = {
        "uri": uri,
        "diagnostics": [
            {"range": span, "message": "bad", "severity": 2, "source": "toy", "code": 12},
            {"message": "no range"},
            {"range": span, "message": "odd", "severity": 9},
        ],
    }
    server.notify("toy/say", {"method": "textDocument/publishDiagnostics", "params": params})
    first, second = await server.diagnostics(path, timeout_s=2)
    assert (first.severity, first.message, first.source, first.code) == (2, "bad", "toy", "12")
    assert text[first.span.start : first.span.end] == "wrong"
    assert second.severity == 1
    open_text(server, path, "# new\n" + text, version=2)
    moved = server.known_diagnostics(path)[0].span
    assert ("# new\n" + text)[moved.start : moved.end] == "wrong"
    open_text(server, path, "# new\n" + text.replace("wrong", "right"), version=3)
    assert server.known_diagnostics(path) == ()


async def test_silence_about_a_text_ends_the_wait_for_its_diagnostics(
    toy: Any, tmp_path: Path
) -> None:
    server = toy()
    await server.start()
    open_text(server, tmp_path / "a")
    assert await server.diagnostics(tmp_path / "a", timeout_s=0.1) == ()


async def test_pulled_diagnostics_can_be_unchanged(toy: Any, tmp_path: Path) -> None:
    item = {"range": place("", 0, 0, 3)["range"], "message": "bad"}
    server = toy(
        capabilities={"diagnosticProvider": {"interFileDependencies": True}},
        answers={
            "textDocument/diagnostic": [
                {"kind": "full", "items": [item], "resultId": "1"},
                {"kind": "unchanged", "resultId": "2"},
                {"kind": "full", "items": []},
            ]
        },
    )
    await server.start()
    open_text(server, tmp_path / "a")
    first = await server.diagnostics(tmp_path / "a")
    assert [one.message for one in first] == ["bad"]
    assert await server.diagnostics(tmp_path / "a") == first
    assert await server.diagnostics(tmp_path / "a") == ()


async def test_saves_and_closes_are_told(toy: Any, tmp_path: Path) -> None:
    server = toy()
    await server.start()
    open_text(server, tmp_path / "a", "text")
    server.save(tmp_path / "a")
    server.close_document(tmp_path / "a")
    heard = await server.ask("toy/heard", None)
    assert [method for method, _ in heard] == ["textDocument/didSave", "textDocument/didClose"]
    assert heard[0][1]["text"] == "text"
    with pytest.raises(NotOpen):
        server.save(tmp_path / "a")


async def test_visited_documents_are_closed_again_and_edited_ones_are_not(
    toy: Any, tmp_path: Path
) -> None:
    server = toy()
    await server.start()
    open_text(server, tmp_path / "edited", "mine")
    paths = [tmp_path / "edited", *(tmp_path / f"file{n}" for n in range(MAX_VISITED + 2))]
    for path in paths:
        server.visit(path, language="toy", snapshot=TextSnapshot("theirs"))
    assert await text_of(server, tmp_path / "edited") == "mine"
    assert await text_of(server, paths[1]) is None
    assert await text_of(server, paths[-1]) == "theirs"
    assert server.open_snapshot(paths[-1]) is None
    assert server.open_snapshot(tmp_path / "edited") == TextSnapshot("mine")


async def test_a_closed_server_refuses_and_leaves_no_process(toy: Any) -> None:
    server = toy()
    await server.start()
    await server.close()
    await server.close()
    with pytest.raises(ServerGone):
        await server.ask("toy/anything", None)
    with pytest.raises(ServerGone):
        await server.start()


async def test_a_server_that_ignores_shutdown_is_killed(toy: Any) -> None:
    server = toy(hang=["shutdown"])
    await server.start()
    started = time.perf_counter()
    await server.close()
    assert time.perf_counter() - started < 8


async def test_ten_questions_to_a_slow_server_wait_together(toy: Any, tmp_path: Path) -> None:
    server = toy(delay_s=0.3, answers={"textDocument/definition": [None]})
    await server.start()
    open_text(server, tmp_path / "a")
    questions = [server.definition(tmp_path / "a", 0, timeout_s=0.5) for _ in range(10)]
    started = time.perf_counter()
    done = await asyncio.gather(*questions, return_exceptions=True)
    assert time.perf_counter() - started < 1.5
    assert any(isinstance(one, RequestTimeout) for one in done)
