"""How many planted errors verification catches, and how often it is wrong about sound code.

Rows of small real projects are taken out and proposed again, as they were (sound) and with one
name misspelt (planted); besides, functions with annotated parameters are called with a value of
another type (planted) and of the right one (sound). Files with errors of their own are left out.
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
    path: str
    span: Span
    text: str
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
            await _warm(session, next(iter(texts)))
            verifier = Verifier(session.projects, session._gatherer.server, counts=session.counts)
            cases = list(_cases(language, texts))
            step = max(1, len(cases) // limit)
            for case in cases[::step][:limit]:
                await _judge(session, verifier, case, tally)
            await verifier.aclose()


async def _judge(session: Session, verifier: Verifier, case: _Case, tally: VerifyTally) -> None:
    removed = session.document(case.path).snapshot.slice(case.span)
    if removed:
        session.edit(case.path, case.span, "")
        # The text as it is is known before anything is proposed, as it is while typing.
        await verifier.check(session.document(case.path), (), deadline_s=DEADLINE_S)
    at = case.span.start
    started = time.perf_counter()
    verdict = await verifier.check(
        session.document(case.path), (TextEdit(Span(at, at), case.text),), deadline_s=DEADLINE_S
    )
    elapsed_s = time.perf_counter() - started
    if removed:
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
        tally.wrong.append(f"{case.path}: {case.text.strip()!r} {verdict}")
    await asyncio.sleep(0)


def _cases(language: str, texts: dict[str, str]) -> Iterator[_Case]:
    for path, text in texts.items():
        at = 0
        for row in text.splitlines(keepends=True):
            span, at = Span(at, at + len(row)), at + len(row)
            name = _NAME.search(row)
            if name is None or name[1] in _KEYWORDS or not _is_statement(row):
                continue
            yield _Case(path, span, row, is_planted=False)
            misspelt = row[: name.start(1)] + name[1][:-2] + name[1][-1] + "q" + row[name.end(1) :]
            yield _Case(path, span, misspelt, is_planted=True)
        end = Span(len(text), len(text))
        close = ";" if language == "typescript" else ""
        for found in _TYPED[language].finditer(text):
            for kind, value in _VALUES.items():
                if {kind, found[2]} == {"int", "float"}:
                    continue
                is_planted = value[0] != _VALUES[found[2]][0]
                yield _Case(path, end, f"{found[1]}({value}){close}\n", is_planted=is_planted)


def _is_statement(row: str) -> bool:
    """Whether a row is a statement of its own, so that it can be taken out."""
    text = row.strip()
    if text.startswith(("def ", "class ", "@", "#", "export ", "function ", "}", "if ", "for ")):
        return False
    pairs = (text.count(opened) == text.count(closed) for opened, closed in ("()", "[]", "{}"))
    return all(pairs) and not text.endswith((":", ",", "(", "{", "\\"))
