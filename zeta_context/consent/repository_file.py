"""What a repository says about itself in `.zeta_context.toml`: it can only narrow.

The keys are a closed list. One that is unknown, or that would allow something, is ignored and
counted; a file that cannot be read narrows all it can. Knows nothing of the user's own settings.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from zeta_context.counts import Counts

REPOSITORY_FILE = ".zeta_context.toml"
MAX_GLOBS = 1000
_NARROWING = {"collect": False, "remote": False}
"""Keys and the only value each may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRules:
    """What a repository forbids: `exclude` are globs as in a `.gitignore` beside the file.

    `is_unreadable`: the file is there and says nothing that can be relied upon.
    """

    exclude: tuple[str, ...] = ()
    forbids_collection: bool = False
    forbids_remote: bool = False
    is_unreadable: bool = False


NO_RULES = RepositoryRules()
UNREADABLE = RepositoryRules(forbids_collection=True, forbids_remote=True, is_unreadable=True)


def parse_repository_file(content: bytes, counts: Counts) -> RepositoryRules:
    """The rules that a file's content is.

    Counts `repository_setting_ignored` once for any number of keys that are not on the list.
    """
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return UNREADABLE
    globs = data.get("exclude", [])
    exclude = _globs(globs)
    ignored = [key for key in data if not _is_narrowing(key, data[key])]
    if ignored:
        counts.note("repository_setting_ignored", place=REPOSITORY_FILE)
    if exclude is None:
        return UNREADABLE
    return RepositoryRules(
        exclude=exclude,
        forbids_collection=data.get("collect") is False,
        forbids_remote=data.get("remote") is False,
    )


def _globs(value: Any) -> tuple[str, ...] | None:
    """The globs of `exclude`; None when they cannot all be honoured.

    One that begins with `!` would take back what another excludes, so it is left out.
    """
    if not isinstance(value, list) or len(value) > MAX_GLOBS:
        return None
    if not all(isinstance(glob, str) for glob in value):
        return None
    return tuple(glob for glob in value if not glob.startswith("!"))


def _is_narrowing(key: str, value: Any) -> bool:
    if key == "exclude":
        return not isinstance(value, list) or not any(
            isinstance(glob, str) and glob.startswith("!") for glob in value
        )
    return key in _NARROWING and value is _NARROWING[key]
