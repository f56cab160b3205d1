"""What is collected: the state that a prediction started from, and, apart from it, its outcome.

An `Example` holds nothing that the user wrote after the prediction was asked for. What became of
it is an `ExampleOutcome`, a record of its own that refers to the example; the events that followed
are in it only under the second consent. Knows nothing of how records are kept or sent.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from zeta_context.events.event import Event
from zeta_context.predict.prediction import Part, RejectReason
from zeta_context.prompt.input import PromptInput

EXAMPLE_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplePrediction:
    """What was predicted, as a unified diff of one file (from its `@@` line on).

    `why` is left out on purpose: it is a sentence for people that may quote the file.
    """

    path: str
    diff: str
    proposer: str
    confidence: float | None = None
    is_truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleOutcome:
    """What became of the example `example_id`'s prediction; `at` as in `Example`.

    `reason` is set when it was not accepted. `kept_rate` (0..1) is `metrics.kept_rate`'s, of what
    was accepted against the text as it settled. Nothing here is text of a file but
    `following`, the events after the prediction, which are None without the second consent.
    """

    id: str
    example_id: str
    at: float
    accepted: bool
    was_shown: bool
    reason: RejectReason | None = None
    part: Part | None = None
    kept_rate: float | None = None
    following: tuple[Event, ...] | None = None
    schema: int = EXAMPLE_SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """The starting state of one request for a prediction, and what was predicted from it.

    `at` is in seconds since the epoch, in whole minutes: nothing needs to know more. Without a
    prediction, `quiet_reason` says why there was none. What triggered the request is the prompt
    input's `trigger`. `outcome` is joined where records are read; it never travels in an example.
    """

    id: str
    at: float
    prompt_input: PromptInput
    prediction: ExamplePrediction | None = None
    quiet_reason: str = ""
    outcome: ExampleOutcome | None = None
    schema: int = EXAMPLE_SCHEMA


Record = Example | ExampleOutcome
"""What the spool keeps and the upload sends, one by one."""


def make_record_id() -> str:
    """A new identifier, 32 hexadecimal digits: a UUID of version 7 (RFC 9562, 5.7)."""
    ms = time.time_ns() // 1_000_000
    value = (ms & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"


def whole_minute(at: float) -> float:
    """A time in seconds without its seconds."""
    return at - at % 60
