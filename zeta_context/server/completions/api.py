"""What OpenAI's completions API says, in both directions, with what our own programs add to it.

Source: the API reference of /v1/completions; its extension `zeta` is ours. Knows nothing of
connections or queues. An error never repeats what a request said.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zeta_context.errors import (
    ContextOverflow,
    ModelRefused,
    OutOfMemory,
    RunnerBusy,
    RunnerGone,
    RunnerTimeout,
)
from zeta_context.runners.base import Cancelled, Completion, CompletionRequest

MAX_OUTPUT_TOKENS = 8_192
DEFAULT_OUTPUT_TOKENS = 512
"""OpenAI's own default of 16 would cut off every edit."""

_MAX_STOPS = 32
_MAX_GUESSES = 8


class BadRequest(Exception):
    """A request that cannot be answered; the text says which field and what it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client wants. With `is_prefill` the prompt is only read, nothing is written."""

    request: CompletionRequest
    client: str
    stream: bool
    include_usage: bool
    is_prefill: bool


def read_request(body: bytes) -> Asked:
    """What a request's JSON asks for; raises BadRequest.

    Sampling is not offered: the likeliest output is given, whatever the temperature. Names of
    models are not compared, since there is one.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is no JSON") from None
    if not isinstance(fields, dict):
        raise BadRequest("the body is no JSON object")
    for name in ("n", "best_of"):
        if fields.get(name) not in (None, 1):
            raise BadRequest(f"{name} is 1: the likeliest output is the only one")
    for name in ("suffix", "echo", "logprobs"):
        if fields.get(name):
            raise BadRequest(f"{name} is not offered: put all of it into the prompt")
    wanted = _integer(fields, "max_tokens", DEFAULT_OUTPUT_TOKENS)
    options = fields.get("stream_options")
    known = _known_of_answer(fields)
    return Asked(
        request=CompletionRequest(
            prompt=_prompt(fields.get("prompt")),
            stop=_stop(fields.get("stop")),
            max_output_tokens=max(1, min(wanted, MAX_OUTPUT_TOKENS)),
            **known,
        ),
        client=fields["user"][:200] if isinstance(fields.get("user"), str) else "",
        stream=fields.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        is_prefill=wanted == 0,
    )


def _prompt(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        raise BadRequest("prompt is one string; tokens and several prompts are not taken")
    return value


def _stop(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value if value is not None else []
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise BadRequest("stop is a string or a list of strings")
    if len(stops) > _MAX_STOPS:
        raise BadRequest(f"stop has at most {_MAX_STOPS} strings")
    return tuple(one for one in stops if one)


def _integer(fields: Mapping[str, Any], name: str, default: int) -> int:
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadRequest(f"{name} is a whole number from 0 on")
    return value


def _known_of_answer(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the answer: from our own programs, or OpenAI's predicted output."""
    prediction = fields.get("prediction")
    if isinstance(prediction, dict) and isinstance(prediction.get("content"), str):
        return {"guesses": (prediction["content"],)}
    own = fields.get("zeta")
    if own is None:
        return {}
    try:
        return {
            "guesses": tuple(str(one) for one in own.get("guesses", ())[:_MAX_GUESSES]),
            "reference": str(own.get("reference", "")),
            "substitutions": tuple(
                (str(old), str(new)) for old, new in own.get("substitutions", ())
            ),
            "texts": tuple(str(one) for one in own.get("texts", ())[:_MAX_GUESSES]),
        }
    except (AttributeError, TypeError, ValueError):
        raise BadRequest("zeta holds guesses, reference, substitutions and texts") from None


class Writer:
    """Writes the answers to one request."""

    def __init__(self, identifier: str, model: str, asked: Asked) -> None:
        self._head = {
            "id": f"cmpl-{identifier}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._asked = asked

    def whole(self, completion: Completion) -> bytes:
        """The answer in one piece."""
        return _json(
            {
                **self._head,
                "choices": [_choice(completion.text, completion.finish_reason)],
                **_usage(completion),
            }
        )

    def piece(self, text: str) -> bytes:
        """More text of a streamed answer."""
        return _event({**self._head, "choices": [_choice(text, None)]})

    def end(self, rest: str, completion: Completion) -> bytes:
        """What ends a streamed answer, with the text that was not told yet."""
        last = {**self._head, "choices": [_choice(rest, completion.finish_reason)]}
        usage = {**self._head, "choices": [], **_usage(completion)}
        told = (last, usage) if self._asked.include_usage else (last,)
        return b"".join(map(_event, told)) + b"data: [DONE]\n\n"


def models(name: str, created: int) -> bytes:
    """The answer to /v1/models."""
    card = {"id": name, "object": "model", "created": created, "owned_by": "user"}
    return _json({"object": "list", "data": [card]})


def error_body(message: str, kind: str, code: str | None = None) -> bytes:
    """An error, in the shape that clients of the API know."""
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}})


def error_event(message: str, kind: str) -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + error_body(message, kind) + b"\n\n"


def describe(error: Exception | Cancelled) -> tuple[int, str, str]:
    """HTTP status, machine-readable kind and sentence for what came instead of an answer."""
    if isinstance(error, Cancelled):
        status = 503 if error.reason == "closed" else 409
        return status, error.reason, f"the request was {error.reason}"
    known: tuple[tuple[type[Exception], int, str], ...] = (
        (BadRequest, 400, "invalid_request_error"),
        (ContextOverflow, 400, "context_length_exceeded"),
        (RunnerBusy, 429, "busy"),
        (RunnerTimeout, 504, "timeout"),
        (OutOfMemory, 503, "out_of_memory"),
        (ModelRefused, 503, "model_refused"),
        (RunnerGone, 502, "model_gone"),
    )
    for kind, status, name in known:
        if isinstance(error, kind):
            return status, name, str(error)
    return 500, "server_error", f"the model failed ({type(error).__name__})"


def _choice(text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}


def _usage(completion: Completion) -> dict[str, Any]:
    usage = completion.usage
    return {
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.prompt_tokens + usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        },
        "zeta": {"usage": asdict(usage), "mean_logprob": completion.mean_logprob},
    }


def _event(message: Mapping[str, Any]) -> bytes:
    return b"data: " + _json(message) + b"\n\n"


def _json(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode("ascii")
