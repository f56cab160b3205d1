"""Gathering definitions from a scripted server: late, wrong, dying, in any encoding."""

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest

from zeta_context.context.definitions import DefinitionContext, Gathered
from zeta_context.events.event import Event
from zeta_context.lsp.client import LanguageServer
from zeta_context.lsp.uri import from_path
from zeta_context.predict.view import Document
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

NOWHERE = Span(0, 0)
MAIN = "value = helper\n"
OTHER = '# é𝒳 comment\n"𝒳"; helper = 1\nother = 2\n'


def place(path: Path, row: int, start: int, end: int, end_row: int | None = None) -> Any:
    last = row if end_row is None else end_row
    return {
        "uri": from_path(path),
        "range": {
            "start": {"line": row, "character": start},
            "end": {"line": last, "character": end},
        },
    }


def at(text: str, version: int = 1) -> Document:
    return Document(
        project="p", path="main.py", language="python", version=version, snapshot=TextSnapshot(text)
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "other.py").write_text(OTHER)
    return tmp_path


async def start(server: LanguageServer, root: Path) -> DefinitionContext:
    await server.start()
    server.settling_s = 0.0
    return DefinitionContext(server, root=root, project="p")


async def gather(context: DefinitionContext, text: str = MAIN, version: int = 1) -> Gathered:
    return await context.gather(at(text, version), text.index("helper"), deadline_ms=3000)


def symbols(gathered: Gathered) -> set[tuple[str, str, int]]:
    return {(one.symbol, one.path, one.row) for one in gathered.found}


@pytest.mark.parametrize(
    ("encoding", "start_units"), [("utf-8", 8), ("utf-16", 6), ("utf-32", 5), (None, 6)]
)
async def test_a_target_is_found_in_every_position_encoding(
    toy: Any, project: Path, encoding: str | None, start_units: int
) -> None:
    target = place(project / "other.py", 1, start_units, start_units + 6)
    script = {"encoding": encoding} if encoding else {}
    server = toy(answers={"textDocument/definition": [target]}, **script)
    context = await start(server, project)
    gathered = await gather(context)
    assert ("helper", "other.py", 1) in symbols(gathered)
    (file,) = (one for one in gathered.related_files if one.path == "other.py")
    assert file.excerpts[0].text == '"𝒳"; helper = 1\n'
    await context.close()


async def test_a_link_is_as_good_as_a_location(toy: Any, project: Path) -> None:
    whole = place(project / "other.py", 1, 0, 9, end_row=2)["range"]
    link = {
        "targetUri": from_path(project / "other.py"),
        "targetRange": whole,
        "targetSelectionRange": place(project / "other.py", 1, 6, 12)["range"],
    }
    server = toy(answers={"textDocument/definition": [[link]]})
    context = await start(server, project)
    gathered = await gather(context)
    (file,) = (one for one in gathered.related_files if one.path == "other.py")
    assert file.excerpts[0].text == '"𝒳"; helper = 1\nother = 2\n'
    await context.close()


async def test_a_target_longer_than_a_name_is_a_module_and_left_out(
    toy: Any, project: Path
) -> None:
    (project / "other.py").write_text("x = 1\n" * 40)
    module = place(project / "other.py", 0, 0, 0, end_row=39)
    server = toy(answers={"textDocument/definition": [module]})
    context = await start(server, project)
    assert (await gather(context)).found == ()
    await context.close()


@pytest.mark.parametrize(
    "target",
    ["untitled:other", "file:///dev/zero", "file:///nowhere/at/all.py", "file:///etc"],
)
async def test_targets_that_are_no_readable_files_are_left_out(
    toy: Any, project: Path, target: str
) -> None:
    location = place(project / "other.py", 0, 0, 1) | {"uri": target}
    server = toy(answers={"textDocument/definition": [location]})
    context = await start(server, project)
    gathered = await gather(context)
    assert (gathered.found, gathered.late) == ((), 0)
    await context.close()


async def test_places_past_the_end_of_a_file_do_no_harm(toy: Any, project: Path) -> None:
    target = place(project / "other.py", 99, 7, 9)
    server = toy(answers={"textDocument/definition": [target]})
    context = await start(server, project)
    assert (await gather(context)).late == 0
    await context.close()


async def test_an_empty_answer_while_the_server_works_is_asked_again(
    toy: Any, project: Path
) -> None:
    target = place(project / "other.py", 1, 6, 12)
    begin = {"token": "t", "value": {"kind": "begin"}}
    server = toy(answers={"textDocument/definition": [None, target]}, say=[["$/progress", begin]])
    context = await start(server, project)
    await server.ask("toy/anything", None)
    first = await gather(context, "helper\n")
    assert first.found == ()
    await gather(context, "helper\n")
    await asyncio.sleep(0.1)
    settled = await gather(context, "helper\n")
    assert ("helper", "other.py", 1) in symbols(settled)
    assert (await gather(context, "helper\n")).cache_hits == 1
    await context.close()


async def test_an_empty_answer_of_a_settled_server_is_kept(toy: Any, project: Path) -> None:
    server = toy()
    context = await start(server, project)
    await gather(context, "helper\n")
    again = await gather(context, "helper\n")
    assert (again.cache_hits, again.cache_misses) == (1, 0)
    await context.close()


async def test_the_import_line_first_answer_gives_way_to_the_right_one(
    toy: Any, project: Path
) -> None:
    own_line = place(project / "main.py", 0, 0, 6)
    target = place(project / "other.py", 1, 6, 12)
    begin = {"token": "t", "value": {"kind": "begin"}}
    server = toy(
        answers={"textDocument/definition": [own_line, target]}, say=[["$/progress", begin]]
    )
    context = await start(server, project)
    await server.ask("toy/anything", None)
    await gather(context, "helper\n")
    await gather(context, "helper\n")
    await asyncio.sleep(0.1)
    assert ("helper", "other.py", 1) in symbols(await gather(context, "helper\n"))
    await context.close()


