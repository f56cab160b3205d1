"""How many planted errors verification catches, and how often it is wrong about sound code.

Rows of small real projects are taken out and proposed again, as they were (sound) and with one
name misspelt (planted); besides, functions with annotated parameters are called with a value of
another type (planted) and of the right one (sound); and functions that are used in their own file
are renamed where they are defined (planted: the error is elsewhere) and everywhere in it (sound).
Rows in which the server finds an error as they stand are left out.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.quality_ripple import _warm
from zeta_context.context.gather import ContextSettings
from zeta_context.errors import LspError
from zeta_context.lsp.client import LanguageServer
from zeta_context.predict.verify import Verifier
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

DEADLINE_S = 2.0
QUICK_S = 0.08

_NAME = re.compile(r"(?<![\w.\"'])([a-z_][a-z_0-9]{3,})(?=\()")
_TYPED = {
    "python": re.compile(r"^def (\w+)\(\w+: (int|str|float)\) ?(?:->|:)", re.MULTILINE),
    "typescript": re.compile(r"^export function (\w+)\(\w+: (number|string)\)", re.MULTILINE),
}
_DEFINED = {
    "python": re.compile(r"^def (\w+)\(", re.MULTILINE),
    "typescript": re.compile(r"^(?:export )?(?:async )?function (\w+)\(", re.MULTILINE),
}
_VALUES = {"int": "1", "float": "1.5", "number": "1", "str": '"x"', "string": '"x"'}
_KEYWORDS = {"print", "return", "await", "async", "super", "import", "while", "function", "assert"}


@dataclass(slots=True)
class VerifyTally:
    """Verdicts, and how many came within 80 ms."""

    planted: int = 0
    caught: int = 0
    sound: int = 0
    false_worse: int = 0
    quick: int = 0
    unknown: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return self.planted + self.sound


@dataclass(frozen=True, slots=True)
class _Case:
    """Edits of a text from which the row `removed` has been taken out, if it is not empty."""

    path: str
    removed: Span
    edits: tuple[TextEdit, ...]
    is_planted: bool


async def measure_verify(  # noqa: PLR0917 - all of one run
    repo: Path, language: str, suffix: str, command: list[str], tally: VerifyTally, limit: int
) -> None:
    """Judge at most `limit` cases of one project."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / repo.name
        shutil.copytree(repo, root)
        settings = Settings(
            offer_status=False,
            watch_files=False,
            context=ContextSettings(definitions=True, servers={language: command}),
        )
        async with Session(root, settings=settings) as session:
            texts = {
                path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
                for path in sorted(root.rglob(f"*{suffix}"))
                if "test" not in path.name
            }
            for path, text in texts.items():
                session.open(path, text)
            server = await _warm(session, next(iter(texts)))
            faulty = {path: await _faulty_rows(server, root / path, texts[path]) for path in texts}
            verifier = Verifier(session.projects, session._gatherer.server, counts=session.counts)
            renames = _pick(list(_renames(language, texts)), limit // 3)
            rows = _pick(list(_cases(language, texts)), limit - len(renames))
            for case in (*rows, *renames):
                row = texts[case.path].count("\n", 0, case.removed.start)
                if case.removed.length and row in faulty[case.path]:
                    continue
                await _judge(session, verifier, case, tally)
            await verifier.aclose()


async def _faulty_rows(server: LanguageServer, file: Path, text: str) -> set[int]:
    """The rows of a file in which a server that has read it finds errors."""
    try:
        found = await server.diagnostics(file, timeout_s=10)
    except LspError:
        return set()
    return {text.count("\n", 0, one.span.start) for one in found if one.severity == 1}


async def _judge(session: Session, verifier: Verifier, case: _Case, tally: VerifyTally) -> None:
    removed = session.document(case.path).snapshot.slice(case.removed)
    if removed:
        session.edit(case.path, case.removed, "")
        # The text as it is is known before anything is proposed, as it is while typing.
        await verifier.check(session.document(case.path), (), deadline_s=DEADLINE_S)
    started = time.perf_counter()
    verdict = await verifier.check(session.document(case.path), case.edits, deadline_s=DEADLINE_S)
    elapsed_s = time.perf_counter() - started
    if removed:
        at = case.removed.start
        session.edit(case.path, Span(at, at), removed)
    tally.quick += elapsed_s <= QUICK_S and verdict != "unknown"
    tally.unknown += verdict == "unknown"
    if case.is_planted:
        tally.planted += 1
        tally.caught += verdict == "worse"
    else:
        tally.sound += 1
        tally.false_worse += verdict == "worse"
    if (verdict == "worse") != case.is_planted:
        told = [edit.new_text.strip() for edit in case.edits]
        tally.wrong.append(f"{case.path}: {told!r} {verdict}")
    await asyncio.sleep(0)


def _cases(language: str, texts: dict[str, str]) -> Iterator[_Case]:
    for path, text in texts.items():
        at = 0
        for row in text.splitlines(keepends=True):
            span, at = Span(at, at + len(row)), at + len(row)
            name = _NAME.search(row)
            if name is None or name[1] in _KEYWORDS or not _is_statement(row):
                continue
            yield _insert(path, span, row, is_planted=False)
            misspelt = row[: name.start(1)] + name[1][:-2] + name[1][-1] + "q" + row[name.end(1) :]
            yield _insert(path, span, misspelt, is_planted=True)
        end = Span(len(text), len(text))
        close = ";" if language == "typescript" else ""
        for found in _TYPED[language].finditer(text):
            for kind, value in _VALUES.items():
                if {kind, found[2]} == {"int", "float"}:
                    continue
                is_planted = value[0] != _VALUES[found[2]][0]
                yield _insert(path, end, f"{found[1]}({value}){close}\n", is_planted=is_planted)


def _insert(path: str, removed: Span, text: str, *, is_planted: bool) -> _Case:
    at = removed.start
    return _Case(path, removed, (TextEdit(Span(at, at), text),), is_planted)


def _renames(language: str, texts: dict[str, str]) -> Iterator[_Case]:
    for path, text in texts.items():
        for found in _DEFINED[language].finditer(text):
            words = list(re.finditer(rf"(?<![\w.\"'/]){found[1]}\b(?![\"'])", text))
            if len(words) < 2:
                continue
            edits = tuple(TextEdit(Span(*one.span()), f"{found[1]}_q") for one in words)
            defined = TextEdit(Span(*found.span(1)), f"{found[1]}_q")
            yield _Case(path, Span(0, 0), (defined,), is_planted=True)
            yield _Case(path, Span(0, 0), edits, is_planted=False)


def _pick(cases: list[_Case], limit: int) -> list[_Case]:
    """At most so many, from everywhere."""
    return cases[:: max(1, len(cases) // max(1, limit))][:limit]


def _is_statement(row: str) -> bool:
    """Whether a row is a statement of its own, so that it can be taken out."""
    text = row.strip()
    if text.startswith(("def ", "class ", "@", "#", "export ", "function ", "}", "if ", "for ")):
        return False
    pairs = (text.count(opened) == text.count(closed) for opened, closed in ("()", "[]", "{}"))
    return all(pairs) and not text.endswith((":", ",", "(", "{", "\\"))
