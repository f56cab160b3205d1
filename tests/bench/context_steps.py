"""Steps of a real history at which context matters, with the definitions that it should hold.

A step is a file at the moment before one of its commit's hunks, the earlier hunks applied, in a
tree of the commit's parent. What should be found are the definitions of the names that the hunk
introduces, as a language server resolves them once the hunk is in. Knows nothing of how context
is gathered.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.bench.cases import Case, Hunk
from zeta_context.context import syntax
from zeta_context.context.syntax import Identifier, SyntaxTree
from zeta_context.errors import LspError
from zeta_context.events.event import Event
from zeta_context.lsp.client import LanguageServer
from zeta_context.lsp.documents import Location
from zeta_context.text.patch import render_unified
from zeta_context.text.point import Span
from zeta_context.text.snapshot import TextSnapshot

HISTORY = 6
_LOCAL_SCOPES = frozenset({"function", "method"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Where a name that the hunk introduces is defined, as rows were before the hunk."""

    name: str
    path: str
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The text before a hunk, and after it; `row` is where the hunk begins in both."""

    case: Case
    number: int
    before: str
    after: str
    row: int
    hunk: Hunk
    events: tuple[Event, ...]

    @property
    def cursor(self) -> int:
        """The end of the row that the hunk changes, or after which it inserts."""
        snapshot = TextSnapshot(self.before)
        row = self.row if self.hunk.old else max(0, self.row - 1)
        return snapshot.row_end(min(row, snapshot.row_count - 1))


def extract_tree(git_dir: Path, commit: str, target: Path) -> None:
    """Write the files of a commit's parent."""
    archive = subprocess.Popen(
        ["git", f"--git-dir={git_dir}", "archive", f"{commit}^"], stdout=subprocess.PIPE
    )
    subprocess.run(["tar", "-x", "-C", str(target)], stdin=archive.stdout, check=True)
    assert archive.stdout is not None
    archive.stdout.close()
    if archive.wait() != 0:
        raise RuntimeError(f"git archive of {commit[:8]} failed")


def read_steps(case: Case, project: str) -> Iterator[Step]:
    """The steps of a case, from its second hunk on."""
    lines = list(case.lines)
    shift = 0
    events: list[Event] = []
    for number, hunk in enumerate(case.hunks):
        row = hunk.old_row + shift
        before = "".join(lines)
        lines[row : row + len(hunk.old)] = hunk.new
        after = "".join(lines)
        shift += len(hunk.new) - len(hunk.old)
        if number:
            yield Step(
                case=case,
                number=number,
                before=before,
                after=after,
                row=row,
                hunk=hunk,
                events=tuple(events[-HISTORY:]),
            )
        start = sum(map(len, lines[:row]))
        events.append(
            Event(
                project=project,
                path=case.path,
                diff=render_unified(before, after),
                old_span=Span(start, start + sum(map(len, hunk.old))),
                new_span=Span(start, start + sum(map(len, hunk.new))),
            )
        )


def introduced_names(step: Step, tree: SyntaxTree) -> list[Identifier]:
    """The names in the hunk's new rows that its old rows do not hold, each once."""
    old_tree = syntax.parse(step.case.language, step.before)
    old = (
        {
            one.name
            for one in syntax.identifiers(old_tree, (step.row, step.row + len(step.hunk.old)))
        }
        if old_tree is not None
        else set()
    )
    new = syntax.identifiers(tree, (step.row, step.row + len(step.hunk.new)))
    return list({one.name: one for one in reversed(new) if one.name not in old}.values())


async def find_definitions(server: LanguageServer, root: Path, step: Step) -> list[Definition]:
    """What the names that the hunk introduces refer to, elsewhere in the project.

    Elsewhere: neither in the hunk itself nor a parameter or variable of the function around it.
    """
    path = root / step.case.path
    after = TextSnapshot(step.after)
    tree = syntax.parse(step.case.language, after)
    if tree is None:
        return []
    names = introduced_names(step, tree)
    server.sync(path, language=step.case.language, version=step.number, snapshot=after)
    answers = await asyncio.gather(
        *(server.definition(path, one.span.start) for one in names), return_exceptions=True
    )
    found: set[Definition] = set()
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, LspError):
            continue
        if isinstance(answer, BaseException):
            raise answer
        for location in answer[:1]:
            definition = _as_definition(root, step, tree, name, location)
            if definition is not None:
                found.add(definition)
    return sorted(found, key=lambda one: (one.name, one.path, one.row))


def _as_definition(
    root: Path, step: Step, tree: SyntaxTree, name: Identifier, location: Location
) -> Definition | None:
    if location.path is None or not location.path.is_relative_to(root):
        return None
    path = location.path.relative_to(root).as_posix()
    row = location.start.row
    target = tree if path == step.case.path else _parse_file(location.path)
    if target is not None and _is_import(target, row):
        return None  # of something that is not installed: not defined in the project
    if location.end.row - row > 1 or (row == 0 and location.end == location.start):
        return None  # a whole module
    if path != step.case.path:
        return Definition(name=name.name, path=path, row=row)
    end = step.row + len(step.hunk.new)
    if step.row <= row < end or _is_local(tree, name, row):
        return None
    if row >= end:
        row += len(step.hunk.old) - len(step.hunk.new)
    return Definition(name=name.name, path=path, row=row)


@lru_cache(maxsize=64)
def _parse_file(path: Path) -> SyntaxTree | None:
    return syntax.parse("", path.read_text("utf-8", "replace"), path=path.name)


def _is_import(tree: SyntaxTree, row: int) -> bool:
    node = tree.tree.root_node.descendant_for_point_range((row, 0), (row, 1))
    while node is not None:
        if node.type in ("import_statement", "import_from_statement", "import_declaration"):
            return True
        node = node.parent
    return False


def _is_local(tree: SyntaxTree, name: Identifier, row: int) -> bool:
    """Whether a row lies in a function around the name, but is not where that function is named."""
    for item in syntax.enclosing_items(tree, name.span.start):
        if item.kind in _LOCAL_SCOPES and item.start_row <= row < item.end_row:
            named_at = tree.snapshot.point(item.name_span.start).row if item.name_span else -1
            return item.name != name.name or row != named_at
    return False
