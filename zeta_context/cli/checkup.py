"""Looks at everything that `zeta-context doctor` tells, as plain data, with a mend for each fault.

Asks the machine, the current project and the user's running sessions. Changes nothing and knows
nothing of how it is shown.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zeta_context import __version__
from zeta_context.cli.model_choice import describe_model
from zeta_context.config_file import config_path
from zeta_context.counts import RECENT_REASONS, Counts
from zeta_context.errors import RepositoryError, SettingsError
from zeta_context.events.language import language_of
from zeta_context.installation import find_installation, install_command
from zeta_context.lsp.servers import KNOWN_SERVERS, find_installed, servers_for
from zeta_context.repository.worktree import NotOurs, Worktree, find
from zeta_context.status import Status, read_statuses, status_folder

LIBRARIES = ("pygit2", "GitPython", "pygls", "lsprotocol", "tree-sitter", "watchdog", "msgpack")
MAX_SESSIONS_TOLD = 8
MIN_SHARE = 0.2
"""The share of a project's files that makes a language worth a server of its own."""

_GIT_MENDS = {
    "no_repository": 'git init && git add --all && git commit -m "Begin"',
    "other_owner": "git config --global --add safe.directory {folder}",
}


def examine(folder: Path, *, now: float | None = None) -> dict[str, Any]:
    """The state of the installation, of the project at `folder`, and of the running sessions.

    `faults` are pairs of what is wrong and the command that mends it.
    """
    faults: list[dict[str, str]] = []
    counts = Counts()
    versions = _find_versions(faults)
    worktree = find(folder)
    project = _describe_project(worktree, folder, faults)
    languages = _count_languages(worktree)
    servers = _describe_servers(worktree, languages, faults)
    model, problem = describe_model()
    if problem is not None:
        _add_fault(faults, *problem)
    sessions = _describe_sessions(read_statuses(counts=counts), time.time() if now is None else now)
    if counts.total("status_folder_not_private"):
        mend = f"chmod 700 {shlex.quote(str(status_folder()))}"
        _add_fault(faults, "others could use the folder of the status sockets", mend)
    return {
        "schema": 1,
        "versions": versions,
        "predictions": _describe_gating(),
        "project": project,
        "languages": languages,
        "servers": servers,
        "model": model,
        "collection": _describe_collection(folder),
        "sessions": sessions[:MAX_SESSIONS_TOLD],
        "sessions_not_told": max(len(sessions) - MAX_SESSIONS_TOLD, 0),
        "status_reasons": counts.totals(),
        "faults": faults,
    }


def _describe_collection(folder: Path) -> dict[str, str]:
    """Whether examples are collected in a project, and why or why not, also in words."""
    from zeta_context.cli.consent_words import explain_state
    from zeta_context.consent.gate import find_state
    from zeta_context.consent.licenses import find_evidence
    from zeta_context.consent.project_gate import ProjectGate
    from zeta_context.settings import load_settings

    try:
        collection = load_settings().settings.collection
    except SettingsError:
        return {
            "state": "off",
            "reason": "configuration_unreadable",
            "words": "nothing, by default",
        }
    facts = ProjectGate(folder, collection, find_evidence=find_evidence).collect()
    state, reason = find_state(facts)
    return {"state": state, "reason": reason, "words": explain_state(state, reason)}


def _add_fault(faults: list[dict[str, str]], what: str, mend: str) -> None:
    faults.append({"what": what, "mend": mend})


def _describe_gating() -> str:
    """Whether and how predictions are shown; a file that cannot be used is told of elsewhere."""
    from zeta_context.settings import load_settings

    try:
        gating = load_settings().settings.predict.gating
    except SettingsError:
        return "eager"
    if not gating.enabled:
        return f"off: `enabled = false` under [predict] in {config_path().name}"
    off = (*gating.off_languages, *gating.off_paths)
    return gating.mode + (f", not in {', '.join(off)}" if off else "")


