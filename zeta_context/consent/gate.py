"""May this example be kept, may it be written, may it leave: a pure function of what is known.

Asked three times for every example: at its capture, before it is written to the spool, and before
it is sent. The answer is yes only where all of these say so at that moment: the user's own consent,
the organisation's policy, the repository's licence and its rules, the file's, and the environment.
What is unknown or unreadable says no. Reads nothing itself (see `project_gate`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from zeta_context.consent.consent_text import TEXTS, Purpose
from zeta_context.consent.evidence import Evidence
from zeta_context.consent.grant import Grant
from zeta_context.consent.policy import FORBIDS_ALL, Policy
from zeta_context.consent.repository_file import NO_RULES, RepositoryRules

Stage = Literal["capture", "spool", "send"]
State = Literal["off", "offered", "on", "paused", "withdrawn"]
"""`off`: may not even be asked for; `offered`: the user may be asked; `paused`: there is a consent
that has no effect now; `withdrawn`: it was taken back, and takes a new act to be given again."""

SHORTEST_HOLD_BACK_S = 600.0
HOLD_BACK_S = 86_400.0
"""How long an example waits on the machine at least, and unless the user sets another time."""

CLOCK_SLACK_S = 3600.0
"""By how much the clock may lie before the time of a consent before it is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the process and the editor around it say; each can only forbid.

    `editor_allows` is the editor's own telemetry switch, `is_trusted` its workspace trust;
    `is_do_not_track` and `is_disabled` are variables of the environment.
    """

    is_do_not_track: bool = False
    is_disabled: bool = False
    editor_allows: bool = True
    is_trusted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Where the user's own configuration says that examples go; nowhere by default.

    `server` is the collection server's URL, `operator` who runs it, `teacher` the provider of the
    teacher model: the processors that are named to the user. `hold_back_s` (in the file:
    `hold_back_hours`) is how long an example waits on the machine, ten minutes at least.
    `exclude` are globs of files that are never collected, on top of the built-in ones.
    """

    server: str = ""
    operator: str = ""
    teacher: str = ""
    hold_back_s: float = HOLD_BACK_S
    exclude: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every processor is named."""
        return bool(self.server and self.operator and self.teacher)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a decision rests on, at one moment. The defaults say no.

    `project` and `binding` are those of this project and this installation; `has_anchor` tells
    whether the repository holds the commit at which consent was given. `licence` is the evidence
    for all files concerned, None when it is not known; `head_commit` what HEAD is now. `file_rule`
    is the rule that excludes a file concerned, empty for none. `unreadable` names what could not
    be read. `server_stopped` is the collection server's own order to stop.
    """

    now: float
    project: str = ""
    binding: str = ""
    starting_state: Grant | None = None
    settled_text: Grant | None = None
    collection: Collection = field(default_factory=Collection)
    policy: Policy = FORBIDS_ALL
    repository: RepositoryRules = NO_RULES
    licence: Evidence | None = None
    head_commit: str = ""
    has_anchor: bool = False
    environment: Environment = field(default_factory=Environment)
    file_rule: str = ""
    server_stopped: bool = False
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Under what an example was captured; carried with it to the spool, the wire and the server."""

    consent_id: str
    evidence_digest: str
    settled_consent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether it is allowed, and the one reason that decided; truthy when it is.

    For a yes, `claims` is what the example is to carry and `server` the only place it may go;
    `hold_back_s` is how long it waits at least after its capture, `retention_s` how long it is
    kept at most. All are empty for a no.
    """

    is_allowed: bool
    state: State
    reason: str
    claims: Claims | None = None
    server: str = ""
    hold_back_s: float = 0.0
    retention_s: float = 0.0

    def __bool__(self) -> bool:
        return self.is_allowed


def decide(
    facts: Facts,
    *,
    stage: Stage,
    purpose: Purpose = "starting_state",
    claims: Claims | None = None,
) -> Decision:
    """Whether examples may be kept, or one of them written or sent.

    From the spool on, `claims` are those that the example carries: it goes no further under a
    consent or a licence that are no longer the ones it was captured under.
    """
    state, reason = find_state(facts)
    if state == "on" and purpose == "settled_text":
        state, reason = _state_of_second(facts)
    if state == "on" and facts.file_rule:
        return Decision(is_allowed=False, state=state, reason=facts.file_rule)
    if state != "on" or facts.starting_state is None or facts.licence is None:
        return Decision(is_allowed=False, state=state, reason=reason)
    current = Claims(
        consent_id=facts.starting_state.consent_id,
        evidence_digest=facts.licence.digest,
        settled_consent_id=facts.settled_text.consent_id
        if purpose == "settled_text" and facts.settled_text is not None
        else "",
    )
    refusal = "" if stage == "capture" and claims is None else _refuse(claims, current)
    if refusal:
        return Decision(is_allowed=False, state=state, reason=refusal)
    return Decision(
        is_allowed=True,
        state="on",
        reason="allowed",
        claims=current,
        server=facts.collection.server,
        hold_back_s=max(
            SHORTEST_HOLD_BACK_S, facts.collection.hold_back_s, facts.policy.hold_back_s
        ),
        retention_s=facts.policy.retention_s,
    )


