"""A project for a real editor, and folders of its own for everything that it writes."""

from pathlib import Path

import pytest

from tests.e2e.rename_project import write_project


@pytest.fixture
def rename_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("VIMRUNTIME", raising=False)
    return write_project(tmp_path / "project")
