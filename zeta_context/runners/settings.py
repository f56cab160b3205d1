"""Which model answers, and where: the settings of the runners.

They come from the embedder or the user's own configuration, never from a repository. Knows no
runner; `opening` makes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

RunnerKind = Literal["none", "local", "http", "shared", "cassette"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The model to ask; the default is none at all.

    `runner` is told by what else is set where it is empty: an `endpoint` is asked over HTTP, a
    `path` (a directory, a GGUF file, a cassette) or an `id` of an installed model is loaded here;
    `shared` asks `zeta-context model serve`. `format` is the prompt format, by default the known
    model's own. `api` names the kind of server, `options` are further fields of its requests,
    `api_key_env` the environment variable that holds the key, never the key itself. A request ends
    after `timeout_ms`; a model that nobody asks is unloaded after `idle_unload_minutes`.
    """

    runner: RunnerKind | Literal[""] = ""
    id: str = ""
    path: str = ""
    format: str = ""
    endpoint: str = ""
    api: str = "openai"
    api_key_env: str = ""
    timeout_ms: float = 20_000.0
    idle_unload_minutes: float = 15.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """What the model is called: its id, or the name of its file or folder."""
        path = PurePath(self.path)
        return self.id or (path.stem if path.suffix in (".gguf", ".jsonl") else path.name)

    @property
    def kind(self) -> RunnerKind:
        """The runner that is meant."""
        if self.runner:
            return self.runner
        if self.endpoint:
            return "http"
        if self.path:
            return "cassette" if self.path.endswith(".jsonl") else "local"
        return "local" if self.id else "none"
