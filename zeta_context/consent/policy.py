"""What an organisation forbids: read from a file of the machine's administrator, it only tightens.

Policies combine by `meet`: the result allows what both allow. Knows nothing of users' consent.
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeta_context.consent.safe_read import CannotRead, read_small_file

POLICY_SCHEMA = 1
LONGEST_RETENTION_S = 14 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is allowed at most; the default forbids nothing.

    `servers` and `licences` are the only ones allowed, None for any. `hold_back_s` is how long an
    example waits at least before it may be sent, `retention_s` how long it is kept at most.
    """

    allows_collection: bool = True
    allows_settled_text: bool = True
    allows_remote: bool = True
    servers: frozenset[str] | None = None
    licences: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    hold_back_s: float = 0.0
    retention_s: float = LONGEST_RETENTION_S
    is_unreadable: bool = False

    def meet(self, other: Policy) -> Policy:
        """The policy that allows what both allow."""
        return Policy(
            allows_collection=self.allows_collection and other.allows_collection,
            allows_settled_text=self.allows_settled_text and other.allows_settled_text,
            allows_remote=self.allows_remote and other.allows_remote,
            servers=_both(self.servers, other.servers),
            licences=_both(self.licences, other.licences),
            exclude=self.exclude | other.exclude,
            hold_back_s=max(self.hold_back_s, other.hold_back_s),
            retention_s=min(self.retention_s, other.retention_s),
            is_unreadable=self.is_unreadable or other.is_unreadable,
        )


NO_POLICY = Policy()
FORBIDS_ALL = Policy(
    allows_collection=False,
    allows_settled_text=False,
    allows_remote=False,
    servers=frozenset(),
    licences=frozenset(),
    is_unreadable=True,
)


_SWITCHES = {
    "collection": "allows_collection",
    "settled_text": "allows_settled_text",
    "remote_models": "allows_remote",
}


def policy_paths() -> tuple[Path, ...]:
    """Where policies are looked for; no environment variable moves them."""
    if sys.platform == "win32":
        return (Path(r"C:\ProgramData\zeta_context\policy.toml"),)
    found = [Path("/etc/zeta_context/policy.toml")]
    if sys.platform == "darwin":
        found.append(Path("/Library/Application Support/zeta_context/policy.toml"))
    return tuple(found)


def load_policy(paths: tuple[Path, ...] | None = None) -> Policy:
    """All policies together; one that cannot be relied upon forbids everything."""
    found = NO_POLICY
    for path in policy_paths() if paths is None else paths:
        found = found.meet(_load_one(path))
    return found


def parse_policy(content: bytes) -> Policy:
    """The policy that a file's content is; one with an unknown key or schema forbids everything."""
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return FORBIDS_ALL
    if table.pop("schema", None) != POLICY_SCHEMA:
        return FORBIDS_ALL
    policy = NO_POLICY
    for key, value in table.items():
        narrowed = _narrow(key, value)
        if narrowed is None:
            return FORBIDS_ALL
        policy = policy.meet(narrowed)
    return policy


def _load_one(path: Path) -> Policy:
    try:
        if not os.path.lexists(path):
            return NO_POLICY
        facts = path.lstat()
        is_ours = stat.S_ISREG(facts.st_mode)
        if os.name == "posix":
            is_ours = is_ours and not stat.S_IMODE(facts.st_mode) & 0o022
        content = read_small_file(path) if is_ours else None
    except (OSError, CannotRead):
        return FORBIDS_ALL
    return FORBIDS_ALL if content is None else parse_policy(content)


def _narrow(key: str, value: Any) -> Policy | None:
    """The policy that one line of the file is; None when it says nothing that we know."""
    if key in _SWITCHES and isinstance(value, bool):
        switch: dict[str, Any] = {_SWITCHES[key]: value}
        return Policy(**switch)
    if key == "hold_back_hours" and _is_number(value):
        return Policy(hold_back_s=value * 3600.0)
    if key == "retention_days" and _is_number(value):
        return Policy(retention_s=min(LONGEST_RETENTION_S, value * 86_400.0))
    if key in ("servers", "licences", "exclude") and _are_words(value):
        words: dict[str, Any] = {key: frozenset(value)}
        return Policy(**words)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) and one and not one.startswith("!") for one in value
    )


def _both(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b
