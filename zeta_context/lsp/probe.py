"""Whether an installed language server answers, and how fast.

Starts it on a temporary project of a few lines, so that nothing of the user's is read, asks for a
definition, and stops it again. Knows nothing of terminals.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zeta_context.errors import LspError
from zeta_context.lsp.client import LanguageServer
from zeta_context.lsp.samples import SAMPLES, Sample
from zeta_context.lsp.servers import (
    KNOWN_SERVERS,
    InstalledServer,
    KnownServer,
    find_installed,
)
from zeta_context.text.snapshot import TextSnapshot

PROBE_TIMEOUT_S = 20.0
FIRST_ANSWER_S = 10.0
"""So long a server may take to load the sample before it is taken to know no definition in it."""

_REPEATS = 5
_SIDE_BY_SIDE = 2
_FEATURES = {
    "definitions": "textDocument/definition",
    "types": "textDocument/typeDefinition",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A known server on this machine.

    `start_ms` is the time from starting the process to its answer to `initialize`; None while it
    was not started or did not answer, and `problem` says why then. `answer_ms` is the median time
    of a definition in a file that it has loaded; None where it found none.
    """

    server: KnownServer
    program: str | None
    start_ms: float | None = None
    answer_ms: float | None = None
    version: str = ""
    encoding: str = ""
    features: tuple[str, ...] = ()
    problem: str = ""


async def probe_servers(
    servers: Sequence[KnownServer] = KNOWN_SERVERS,
    *,
    root: Path | None = None,
    timeout_s: float = PROBE_TIMEOUT_S,
    start: bool = True,
) -> list[Probed]:
    """All of some servers, in order, a few at a time; with `start` off, only what is installed."""
    turns = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def probe(server: KnownServer) -> Probed:
        installed = find_installed(server, root=root)
        if installed is None:
            return Probed(server=server, program=None, problem="not installed")
        if not start:
            return Probed(server=server, program=installed.command[0])
        async with turns:
            return await _probe(installed, timeout_s)

    return list(await asyncio.gather(*(probe(server) for server in servers)))


async def _probe(installed: InstalledServer, timeout_s: float) -> Probed:
    known = installed.server
    with tempfile.TemporaryDirectory(prefix="zeta-context-probe-") as directory:
        server = LanguageServer(
            installed.command,
            root=Path(directory),
            name=known.name,
            hint=f"to install it: {known.install}",
            options=installed.options,
            settings=known.settings,
            env={**os.environ, **known.environment} if known.environment else None,
        )
        started = time.perf_counter()
        try:
            await server.start(timeout_s=timeout_s)
            start_ms = (time.perf_counter() - started) * 1000
            features = [name for name, method in _FEATURES.items() if server.supports(method)]
            answer_ms = await _time_definition(server, known) if "definitions" in features else None
            return Probed(
                server=known,
                program=installed.command[0],
                start_ms=round(start_ms, 1),
                answer_ms=round(answer_ms, 2) if answer_ms is not None else None,
                version=str(server.server_info.get("version", "")),
                encoding=server.encoding,
                features=tuple(features),
            )
        except LspError as error:
            return Probed(server=known, program=installed.command[0], problem=str(error))
        finally:
            await server.close()


async def _time_definition(server: LanguageServer, known: KnownServer) -> float | None:
    """Milliseconds of a definition in the sample of its first language that has one."""
    language = next((one for one in known.languages if one in SAMPLES), None)
    if language is None:
        return None
    sample = SAMPLES[language]
    for name, text in {**sample.others, sample.path: sample.text}.items():
        (server.root / name).parent.mkdir(parents=True, exist_ok=True)
        (server.root / name).write_text(text, encoding="utf-8")
    path = server.root / sample.path
    server.sync(path, language=language, version=1, snapshot=TextSnapshot(sample.text))
    until = time.monotonic() + FIRST_ANSWER_S
    while not await _find(server, path, sample):
        if time.monotonic() > until:
            return None
        await asyncio.sleep(0.1)
    times: list[float] = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        await _find(server, path, sample)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


async def _find(server: LanguageServer, path: Path, sample: Sample) -> bool:
    try:
        return bool(await server.definition(path, sample.use_offset))
    except LspError:
        return False
