"""A project to edit, and where the pictures of screens go."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.git_repo import GitRepo

ARTEFACTS = Path(__file__).resolve().parents[3] / "out" / "editors"

FAR = "".join(f"# {number}\n" for number in range(40))
MAIN = (
    "import logging\n\nlogger = logging.getLogger()\n\n\ndef run(data):\n"
    + "".join(f"    logger.warn('𝒳 é {n}', extra=data)\n    run_{n}()\n" for n in range(4))
    + FAR
    + "def last(data):\n    logger.warn('ü', extra=data)\n"
)
"""In rows 6, 8, 10, 12 and, far below, 55 the same is to be renamed."""


PRICES = "def total(prices):\n    return sum(prices)\n\n\nprint(total([1]))\n"
BASKET = "from prices import total\n\n\ndef pay(basket):\n    return total(basket)\n"
"""Two files in which a name is used: `prices.py`, and `basket.py` that imports it."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with `main.py`, and nothing of the user's own around it."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("VIMRUNTIME", raising=False)
    repo = GitRepo(tmp_path / "project")
    repo.commit({"main.py": MAIN})
    return repo.root.resolve()


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[list[str]], None]:
    """Keeps the rows of a screen as an artefact of the test."""

    def write(rows: list[str]) -> None:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        editor = request.module.__name__.rpartition("test_")[2]
        name = request.node.name.replace("/", "-")
        (ARTEFACTS / f"{editor}-{name}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")

    return write
