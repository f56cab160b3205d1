"""What the messages of model servers say: text, why it ended, what it took.

One reader for each shape in use. Knows nothing of how messages travel. A message of another shape
is BadAnswer, whose text never repeats the message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zeta_context.errors import BadAnswer, ContextOverflow, RunnerGone
from zeta_context.prompt.format import FinishReason
from zeta_context.runners.base import Usage

_FINISHED: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "word": "stop",
    "length": "length",
    "max_tokens": "length",
    "limit": "length",
}
"""How servers name the two ways to end; any other (a filter, an abort) is no completion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of an answer: more text, or how it ended and what it took."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    model: str = ""
    mean_logprob: float | None = None


Reader = Callable[[Mapping[str, Any]], Piece]


def read_choice(message: Mapping[str, Any]) -> Piece:
    """OpenAI's completions and chat, whole or streamed, and what llama-server adds to it."""
    _refuse_error(message)
    choices = message.get("choices")
    usage = _openai_usage(message)
    own = message.get("zeta")
    logprob = own.get("mean_logprob") if isinstance(own, dict) else None
    if isinstance(choices, list) and not choices and usage is not None:
        # The last message of a stream holds the usage alone.
        return Piece(usage=usage, mean_logprob=_finite(logprob))
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BadAnswer("the server's answer holds no choices")
    choice = choices[0]
    for part in ("delta", "message"):
        if isinstance(choice.get(part), dict):
            text = choice[part].get("content")
            break
    else:
        text = choice.get("text")
    if text is not None and not isinstance(text, str):
        raise BadAnswer("the text of the server's answer is no text")
    if text is None and "text" not in choice and not {"delta", "message"} & set(choice):
        raise BadAnswer("the server's answer holds no text")
    return Piece(
        text=text or "",
        finish_reason=_finish_reason(choice.get("finish_reason")),
        usage=usage,
        model=_short(message.get("model")),
        mean_logprob=_finite(logprob),
    )


def read_content(message: Mapping[str, Any]) -> Piece:
    """llama.cpp's own API, of which `/infill` is a part."""
    _refuse_error(message)
    text = message.get("content")
    if not isinstance(text, str):
        raise BadAnswer("the server's answer holds no content")
    if message.get("stop") is not True:
        return Piece(text=text)
    reason = message.get("stop_type")
    if reason is None:  # older servers tell by three flags
        reason = "limit" if message.get("stopped_limit") or message.get("truncated") else "eos"
    return Piece(
        text=text,
        finish_reason=_finish_reason(reason),
        usage=_timings(message.get("timings"), Usage()),
        model=_short(message.get("model")),
    )


def read_response(message: Mapping[str, Any]) -> Piece:
    """Ollama's `/api/generate`; its times are nanoseconds."""
    _refuse_error(message)
    text = message.get("response")
    if not isinstance(text, str):
        raise BadAnswer("the server's answer holds no response")
    if message.get("done") is not True:
        return Piece(text=text)
    return Piece(
        text=text,
        finish_reason=_finish_reason(message.get("done_reason", "stop")),
        model=_short(message.get("model")),
        usage=Usage(
            prompt_tokens=_count(message.get("prompt_eval_count")),
            output_tokens=_count(message.get("eval_count")),
            prefill_ms=_number(message.get("prompt_eval_duration")) / 1e6,
            decode_ms=_number(message.get("eval_duration")) / 1e6,
        ),
    )


def read_refusal(status: int, message: Mapping[str, Any]) -> Exception:
    """The error that an answer with an HTTP status of 400 and more stands for.

    The server's own words are looked at, never repeated: they may quote the prompt.
    """
    error = message.get("error", message)
    words = (
        " ".join(str(error.get(key, "")) for key in ("type", "code", "message")).lower()
        if isinstance(error, dict)
        else str(error).lower()
    )
    if any(
        sign in words
        for sign in ("context length", "context size", "context_size", "context_length")
    ):
        return ContextOverflow("the prompt does not fit the server's context window")
    if status in (401, 403):
        return RunnerGone(f"the server refused the key (HTTP {status})")
    if status == 404:
        return RunnerGone("the server has no such path or model (HTTP 404)")
    if status >= 500:
        return RunnerGone(f"the server failed (HTTP {status})")
    return BadAnswer(f"the server refused the request (HTTP {status})")


def _refuse_error(message: Mapping[str, Any]) -> None:
    if message.get("error"):
        raise read_refusal(500, message)


def _finish_reason(value: object) -> FinishReason | None:
    if value is None or value == "":
        return None
    reason = _FINISHED.get(value) if isinstance(value, str) else None
    if reason is None:
        raise BadAnswer("the server ended its answer for a reason that is no completion")
    return reason


def _openai_usage(message: Mapping[str, Any]) -> Usage | None:
    fields = message.get("usage")
    if not isinstance(fields, dict):
        timings = message.get("timings")
        return _timings(timings, Usage()) if isinstance(timings, dict) else None
    own = message.get("zeta")
    if isinstance(own, dict) and isinstance(own.get("usage"), dict):
        return _own_usage(own["usage"])
    prompt = fields.get("prompt_tokens_details")
    output = fields.get("completion_tokens_details")
    accepted = _count(output.get("accepted_prediction_tokens")) if isinstance(output, dict) else 0
    rejected = _count(output.get("rejected_prediction_tokens")) if isinstance(output, dict) else 0
    usage = Usage(
        prompt_tokens=_count(fields.get("prompt_tokens")),
        output_tokens=_count(fields.get("completion_tokens")),
        cached_tokens=_count(prompt.get("cached_tokens")) if isinstance(prompt, dict) else 0,
        drafted=accepted + rejected,
        accepted=accepted,
    )
    return _timings(message.get("timings"), usage)


def _own_usage(fields: Mapping[str, Any]) -> Usage:
    """Everything, as another process of ours tells it."""
    known: dict[str, Any] = {
        name: (_number if name.endswith("_ms") else _count)(fields.get(name))
        for name in Usage.__dataclass_fields__
    }
    return Usage(**known)


def _timings(timings: object, usage: Usage) -> Usage:
    """What llama-server says of a request, where it says it."""
    if not isinstance(timings, dict):
        return usage
    cached = _count(timings.get("cache_n")) or usage.cached_tokens
    return Usage(
        prompt_tokens=usage.prompt_tokens or _count(timings.get("prompt_n")) + cached,
        cached_tokens=cached,
        output_tokens=usage.output_tokens or _count(timings.get("predicted_n")),
        drafted=_count(timings.get("draft_n")) or usage.drafted,
        accepted=_count(timings.get("draft_n_accepted")) or usage.accepted,
        prefill_ms=_number(timings.get("prompt_ms")),
        decode_ms=_number(timings.get("predicted_ms")),
    )


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _number(value: object) -> float:
    return max(0.0, _finite(value) or 0.0)


def _finite(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None
    return number if number is not None and math.isfinite(number) else None


def _short(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""
