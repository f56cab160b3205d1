"""The same questions to servers of several languages, each with its own manners."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.servers import need
from zeta_context.context.definitions import DefinitionContext, Gathered
from zeta_context.lsp.client import LanguageServer
from zeta_context.lsp.servers import KNOWN_SERVERS, language_id
from zeta_context.predict.view import Document
from zeta_context.text.snapshot import TextSnapshot

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PYTHON = {
    "shapes.py": "class Point:\n    x: int = 0\n\n\ndef make() -> Point:\n    return Point()\n",
    "main.py": 'from shapes import make\n\nname = "é𝒳"; corner = make()\nprint(corner)\n',
}
TYPESCRIPT = {
    "tsconfig.json": '{"compilerOptions": {"strict": true}, "include": ["*.ts"]}\n',
    "shapes.ts": "export class Point {\n  x = 0;\n}\n\n"
    "export function make(): Point {\n  return new Point();\n}\n",
    "main.ts": 'import { make } from "./shapes";\n\n'
    'const name = "é𝒳"; const corner = make();\nconsole.log(name, corner);\n',
}
CPP = {
    "compile_flags.txt": "-std=c++17\n",
    "shapes.hpp": "#pragma once\n\nstruct Point {\n  int x;\n};\n\n"
    "inline Point make() {\n  return Point{0};\n}\n",
    "main.cpp": '#include "shapes.hpp"\n\nint main() {\n'
    '  const char *name = "é𝒳"; Point corner = make();\n'
    "  return corner.x + (name != nullptr);\n}\n",
}

SERVERS = {
    "basedpyright-langserver": (PYTHON, "python"),
    "jedi-language-server": (PYTHON, "python"),
    "pyrefly": (PYTHON, "python"),
    "clangd": (CPP, "cpp"),
    "typescript-language-server": (TYPESCRIPT, "typescript"),
}


def start_server(program_name: str, root: Path) -> LanguageServer:
    program = need(program_name)
    known = next(one for one in KNOWN_SERVERS if one.program == program_name)
    command = program.command
    missing = [part for part in known.arguments if part not in command]
    return LanguageServer(
        [*command, *missing],
        root=root,
        name=known.name,
        options=known.options,
        settings=known.settings,
        env=program.environment or None,
    )


async def gather_until(
    context: DefinitionContext, document: Document, cursor: int, wanted: set[tuple[str, int]]
) -> Gathered:
    """What is found once the server has loaded the project; at most a minute."""
    gathered = Gathered()
    for _ in range(120):
        gathered = await context.gather(document, cursor, deadline_ms=3000)
        if wanted <= {(one.path, one.row) for one in gathered.found}:
            break
        await asyncio.sleep(0.5)
    return gathered


@pytest.mark.parametrize("program", list(SERVERS))
async def test_definitions_and_types_are_found_in_another_file(
    program: str, tmp_path: Path
) -> None:
    files, language = SERVERS[program]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    main = next(name for name in files if name.startswith("main"))
    shapes = next(name for name in files if name.startswith("shapes"))
    server = start_server(program, tmp_path)
    await server.start(timeout_s=60)
    context = DefinitionContext(server, root=tmp_path, project="p")
    document = Document(
        project="p",
        path=main,
        language=language_id(language),
        version=1,
        snapshot=TextSnapshot(files[main]),
    )
    try:
        rows = files[shapes].splitlines()
        make_row = next(at for at, row in enumerate(rows) if "make()" in row)
        point_row = next(at for at, row in enumerate(rows) if " Point" in row)
        cursor = files[main].index("make()")
        wanted = {(shapes, make_row), (shapes, point_row)}
        gathered = await gather_until(context, document, cursor, wanted)
        found = {(one.symbol, one.kind, one.path, one.row) for one in gathered.found}
        assert ("make", "definition", shapes, make_row) in found
        assert point_row in {one.row for one in gathered.found if one.path == shapes}
        related = next(one for one in gathered.related_files if one.path == shapes)
        shown = "".join(part.text for part in related.excerpts)
        assert rows[make_row] in shown
        assert rows[point_row] in shown
        assert server.counts.total("lsp_garbage") == 0
    finally:
        await context.close()
        await server.close()
