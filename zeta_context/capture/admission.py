"""What of a record may be kept: without excluded files, not at all with a secret, nobody named.

Pure but for the exclusions that it asks. Whether anything may be kept is the gate's to decide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import NamedTuple

from zeta_context.capture.codec import from_dict, to_dict
from zeta_context.capture.example import Example, ExampleOutcome, Record
from zeta_context.capture.scrub import scrub_data
from zeta_context.capture.spool_records import DropReason
from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.gate import Claims, Facts
from zeta_context.consent.grant import Grant
from zeta_context.consent.redaction import redact_prompt_input
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput
from zeta_context.text.point import Span


class Admitted(NamedTuple):
    """The record as it may be kept, or None and why not; and how many parts went, by rule."""

    record: Record | None
    reason: DropReason | None = None
    dropped: Mapping[str, int] = {}


def admit_example(example: Example, exclusions: Exclusions) -> Admitted:
    """The example without what is excluded; None when its own file is, or there is a secret."""
    predicted = _predicted_event(example)
    events = example.prompt_input.events + ((predicted,) if predicted is not None else ())
    redacted = redact_prompt_input(replace(example.prompt_input, events=events), exclusions)
    if any(rule.startswith("secret_") for rule in redacted.dropped):
        return Admitted(None, "secret", redacted.dropped)
    kept = redacted.prompt_input
    if kept is None:
        return Admitted(None, "excluded", redacted.dropped)
    if predicted is not None:
        if not kept.events or kept.events[-1] is not predicted:
            return Admitted(None, "excluded", redacted.dropped)
        kept = replace(kept, events=kept.events[:-1])
    return Admitted(_scrub(replace(example, prompt_input=kept)), None, redacted.dropped)


def admit_outcome(
    outcome: ExampleOutcome, start: PromptInput, exclusions: Exclusions
) -> ExampleOutcome:
    """The outcome without the events that followed, if they may not be kept.

    A secret may have been written in part before, in part after `start`: both are searched as one.
    """
    if outcome.following is None:
        return outcome
    both = replace(start, events=start.events + outcome.following)
    redacted = redact_prompt_input(both, exclusions)
    is_secret = any(rule.startswith("secret_") for rule in redacted.dropped)
    if redacted.prompt_input is None or is_secret:
        return replace(outcome, following=None)
    known = {id(event) for event in outcome.following}
    following = tuple(event for event in redacted.prompt_input.events if id(event) in known)
    scrubbed = _scrub(replace(outcome, following=following))
    assert isinstance(scrubbed, ExampleOutcome)
    return scrubbed


def has_secret(record: Record) -> bool:
    """Whether the rules as they are now find a secret in a record that was kept before."""
    from zeta_context.consent.redaction import scan_prompt_input

    if isinstance(record, Example):
        predicted = _predicted_event(record)
        events = record.prompt_input.events + ((predicted,) if predicted is not None else ())
        return bool(scan_prompt_input(replace(record.prompt_input, events=events)))
    if not record.following:
        return False
    first = record.following[0]
    bare = PromptInput(
        project=first.project, path=first.path, cursor_excerpt="", cursor_offset=0,
        excerpt_start_row=0, events=record.following,
    )  # fmt: skip
    return bool(scan_prompt_input(bare))


def paths_of(record: Record) -> tuple[str, ...]:
    """The files of its own project that a record holds text of."""
    if isinstance(record, ExampleOutcome):
        events, found = record.following or (), []
    else:
        events = record.prompt_input.events
        found = [record.prompt_input.path]
        found += [file.path for file in record.prompt_input.related_files]
        if record.prediction is not None:
            found.append(record.prediction.path)
    for event in events:
        found += [event.path, *((event.old_path,) if event.old_path else ())]
    return tuple(dict.fromkeys(found))


def papers_for(claims: Claims, facts: Facts) -> dict[str, str]:
    """The consents and the evidence that a record is kept under, as JSON by identifier."""
    papers = {}
    for grant in (facts.starting_state, facts.settled_text):
        if grant is not None and grant.consent_id in (claims.consent_id, claims.settled_consent_id):
            papers[grant.consent_id] = paper_of(grant)
    if facts.licence is not None:
        papers[facts.licence.digest] = json.dumps(asdict(facts.licence), sort_keys=True)
    return papers


def _predicted_event(example: Example) -> Event | None:
    """The prediction as if it had been made, to be searched and judged with the rest."""
    prediction = example.prediction
    if prediction is None:
        return None
    return Event(
        project=example.prompt_input.project,
        path=prediction.path,
        diff=prediction.diff,
        old_span=Span(0, 0),
        new_span=Span(0, 0),
        predicted=True,
    )


def _scrub(record: Record) -> Record:
    return from_dict(scrub_data(to_dict(record)))


def paper_of(grant: Grant) -> str:
    """A consent as a server is shown it, as JSON.

    Where the project lies on the disk, and what ties the consent to this machine, stay out.
    """
    told = asdict(grant)
    for private in ("root", "binding", "anchor_commit"):
        del told[private]
    return json.dumps(told, sort_keys=True)
