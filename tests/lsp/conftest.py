"""The toy language server as a fixture: `toy(**script)` gives one that is started by the test."""

import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from zeta_context.lsp.client import LanguageServer

MakeToy = Callable[..., LanguageServer]


def toy_command(script: dict[str, Any]) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("toy_server.py")), json.dumps(script)]


@pytest.fixture
async def toy(tmp_path: Path) -> AsyncIterator[MakeToy]:
    made: list[LanguageServer] = []

    def make(settings: dict[str, Any] | None = None, **script: Any) -> LanguageServer:
        server = LanguageServer(toy_command(script), root=tmp_path, name="toy", settings=settings)
        made.append(server)
        return server

    yield make
    for server in made:
        await server.close()
