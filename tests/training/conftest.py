"""A repository with a short history of plausible commits."""

import os
from pathlib import Path

import pytest

from tests.git_repo import GitRepo

STORE = '''"""Keeps readings."""

LIMIT = 20


class Store:
    def __init__(self, name):
        self.name = name
        self.items = []

    def add(self, item):
        if len(self.items) >= LIMIT:
            raise ValueError("full")
        self.items.append(item)

    def total(self):
        return sum(item.value for item in self.items)

    def names(self):
        return [item.name for item in self.items]


def load(path):
    store = Store(path.name)
    for line in path.read_text().splitlines():
        name, value = line.split(",")
        store.add(Item(name, float(value)))
    return store


class Item:
    def __init__(self, name, value):
        self.name = name
        self.value = value
'''


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitRepo:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return GitRepo(tmp_path / "readings")


@pytest.fixture
def history_of_three(repo: GitRepo) -> GitRepo:
    """The first commit adds the file, each of the others changes it in several places."""
    text = STORE
    repo.commit({"readings/store.py": text, "README.md": "readings\n"}, "Begin")
    text = text.replace("items", "readings")
    repo.commit({"readings/store.py": text}, "Call them readings")
    text = text.replace("LIMIT = 20\n", "LIMIT = 20\nDEFAULT_VALUE = 0.0\n")
    text = text.replace("def __init__(self, name, value):", "def __init__(self, name, value=None):")
    text = text.replace("self.value = value\n", "self.value = value or DEFAULT_VALUE\n")
    repo.commit({"readings/store.py": text}, "Let a value be missing")
    return repo