async def test_a_hanging_server_costs_the_deadline_once_and_asks_nothing_twice(
    toy: Any, project: Path
) -> None:
    server = toy(hang=["textDocument/definition", "textDocument/typeDefinition"])
    context = await start(server, project)
    running: list[int] = []
    for _ in range(3):
        started = time.perf_counter()
        gathered = await context.gather(at(MAIN), 9, deadline_ms=100)
        assert time.perf_counter() - started < 0.5
        assert gathered.late == 2
        assert gathered.elapsed_ms < 100
        await asyncio.sleep(0.1)
        running.append(len(asyncio.all_tasks()))
    assert context.counts.total("lsp_late") == 6
    assert running[0] == running[1] == running[2]
    await context.close()


async def test_what_came_late_is_there_the_next_time(toy: Any, project: Path) -> None:
    target = place(project / "other.py", 1, 6, 12)
    server = toy(delay_s=0.15, answers={"textDocument/definition": [target]})
    context = await start(server, project)
    first = await context.gather(at("helper\n"), 0, deadline_ms=50)
    assert (first.late, first.found) == (1, ())
    await asyncio.sleep(0.6)
    second = await context.gather(at("helper\n"), 0, deadline_ms=50)
    assert second.late == 0
    assert ("helper", "other.py", 1) in symbols(second)
    await context.close()


async def test_a_dying_server_leaves_what_needs_none(toy: Any, project: Path) -> None:
    text = "import os\n\n\ndef first():\n    pass\n\n\ndef second():\n    helper\n"
    server = toy(die=["textDocument/definition"])
    context = await start(server, project)
    gathered = await gather(context, text)
    assert gathered.late > 0
    await asyncio.sleep(0.2)
    again = await gather(context, text)
    shown = "".join(part.text for one in again.related_files for part in one.excerpts)
    assert "def first():" in shown
    assert "import os" in shown
    await context.close()


async def test_a_server_that_cannot_start_costs_nothing(project: Path) -> None:
    server = LanguageServer([str(project / "missing")], root=project)
    context = DefinitionContext(server, root=project, project="p")
    gathered = await context.gather(at(MAIN), 9)
    assert gathered.late == 2
    assert gathered.elapsed_ms < 60
    await context.close()
    await server.close()


async def test_a_link_out_of_the_project_is_outside(toy: Any, tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    project.mkdir()
    elsewhere.mkdir()
    (elsewhere / "secret.py").write_text("helper = 1\n")
    (project / "linked.py").symlink_to(elsewhere / "secret.py")
    server = toy(answers={"textDocument/definition": [place(project / "linked.py", 0, 0, 6)]})
    context = await start(server, project)
    gathered = await gather(context)
    (found,) = {one for one in gathered.found if one.symbol == "helper"}
    assert found.is_outside_project
    assert str(tmp_path) not in found.path
    await context.close()


async def test_diagnostics_near_the_cursor_come_with_the_next_gathering(
    toy: Any, project: Path
) -> None:
    rows = "x = 1\n" * 60
    near, far = place(project / "main.py", 3, 0, 1), place(project / "main.py", 50, 0, 1)
    items = [{"range": one["range"], "message": name, "severity": 2} for one, name in
             ((far, "far"), (near, "near"))]  # fmt: skip
    server = toy(
        capabilities={"diagnosticProvider": {}},
        answers={"textDocument/diagnostic": [{"kind": "full", "items": items}]},
    )
    context = await start(server, project)
    await context.gather(at(rows), 0, deadline_ms=2000)
    await asyncio.sleep(0.8)
    gathered = await context.gather(at(rows), 0, deadline_ms=2000)
    assert [one.message for one in gathered.diagnostics] == ["near"]
    assert gathered.diagnostics[0].span == (18, 19)
    await context.close()


async def test_places_visited_and_edited_in_other_files_are_shown(toy: Any, project: Path) -> None:
    server = toy()
    context = await start(server, project)
    rows = [f"row_{n} = {n}\n" for n in range(60)]
    (project / "visited.py").write_text("".join(rows))
    (project / "edited.py").write_text("".join(rows))
    document = Document(
        project="p",
        path="visited.py",
        language="python",
        version=1,
        snapshot=TextSnapshot("".join(rows)),
    )
    await context.gather(document, sum(map(len, rows[:30])), deadline_ms=3000)
    edit = Event(
        project="p", path="edited.py", diff="@@ -41 +41 @@\n", old_span=NOWHERE, new_span=NOWHERE
    )
    for _ in range(2):
        gathered = await context.gather(at(MAIN), 0, events=[edit], deadline_ms=3000)
        await asyncio.sleep(0.2)
    shown = {one.path: one.excerpts for one in gathered.related_files}
    (visited,) = shown["visited.py"]
    assert (visited.source, visited.start_row) == ("recent_file", 22)
    (edited,) = shown["edited.py"]
    assert (edited.source, edited.start_row, edited.end_row) == ("edit_history_file", 32, 49)
    await context.close()


async def test_a_document_closed_while_it_is_asked_about_raises_nowhere(
    toy: Any, project: Path
) -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, info: raised.append(info))
    server = toy(delay_s=0.05)
    context = await start(server, project)
    text = "import one, two, three\n" + MAIN
    for version in range(3):
        await context.gather(at(text, version), 3, deadline_ms=0)
        server.close_document(project / "main.py")
        context.forget("main.py")
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.7)
    await context.close()
    gc.collect()
    assert raised == []
