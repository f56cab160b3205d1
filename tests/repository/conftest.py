"""A fresh repository for each test."""

from pathlib import Path

import pytest

from tests.git_repo import GitRepo


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitRepo:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return GitRepo(tmp_path / "project")
