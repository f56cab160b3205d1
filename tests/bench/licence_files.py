"""Licence files of packages that happen to be installed: what the matcher is measured on.

Finds them in `site-packages` and `node_modules`, with the licence that the package declares. Knows
nothing of how licences are told.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

_NAME = re.compile(r"(?:un)?licen[sc]es?|copying|mit-license|license-mit", re.IGNORECASE)
_NO_TEXT = (".js", ".json", ".ts", ".py", ".map", ".rb", ".html")


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceFile:
    """One file, the package it came with, and the licence that the package declares."""

    package: str
    declared: str
    path: Path


def find_all(folder: Path) -> Iterator[LicenceFile]:
    """The licence files of all packages below a folder that have exactly one."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        here = Path(place)
        if "package.json" in names and "node_modules" in here.parts:
            yield from _node(here, names)
        if here.suffix == ".dist-info" and "METADATA" in names:
            yield from _wheel(here)


def _node(folder: Path, names: list[str]) -> Iterator[LicenceFile]:
    if folder.parent.name != "node_modules" and not folder.parent.name.startswith("@"):
        return
    try:
        table = json.loads((folder / "package.json").read_bytes())
        declared = table.get("license", "")
    except (OSError, ValueError, AttributeError):
        return
    if isinstance(declared, dict):
        declared = declared.get("type", "")
    files = [name for name in names if _is_licence(name)]
    if isinstance(declared, str) and len(files) == 1:
        package = f"npm:{table.get('name', folder.name)}"
        yield LicenceFile(package=package, declared=declared.strip("() "), path=folder / files[0])


def _wheel(folder: Path) -> Iterator[LicenceFile]:
    headers = BytesHeaderParser().parsebytes((folder / "METADATA").read_bytes())
    declared = headers.get("License-Expression") or headers.get("License") or ""
    classifiers = [c for c in headers.get_all("Classifier") or () if c.startswith("License ::")]
    files = [path for path in folder.rglob("*") if path.is_file() and _is_licence(path.name)]
    if len(files) == 1:
        if (not declared or len(declared) > 60) and classifiers:
            declared = classifiers[0].rpartition("::")[2].strip()
        yield LicenceFile(package=f"pypi:{headers['Name']}", declared=declared, path=files[0])


def _is_licence(name: str) -> bool:
    return bool(_NAME.match(name)) and not name.lower().endswith(_NO_TEXT)
