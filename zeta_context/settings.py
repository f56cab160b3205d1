"""Composes the settings of the packages below; each package owns its own.

They come from the embedder or from the user's own configuration, never from a repository.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zeta_context.context.gather import ContextSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; the defaults use no model, no language server, no network.

    `offer_status` lets the same user's `zeta-context doctor` ask how the session fares;
    `watch_files` tells what other programs do to the project's files from typing.
    """

    context: ContextSettings = field(default_factory=ContextSettings)
    offer_status: bool = True
    watch_files: bool = True
