"""The gate's reasons, and consents, in plain words, with what to do about them. Decides nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeta_context.consent.consent_text import ConsentText
    from zeta_context.consent.gate import Collection
    from zeta_context.consent.grant import Grant

STATES = {
    "off": "Nothing is collected here, and you are not asked",
    "offered": "Nothing is collected here",
    "on": "Examples are collected here",
    "paused": "You consented, but nothing is collected at the moment",
    "withdrawn": "Nothing is collected here",
}

REASONS = {
    "allowed": "you consented, and everything it depends on holds",
    "no_consent": "you have not consented; `zeta-context consent grant` shows what it is about",
    "no_second_consent": "you have not consented to it (`consent grant --settled-text`)",
    "withdrawn": "you took your consent back; it takes a new one to go on",
    "consent_of_another_installation": "the consent was given on another machine or by another",
    "consent_of_another_project": "the consent was given for another project",
    "consent_commit_missing": "the repository is not the one that the consent was given for",
    "consent_text_outdated": "the text that you consented to has changed: please read it again",
    "processor_changed": "examples would go to somebody else than you consented to",
    "clock_jump": "the clock is before the time of your consent",
    "consent_expired": "your consent has run out after its 180 days",
    "disabled_by_environment": "ZETA_CONTEXT_DISABLE_UPLOAD is set",
    "do_not_track": "DO_NOT_TRACK is set",
    "editor_forbids": "your editor's telemetry is switched off",
    "workspace_untrusted": "your editor does not trust this workspace",
    "policy_unreadable": "the organisation's policy file cannot be relied upon",
    "policy_forbids": "the organisation's policy forbids it",
    "policy_forbids_server": "the organisation's policy forbids this collection server",
    "policy_forbids_licence": "the organisation's policy does not accept this licence",
    "policy_forbids_settled_text": "the organisation's policy forbids collecting what you write",
    "repository_forbids": "the project's .zeta_context.toml says `collect = false`",
    "repository_file_unreadable": "the project's .zeta_context.toml cannot be read",
    "no_collection_server": "your configuration names no collection server, operator and teacher",
    "server_stopped": "the collection server ordered to stop; a new consent starts again",
    "licence_unknown": "it is not known whether the project is open source",
    "licence_refused": "the project does not count as open source",
    "head_moved_unchecked": "the licence was not checked at the current commit",
    "consent_unreadable": "the consent record cannot be read; withdraw and give it again",
    "installation_unreadable": "the record of this installation cannot be read",
    "repository_unreadable": "git's state cannot be read",
    "untracked_file": "the file is not tracked by git",
}


def explain(reason: str) -> str:
    """A reason in words; one that has none is an exclusion's rule."""
    return REASONS.get(reason, f"the file is excluded ({reason})")


def explain_state(state: str, reason: str) -> str:
    """A state and its reason in a sentence."""
    return f"{STATES[state]}: {explain(reason)}."


def say_grant(grant: Grant) -> str:
    """A consent, and until when it holds or when it was taken back."""
    what = "Consent" if grant.purpose == "starting_state" else "Second consent"
    day = _day(grant.granted_at)
    if grant.is_withdrawn:
        return f"{what}: given on {day}, withdrawn on {_day(grant.withdrawn_at)}"
    return (
        f"{what}: given on {day} to version {grant.text_version} of the text, until "
        f"{_day(grant.expires_at)}; in {os.path.basename(grant.root)}"
    )


def say_what_changes(
    standing: Grant, collection: Collection, text: ConsentText, *, expires_at: float
) -> list[str]:
    """What a new consent would change, while one stands: a line each, the standing one first."""
    named = (
        ("the collection server", standing.server, collection.server),
        ("who runs it", standing.operator, collection.operator),
        ("the teacher model's provider", standing.teacher, collection.teacher),
        ("the text's version", str(standing.text_version), str(text.version)),
    )
    changes = [f"{what}, from {old} to {new}" for what, old, new in named if old != new]
    return [
        f"A consent already stands. {say_grant(standing)}.",
        f"A new one takes its place. It would change {'; '.join(changes) or 'no word of it'}, "
        f"and hold until {_day(expires_at)}.",
        "What was collected under the old one and still waits here would be dropped, not sent.",
    ]


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
