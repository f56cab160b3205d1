"""The gate's reasons in plain words, with what to do about them. Data only."""

from __future__ import annotations

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
