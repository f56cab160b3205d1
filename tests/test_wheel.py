"""The built wheel holds what an installed `zeta-context` needs, and nothing of the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as pip builds it; it fetches the build backend, so it may not be had."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the wheel cannot be built here: {done.stderr.strip().splitlines()[-1:]}")
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_its_types_and_the_demo(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "zeta_context/py.typed" in names
    assert "zeta_context/cli/demo/page.css" in names
    assert "zeta_context/demo_fixtures/sessions/lending-accounts.jsonl" in names
    assert "zeta_context/demo_fixtures/repos/lending/lending/service.py" in names
    assert not any(name.startswith(("tests/", "fixtures/", "docs/")) for name in names)


@pytest.mark.timeout(180)
def test_an_installed_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "-t", target, wheel]
    subprocess.run(install, check=True)
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "import zeta_context; assert zeta_context.__file__.startswith(sys.path[0]);"
        "from zeta_context.cli.main import main; main()"
    )
    for arguments in (["--version"], ["demo"]):
        done = subprocess.run(
            [sys.executable, "-c", code, str(target), *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
