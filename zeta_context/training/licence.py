"""Asks the licence gate about a repository and its files, before any of it becomes an example."""

from __future__ import annotations

from pathlib import Path

from zeta_context.consent.licenses import find_evidence
from zeta_context.errors import RepositoryError
from zeta_context.repository.worktree import NotOurs, Worktree, find


class LicenceGate:
    """Refuses what is not accepted as open source; each file is asked about once."""

    def __init__(self) -> None:
        self._worktree: Worktree | None = None
        self._refusals: dict[str, str | None] = {}

    def refuse_repository(self, root: Path) -> str | None:
        """Why a repository may not be used, or None."""
        found = find(root)
        if isinstance(found, NotOurs):
            return found.detail or found.reason
        self._worktree = found
        evidence = find_evidence(found)
        return None if evidence.is_accepted else evidence.detail or evidence.reason

    def refuse_file(self, path: str) -> str | None:
        """Why a file of the repository may not be used, or None; one that is gone follows the
        repository."""
        if path not in self._refusals:
            self._refusals[path] = self._ask(path)
        return self._refusals[path]

    def _ask(self, path: str) -> str | None:
        if self._worktree is None:
            raise RepositoryError("the licence gate was not asked about the repository first")
        if not (self._worktree.root / path).is_file():
            return None
        evidence = find_evidence(self._worktree, [path])
        return None if evidence.is_accepted else evidence.reason
