"""Whether the user has turned predictions off altogether: then nothing is started for them."""

from __future__ import annotations

from zeta_context.config_file import config_path
from zeta_context.errors import SettingsError


def is_off() -> bool:
    """Whether `enabled = false` holds; a file that cannot be used turns nothing off.

    The settings are loaded only where the file speaks of that at all.
    """
    try:
        if b"enabled" not in config_path().read_bytes():
            return False
    except OSError:
        return False
    from zeta_context.settings import load_settings

    try:
        return not load_settings().settings.predict.gating.enabled
    except SettingsError:
        return False