def find_state(facts: Facts) -> tuple[State, str]:
    """The project's state for starting states, and the reason: `allowed` when it is `on`."""
    grant = facts.starting_state
    if facts.unreadable:
        return "off", f"{facts.unreadable[0]}_unreadable"
    if grant is not None and grant.is_withdrawn:
        return "withdrawn", "withdrawn"
    foreign = "" if grant is None else _find_foreign(grant, facts)
    if foreign:
        return "off", foreign
    obstacle = _find_obstacle(facts)
    if grant is None:
        return ("off", obstacle) if obstacle else ("offered", "no_consent")
    obstacle = obstacle or _find_fault(grant, facts)
    return ("paused", obstacle) if obstacle else ("on", "allowed")


def _state_of_second(facts: Facts) -> tuple[State, str]:
    """The state for settled text, where that for starting states is on."""
    grant = facts.settled_text
    if not facts.policy.allows_settled_text:
        return ("off" if grant is None else "paused"), "policy_forbids_settled_text"
    if grant is None:
        return "offered", "no_second_consent"
    if grant.is_withdrawn:
        return "withdrawn", "withdrawn"
    foreign = _find_foreign(grant, facts)
    if foreign:
        return "off", foreign
    fault = _find_fault(grant, facts)
    return ("paused", fault) if fault else ("on", "allowed")


def _find_foreign(grant: Grant, facts: Facts) -> str:
    """Why a consent is not one for this project on this installation; empty when it is."""
    if not facts.binding or grant.binding != facts.binding:
        return "consent_of_another_installation"
    if not facts.project or grant.project != facts.project:
        return "consent_of_another_project"
    return "" if facts.has_anchor else "consent_commit_missing"


def _find_fault(grant: Grant, facts: Facts) -> str:
    """What makes a consent have no effect now, besides what stands in everybody's way."""
    text = TEXTS[grant.purpose]
    if (grant.text_version, grant.text_digest) != (text.version, text.digest):
        return "consent_text_outdated"
    named = (facts.collection.server, facts.collection.operator, facts.collection.teacher)
    if (grant.server, grant.operator, grant.teacher) != named:
        return "processor_changed"
    if facts.now < grant.granted_at - CLOCK_SLACK_S:
        return "clock_jump"
    return "consent_expired" if facts.now >= grant.expires_at else ""


def _find_obstacle(facts: Facts) -> str:
    """What stands in the way of any consent; empty when nothing does."""
    licence = facts.licence
    allowed = facts.policy.licences
    checks = (
        (facts.environment.is_disabled, "disabled_by_environment"),
        (facts.environment.is_do_not_track, "do_not_track"),
        (not facts.environment.editor_allows, "editor_forbids"),
        (not facts.environment.is_trusted, "workspace_untrusted"),
        (facts.policy.is_unreadable, "policy_unreadable"),
        (not facts.policy.allows_collection, "policy_forbids"),
        (facts.repository.is_unreadable, "repository_file_unreadable"),
        (facts.repository.forbids_collection, "repository_forbids"),
        (not facts.collection.is_complete, "no_collection_server"),
        (
            facts.policy.servers is not None
            and facts.collection.server not in facts.policy.servers,
            "policy_forbids_server",
        ),
        (facts.server_stopped, "server_stopped"),
        (licence is None, "licence_unknown"),
        (licence is not None and not licence.is_accepted, "licence_refused"),
        (
            licence is not None and not (licence.head_commit == facts.head_commit != ""),
            "head_moved_unchecked",
        ),
        (
            licence is not None
            and allowed is not None
            and not (licence.licences and allowed.issuperset(licence.licences)),
            "policy_forbids_licence",
        ),
    )
    return next((reason for holds, reason in checks if holds), "")


def _refuse(claims: Claims | None, current: Claims) -> str:
    """Why an example captured under `claims` may go no further; empty when it may."""
    if claims is None:
        return "claims_missing"
    if claims.consent_id != current.consent_id:
        return "consent_changed"
    if claims.evidence_digest != current.evidence_digest:
        return "licence_changed"
    # Settled text needs its own consent, and an example without it must not carry one.
    return "" if claims.settled_consent_id == current.settled_consent_id else "consent_changed"
