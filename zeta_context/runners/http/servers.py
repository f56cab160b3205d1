"""The model servers that can be asked: where, with which fields, and how their answers read.

A new server is a row of `SERVERS`. Knows nothing of connections.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zeta_context.errors import SettingsError
from zeta_context.runners.base import CompletionRequest
from zeta_context.runners.http.answers import Reader, read_choice, read_content, read_response

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKind:
    """One API of a model server.

    `path` is where it answers, unless the user's endpoint says another; `write` gives the fields
    of a request without the model's name, `read` what a message of the answer says. `extra` are
    fields that this server has and others may refuse. A server that `takes_prediction` is sent the
    likeliest answer as OpenAI's predicted output. `prefill` gives the fields that make it read a
    prompt ahead of time, None where that cannot be asked.
    """

    name: str
    title: str
    path: str
    write: Callable[[CompletionRequest], Fields]
    read: Reader
    extra: Mapping[str, Any] = field(default_factory=dict)
    takes_prediction: bool = False
    prefill: Mapping[str, Any] | None = None

    def body(self, request: CompletionRequest, *, model: str, options: Mapping[str, Any]) -> bytes:
        """The request in JSON. `options` are the user's own fields; one that is None removes one.

        Raises SettingsError when the prompt is not of the format that this server wants.
        """
        fields = self.write(request)
        if model:
            fields["model"] = model
        fields.update(self.extra)
        if self.takes_prediction and request.guesses:
            fields["prediction"] = {"type": "content", "content": request.guesses[0]}
        fields.update(options)
        wanted = {name: value for name, value in fields.items() if value is not None}
        # Lone surrogates cannot be sent as UTF-8, but as escapes they can.
        return json.dumps(wanted, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _completion(request: CompletionRequest) -> Fields:
    return {
        "prompt": request.prompt,
        "max_tokens": request.max_output_tokens,
        "temperature": 0,
        "stop": list(request.stop) or None,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _chat(request: CompletionRequest) -> Fields:
    fields = _completion(request)
    del fields["prompt"]
    turns = [{"role": one.role, "content": one.content} for one in request.messages]
    fields["messages"] = turns or [{"role": "user", "content": request.prompt}]
    return fields


def _edit(request: CompletionRequest) -> Fields:
    """One message of the user's; the server adds its own instructions and takes no stop string."""
    fields = _chat(request)
    fields["messages"] = [one for one in fields["messages"] if one["role"] == "user"][-1:]
    return {**fields, "stop": None, "stream_options": None, "stream": None}


def _infill(request: CompletionRequest) -> Fields:
    try:
        parts = json.loads(request.prompt)
        fields = {name: parts[name] for name in ("input_prefix", "input_suffix", "input_extra")}
    except (ValueError, KeyError, TypeError):
        raise SettingsError("an /infill server needs the prompt format `llama-infill`") from None
    return {
        **fields,
        "prompt": str(parts.get("prompt", "")),
        "n_predict": request.max_output_tokens,
        "temperature": 0,
        "stop": list(request.stop) or None,
        "stream": True,
        "cache_prompt": True,
    }


def _generate(request: CompletionRequest) -> Fields:
    """Ollama without its template: the prompt format is ours."""
    return {
        "prompt": request.prompt,
        "raw": True,
        "stream": True,
        "options": {
            "temperature": 0,
            "num_predict": request.max_output_tokens,
            "stop": list(request.stop),
        },
    }


def _own(request: CompletionRequest) -> Fields:
    """Everything that a runner in this process would be told."""
    return {
        **_completion(request),
        "zeta": {
            "guesses": list(request.guesses),
            "reference": request.reference,
            "substitutions": [list(pair) for pair in request.substitutions],
            "texts": list(request.texts),
        },
    }


SERVERS: Mapping[str, ServerKind] = {
    one.name: one
    for one in (
        ServerKind(
            name="openai",
            title="any OpenAI-compatible server",
            path="/v1/completions",
            write=_completion,
            read=read_choice,
        ),
        ServerKind(
            name="chat",
            title="any OpenAI-compatible server, for chat models",
            path="/v1/chat/completions",
            write=_chat,
            read=read_choice,
        ),
        ServerKind(
            name="openai-predicted",
            title="OpenAI chat with predicted outputs",
            path="/v1/chat/completions",
            write=_chat,
            read=read_choice,
            takes_prediction=True,
        ),
        ServerKind(
            name="fireworks",
            title="Fireworks, with predicted outputs",
            path="/inference/v1/completions",
            write=_completion,
            read=read_choice,
            takes_prediction=True,
        ),
        ServerKind(
            name="vllm",
            title="vLLM (started with --speculative-config for n-gram drafts)",
            path="/v1/completions",
            write=_completion,
            read=read_choice,
            extra={"skip_special_tokens": False},
        ),
        ServerKind(
            name="sglang",
            title="SGLang (started with --speculative-algorithm NGRAM for n-gram drafts)",
            path="/v1/completions",
            write=_completion,
            read=read_choice,
            extra={"skip_special_tokens": False},
        ),
        ServerKind(
            name="llama-server",
            title="llama.cpp's server (started with --spec-type ngram-mod for n-gram drafts)",
            path="/v1/completions",
            write=_completion,
            read=read_choice,
            extra={"cache_prompt": True, "speculative.n_max": 48, "speculative.n_min": 0},
            prefill={"max_tokens": 0, "n_predict": 0, "stream": False, "stream_options": None},
        ),
        ServerKind(
            name="infill",
            title="llama.cpp's fill-in-the-middle",
            path="/infill",
            write=_infill,
            read=read_content,
            extra={"speculative.n_max": 48, "speculative.n_min": 0},
        ),
        ServerKind(
            name="ollama",
            title="Ollama, in raw mode",
            path="/api/generate",
            write=_generate,
            read=read_response,
        ),
        ServerKind(
            name="lmstudio",
            title="LM Studio",
            path="/v1/completions",
            write=_completion,
            read=read_choice,
        ),
        ServerKind(
            name="mercury",
            title="Mercury's edit API",
            path="/v1/edit/completions",
            write=_edit,
            read=read_choice,
        ),
        ServerKind(
            name="shared",
            title="`zeta-context model serve`",
            path="/v1/completions",
            write=_own,
            read=read_choice,
            prefill={"max_tokens": 0, "stream": False, "stream_options": None, "zeta": None},
        ),
    )
}


def find_server(name: str) -> ServerKind:
    """The row of a name; raises SettingsError, which lists them."""
    found = SERVERS.get(name)
    if found is None:
        raise SettingsError(f"api = {name!r} is no known server: {', '.join(SERVERS)}")
    return found
