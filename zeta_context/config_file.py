"""Where the user's configuration file is. Light: processes that start often look there."""

from __future__ import annotations

import os
from pathlib import Path

CONFIG_VARIABLE = "ZETA_CONTEXT_CONFIG"
"""An environment variable that names another configuration file."""


def config_path() -> Path:
    """The user's configuration file, which need not exist."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("zeta-context", appauthor=False) / "config.toml"
