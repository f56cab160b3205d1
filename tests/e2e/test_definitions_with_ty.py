"""Definitions around the cursor, from a real language server over a real project."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from zeta_context.context.definitions import DefinitionContext, Gathered
from zeta_context.lsp.client import LanguageServer
from zeta_context.predict.view import Document
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

pytestmark = pytest.mark.e2e

SHAPES = '''\
from dataclasses import dataclass

from app.units import Length


@dataclass
class Point:
    x: Length
    y: Length


def make(x: Length) -> Point:
    """A point on the diagonal."""
    return Point(x, x)
'''

MAIN = """\
import os

from app.shapes import make

corner = make(3)
# éλ𝒳
print(corner.x, os.sep)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    app.mkdir()
    (app / "__init__.py").write_text("")
    (app / "units.py").write_text("class Length(int):\n    unit = 'm'\n")
    (app / "shapes.py").write_text(SHAPES)
    (app / "main.py").write_text(MAIN)
    return tmp_path


@pytest.fixture
async def server(project: Path) -> AsyncIterator[LanguageServer]:
    ty = Path(sys.executable).parent / "ty"
    if not ty.exists():
        pytest.skip("ty is not installed beside the interpreter")
    async with LanguageServer([str(ty), "server"], root=project) as running:
        yield running


def main_at(text: str, version: int = 1) -> Document:
    return Document(
        project="app",
        path="app/main.py",
        language="python",
        version=version,
        snapshot=TextSnapshot(text),
    )


async def gather_all(context: DefinitionContext, document: Document, cursor: int) -> Gathered:
    """What is found when the server has had its time."""
    while (gathered := await context.gather(document, cursor, deadline_ms=10_000)).late:
        pass
    return gathered


async def test_definitions_and_types_are_found_in_other_files(
    project: Path, server: LanguageServer
) -> None:
    context = DefinitionContext(server, root=project, project="app")
    gathered = await gather_all(context, main_at(MAIN), MAIN.index("make(3)"))
    shapes = next(one for one in gathered.related_files if one.path == "app/shapes.py")
    shown = "".join(excerpt.text for excerpt in shapes.excerpts)
    assert "class Point:\n    x: Length\n" in shown
    assert "def make(x: Length) -> Point:" in shown
    kinds = {(found.symbol, found.kind, found.path, found.row) for found in gathered.found}
    assert ("make", "definition", "app/shapes.py", 11) in kinds
    assert ("corner", "type_definition", "app/shapes.py", 6) in kinds
    await context.close()


async def test_the_types_that_a_signature_names_are_found_one_hop_further(
    project: Path, server: LanguageServer
) -> None:
    context = DefinitionContext(server, root=project, project="app")
    text = MAIN.replace("corner.x", "corner")
    gathered = await gather_all(context, main_at(text), text.index("make(3)"))
    units = next(one for one in gathered.related_files if one.path == "app/units.py")
    assert [excerpt.source for excerpt in units.excerpts] == ["lsp_second_hop"]
    assert units.excerpts[0].text == "class Length(int):\n    unit = 'm'\n"
    first_hop = next(one for one in gathered.related_files if one.path == "app/shapes.py")
    assert first_hop.excerpts[0].order < units.excerpts[0].order
    await context.close()


async def test_targets_outside_of_the_project_are_marked_and_ranked_last(
    project: Path, server: LanguageServer
) -> None:
    context = DefinitionContext(server, root=project, project="app")
    gathered = await gather_all(context, main_at(MAIN), MAIN.index("os.sep"))
    outside = [one for one in gathered.related_files if one.is_outside_project]
    assert outside
    inside = [one for one in gathered.related_files if not one.is_outside_project]
    assert gathered.related_files == (*inside, *outside)
    for one in outside:
        assert one.project == ""
        assert not Path(one.path).is_absolute()
        assert str(Path.home()) not in one.path
    await context.close()


async def test_a_keystroke_elsewhere_asks_nothing_again(
    project: Path, server: LanguageServer
) -> None:
    context = DefinitionContext(server, root=project, project="app")
    server.settling_s = 0.0
    cursor = MAIN.index("make(3)")
    first = await gather_all(context, main_at(MAIN), cursor)
    moved = "# a new first row\n" + MAIN
    again = await context.gather(main_at(moved, 2), moved.index("make(3)"), deadline_ms=500)
    assert (again.late, again.cache_misses) == (0, 0)
    assert again.cache_hits == first.cache_hits + first.cache_misses > 0
    expected = [one for one in first.related_files if one.path != "app/main.py"]
    assert [one for one in again.related_files if one.path != "app/main.py"] == expected
    await context.close()


async def test_an_edited_name_is_asked_again_at_its_new_place(
    project: Path, server: LanguageServer
) -> None:
    context = DefinitionContext(server, root=project, project="app")
    await gather_all(context, main_at(MAIN), MAIN.index("make(3)"))
    renamed = MAIN.replace("import make", "import Point").replace("make(3)", "Point(3, 4)")
    gathered = await gather_all(context, main_at(renamed, 2), renamed.index("Point(3"))
    symbols = {(found.symbol, found.path) for found in gathered.found}
    assert ("Point", "app/shapes.py") in symbols
    assert not any(symbol == "make" for symbol, _ in symbols)
    await context.close()


async def test_an_edit_in_the_target_file_moves_the_excerpt_with_it(
    project: Path, server: LanguageServer
) -> None:
    context = DefinitionContext(server, root=project, project="app")
    cursor = MAIN.index("make(3)")
    await gather_all(context, main_at(MAIN), cursor)
    shapes = project / "app" / "shapes.py"
    snapshot = TextSnapshot(SHAPES).edit(Span(0, 0), "# one\n# two\n")
    server.sync(shapes, language="python", version=1, snapshot=snapshot)
    gathered = await gather_all(context, main_at(MAIN), cursor)
    rows = {found.symbol: found.row for found in gathered.found if found.path == "app/shapes.py"}
    assert rows["make"] == 13
    await context.close()


async def test_a_deadline_of_nothing_leaves_all_out_and_the_next_time_has_it(
    project: Path, server: LanguageServer
) -> None:
    context = DefinitionContext(server, root=project, project="app")
    cursor = MAIN.index("make(3)")
    first = await context.gather(main_at(MAIN), cursor, deadline_ms=0)
    assert first.late == first.cache_misses > 0
    assert {one.path for one in first.related_files} <= {"app/main.py"}
    assert first.found == ()
    assert context.counts.total("lsp_late") == first.late
    later = await gather_all(context, main_at(MAIN), cursor)
    assert any(found.symbol == "make" for found in later.found)
    await context.close()
