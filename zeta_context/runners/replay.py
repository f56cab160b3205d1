"""Answers prompts from a cassette: completions recorded once, found by a digest of the prompt.

For tests, demonstrations and evaluations that must give the same answers on every machine. Knows
nothing of models; what was not recorded has no answer, never a made-up one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zeta_context.errors import BadAnswer, RunnerGone
from zeta_context.runners.base import (
    Cancelled,
    CancelToken,
    Completion,
    CompletionRequest,
    OnText,
    Runner,
    Usage,
)
from zeta_context.runners.passing import PassingRunner

CASSETTE_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One answer, and the digest of the question."""

    digest: str
    completion: Completion


def digest_request(request: CompletionRequest) -> str:
    """The SHA-256 of what decides an answer: prompt, stop strings, limit; not the guesses."""
    parts = [request.prompt, list(request.stop), request.max_output_tokens]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class ReplayRunner:
    """Plays a cassette."""

    def __init__(self, recordings: dict[str, Completion], *, model: str = "cassette") -> None:
        self._recordings = dict(recordings)
        self._model = model

    @classmethod
    def from_file(cls, path: Path) -> ReplayRunner:
        """The cassette in a file of JSON rows; raises BadAnswer when it is none."""
        recordings: dict[str, Completion] = {}
        for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                recording = _decode(json.loads(row))
            except (ValueError, KeyError, TypeError) as problem:
                raise BadAnswer(f"{path.name}:{number} is no recorded completion") from problem
            recordings[recording.digest] = recording.completion
        return cls(recordings, model=path.stem)

    @property
    def model(self) -> str:
        """The cassette's name."""
        return self._model

    @property
    def is_remote(self) -> bool:
        """Never: a cassette is a file."""
        return False

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        """The recorded answer; raises RunnerGone when this prompt was not recorded."""
        if cancel is not None and cancel.is_cancelled:
            return Cancelled()
        recorded = self._recordings.get(digest_request(request))
        if recorded is None:
            raise RunnerGone(f"the cassette {self._model!r} holds no answer to this prompt")
        if on_text is not None:
            on_text(recorded.text)
        return recorded

    def prefill(self, prompt: str, *, cancel: CancelToken | None = None) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to give back."""


class RecordingRunner(PassingRunner):
    """Passes everything on to another runner and appends its answers to a cassette."""

    def __init__(self, runner: Runner, path: Path) -> None:
        super().__init__(runner)
        self._path = path
        self._lock = threading.Lock()

    def complete(
        self,
        request: CompletionRequest,
        *,
        cancel: CancelToken | None = None,
        on_text: OnText | None = None,
    ) -> Completion | Cancelled:
        """The answer of the runner behind; a cancelled one is not recorded."""
        answer = super().complete(request, cancel=cancel, on_text=on_text)
        if isinstance(answer, Completion):
            row = json.dumps(_encode(Recording(digest=digest_request(request), completion=answer)))
            with self._lock, self._path.open("a", encoding="utf-8") as cassette:
                cassette.write(row + "\n")
        return answer


def _encode(recording: Recording) -> dict[str, Any]:
    return {"schema": CASSETTE_SCHEMA, **asdict(recording)}


def _decode(row: dict[str, Any]) -> Recording:
    if row["schema"] != CASSETTE_SCHEMA:
        raise ValueError("unknown schema")
    completion = row["completion"]
    if completion["finish_reason"] not in ("stop", "length"):
        raise ValueError("unknown finish reason")
    return Recording(
        digest=str(row["digest"]),
        completion=Completion(
            text=str(completion["text"]),
            finish_reason=completion["finish_reason"],
            model=str(completion.get("model", "")),
            usage=Usage(**completion.get("usage", {})),
            mean_logprob=completion.get("mean_logprob"),
        ),
    )