def _find_versions(faults: list[dict[str, str]]) -> dict[str, str | None]:
    versions: dict[str, str | None] = {
        "zeta_context": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
            _add_fault(faults, f"{name} is not installed", install_command())
    return versions


def _describe_project(
    worktree: Worktree | NotOurs, folder: Path, faults: list[dict[str, str]]
) -> dict[str, Any]:
    if isinstance(worktree, NotOurs):
        mend = _GIT_MENDS.get(worktree.reason, worktree.detail)
        mend = mend.format(folder=shlex.quote(str(folder)))
        _add_fault(faults, f"no git state here ({worktree.reason})", mend)
        return {"reason": worktree.reason, "detail": worktree.detail}
    try:
        head, status = worktree.head(), worktree.status()
    except RepositoryError as error:
        _add_fault(faults, "git state cannot be read", str(error))
        return {"reason": "unreadable", "detail": str(error)}
    if head.is_unborn:
        mend = 'git commit --allow-empty -m "Begin"'
        _add_fault(faults, "nothing is committed yet, so no change can be told", mend)
    return {
        "name": worktree.name,
        "head": head.sha,
        "branch": head.branch,
        "is_detached": head.is_detached,
        "staged": len(status.staged),
        "modified": len(status.modified),
        "deleted": len(status.deleted),
        "untracked": len(status.untracked),
        "conflicted": len(status.conflicted),
        "skipped": {reason: n for reason, n in status.skipped.items() if n},
    }


def _count_languages(worktree: Worktree | NotOurs) -> dict[str, int]:
    """The languages of the tracked files that some known server could serve, most files first."""
    if isinstance(worktree, NotOurs):
        return {}
    try:
        paths = worktree.tracked_paths()
    except RepositoryError:
        return {}  # told as a fault by the project's own state
    counted = Counter(language_of(path) for path in paths)
    return {language: n for language, n in counted.most_common() if servers_for(language)}


def _describe_servers(
    worktree: Worktree | NotOurs, languages: Mapping[str, int], faults: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """The known servers that are installed, and those missing for the project's languages."""
    root = worktree.root if isinstance(worktree, Worktree) else None
    installed = {
        server.name for server in KNOWN_SERVERS if find_installed(server, root=root) is not None
    }
    for language, n_files in languages.items():
        fitting = servers_for(language)
        is_worth_it = n_files >= MIN_SHARE * sum(languages.values())
        if is_worth_it and not any(server.name in installed for server in fitting):
            what = f"no language server for {language}: no definitions in the context"
            _add_fault(faults, what, find_installation().program_command(fitting[0].install))
    return [
        {
            "name": server.name,
            "languages": list(server.languages),
            "has_definitions": server.has_definitions,
            "runs_project_code": server.runs_project_code,
        }
        for server in KNOWN_SERVERS
        if server.name in installed
    ]


def _describe_sessions(statuses: Iterable[Status], now: float) -> list[dict[str, Any]]:
    """What the sessions told, with ages in seconds for times; the unexpected is left out."""
    told = []
    for status in statuses:
        fields = status.fields
        projects = fields.get("projects")
        totals = fields.get("totals")
        recent = fields.get("recent")
        told.append(
            {
                "pid": status.pid,
                "error": str(fields["error"]) if "error" in fields else None,
                "projects": [str(name) for name in projects] if isinstance(projects, list) else [],
                "documents": fields.get("documents"),
                "latency_ms": _numbers(fields.get("latency_ms")),
                "rates": _numbers(fields.get("rates")),
                "memory_mb": next(iter(_numbers({"": fields.get("memory_mb")}).values()), None),
                "totals": {str(name): n for name, n in totals.items() if isinstance(n, int)}
                if isinstance(totals, dict)
                else {},
                "recent": _describe_reasons(recent if isinstance(recent, list) else [], now),
            }
        )
    return told


def _numbers(told: object) -> dict[str, float]:
    """The numbers of an object by name; the unexpected is left out."""
    if not isinstance(told, Mapping):
        return {}
    return {
        str(name): value
        for name, value in told.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _describe_reasons(recent: list[Any], now: float) -> list[dict[str, Any]]:
    return [
        {
            "age_s": round(max(now - float(reason["at"]), 0.0), 1),
            "reason": str(reason["name"]),
            "place": str(reason.get("place", "")),
        }
        for reason in recent[-RECENT_REASONS:]
        if isinstance(reason, dict)
        and isinstance(reason.get("at"), int | float)
        and isinstance(reason.get("name"), str)
    ]
