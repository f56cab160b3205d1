"""What an editor's `initialize` says: project folders, position encodings, what it can do.

Knows nothing of sessions or streams; whatever is malformed counts as not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zeta_context.lsp import uri as uris
from zeta_context.text.point import Encoding

ENCODINGS: tuple[Encoding, ...] = ("utf-32", "utf-8", "utf-16")


def find_roots(params: Mapping[str, Any]) -> list[Path]:
    """The project folders that an editor names, else the working directory."""
    named: list[Any] = []
    folders = params.get("workspaceFolders")
    for folder in folders if isinstance(folders, list) else ():
        if isinstance(folder, Mapping):
            named.append(folder.get("uri"))
    if not named:
        named.append(params.get("rootUri"))
    roots = [path for uri in named if isinstance(uri, str) and (path := uris.to_path(uri))]
    if not roots and isinstance(params.get("rootPath"), str):
        roots.append(Path(params["rootPath"]))
    return roots or [Path.cwd()]


def choose_encoding(params: Mapping[str, Any]) -> Encoding:
    """Of the encodings that the editor offers the one that costs us least; else UTF-16."""
    general = dig(params, "capabilities", "general")
    offered = general.get("positionEncodings")
    offered = offered if isinstance(offered, list) else []
    return next((encoding for encoding in ENCODINGS if encoding in offered), "utf-16")


def has_document_changes(params: Mapping[str, Any]) -> bool:
    """Whether the editor takes workspace edits that name a document's version."""
    edit = dig(params, "capabilities", "workspace", "workspaceEdit")
    return edit.get("documentChanges") is True


def find_environment(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the editor says of its telemetry switch and of its trust in the workspace."""
    return dig(params, "capabilities", "experimental", "zetaContext")


def dig(value: Any, *names: str) -> dict[str, Any]:
    """An object inside of objects; an empty one where it is missing or something else."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, dict) else {}
