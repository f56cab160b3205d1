"""The prompt formats by name. A new format is its own module and a row in `_MODULES`.

Knows nothing of what formats do.
"""

from __future__ import annotations

import importlib
from functools import cache

from zeta_context.errors import SettingsError
from zeta_context.prompt.format import Format

_MODULES = (
    "zeta_context.prompt.formats.zeta2",
    "zeta_context.prompt.formats.multi_region",
    "zeta_context.prompt.formats.merge_markers_prefix",
    "zeta_context.prompt.formats.zeta1",
    "zeta_context.prompt.formats.sweep",
    "zeta_context.prompt.formats.instinct",
    "zeta_context.prompt.formats.mercury",
    "zeta_context.prompt.formats.fim",
)
"""Each has its format as `FORMAT`, or several as `FORMATS`."""


@cache
def formats() -> tuple[Format, ...]:
    """All formats, loaded when first asked for."""
    return tuple(one for module in _MODULES for one in _load(module))


def find_format(name: str) -> Format:
    """The format of a name or alias, in any case, or of a part of one that fits only it.

    Raises SettingsError, which lists the names, when none or several fit.
    """
    wanted = name.strip().lower()
    exact = [one for one in formats() if wanted in _names(one)]
    found = exact or [
        one for one in formats() if wanted and any(wanted in name for name in _names(one))
    ]
    if len(found) == 1:
        return found[0]
    problem = "fits several prompt formats" if found else "is no prompt format"
    known = ", ".join(
        f"{one.name} ({', '.join(one.aliases)})" if one.aliases else one.name
        for one in found or formats()
    )
    raise SettingsError(f"{name!r} {problem}: {known}")


def _load(module: str) -> tuple[Format, ...]:
    loaded = importlib.import_module(module)
    several: tuple[Format, ...] | None = getattr(loaded, "FORMATS", None)
    return (loaded.FORMAT,) if several is None else several


def _names(one: Format) -> tuple[str, ...]:
    return tuple(name.lower() for name in (one.name, *one.aliases))
