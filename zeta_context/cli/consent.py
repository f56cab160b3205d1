"""`zeta-context consent`: what may be collected and sent, asked, shown, given and taken back.

Says in plain words what the gate decides and why; decides nothing itself. Everything heavy is
imported when it is needed.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zeta_context.cli.consent_words import (
    explain,
    explain_state,
    say_grant,
    say_what_changes,
)
from zeta_context.consent.consent_text import PURPOSES, TEXTS, Purpose
from zeta_context.errors import CaptureError, ConsentError, RepositoryError

if TYPE_CHECKING:
    from zeta_context.consent.gate import Facts
    from zeta_context.consent.grant import Grant
    from zeta_context.consent.grant_store import GrantStore
    from zeta_context.repository.worktree import Worktree

_PATH = click.argument(
    "path", default=".", type=click.Path(exists=True, path_type=Path), metavar="[PATH]"
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_SECOND = click.option(
    "--settled-text",
    "is_second",
    is_flag=True,
    help="The second question: what you wrote after a prediction, for measuring only.",
)


@click.group(name="consent")
def command() -> None:
    """Show, give and withdraw consent to collecting examples; nothing is collected without."""


@command.command(name="license")
@_PATH
@_JSON
@click.pass_context
def license_(ctx: click.Context, path: Path, as_json: bool) -> None:
    """Explain whether a project, or a file in it, counts as open source."""
    from zeta_context.consent.licenses import accepted_licences, find_evidence

    worktree = _find_worktree(path)
    relative = worktree.relative(path) if path.is_file() else None
    paths = (relative,) if isinstance(relative, str) else ()
    evidence = find_evidence(worktree, paths)
    if as_json:
        click.echo(json.dumps({**asdict(evidence), "digest": evidence.digest}))
    else:
        verdict = "accepted" if evidence.is_accepted else "not accepted"
        click.echo(f"{verdict}: {evidence.detail}")
        for file in evidence.files:
            click.echo(f"  {file.path}: {file.licence or 'unknown'}, sha256 {file.sha256[:16]}")
        click.echo(f"  at commit {evidence.head_commit[:12] or 'none'}")
        if not evidence.is_accepted:
            click.echo(f"accepted are, word for word: {', '.join(accepted_licences())}", err=True)
    ctx.exit(0 if evidence.is_accepted else 1)


@command.command()
@_PATH
@_JSON
@click.pass_context
def status(ctx: click.Context, path: Path, as_json: bool) -> None:
    """Say whether anything is collected in a project, and what that depends on.

    Exit status 0 when it is on, 1 when it is not.
    """
    from zeta_context.consent.gate import decide

    facts = _collect_facts(path)
    decisions = {purpose: decide(facts, stage="capture", purpose=purpose) for purpose in PURPOSES}
    first = decisions["starting_state"]
    if as_json:
        click.echo(json.dumps(_describe_facts(facts, decisions)))
        ctx.exit(0 if first else 1)
    click.echo(explain_state(first.state, first.reason))
    second = decisions["settled_text"]
    if first:
        click.echo(f"What you write afterwards: {explain_state(second.state, second.reason)}")
    licence = facts.licence
    if licence is not None:
        told = "accepted" if licence.is_accepted else "not accepted"
        click.echo(f"Licence: {told}: {licence.detail}")
    for grant in (facts.starting_state, facts.settled_text):
        if grant is not None:
            click.echo(say_grant(grant))
    if facts.collection.is_complete:
        click.echo(
            f"Goes to: {facts.collection.operator} ({facts.collection.server}); "
            f"teacher model: {facts.collection.teacher}"
        )
    ctx.exit(0 if first else 1)


@command.command()
@_PATH
@_SECOND
@click.option("--yes", is_flag=True, help="You have read the text and consent.")
def grant(path: Path, is_second: bool, yes: bool) -> None:
    """Show what would be collected, and ask for consent.

    Where a consent stands already, say since when, and what a new one in its place would change.
    """
    from zeta_context.capture.ledger import Ledger
    from zeta_context.consent.gate import decide, find_state
    from zeta_context.consent.grant import LIFETIME_S

    purpose: Purpose = "settled_text" if is_second else "starting_state"
    facts = _collect_facts(path)
    fresh = replace(facts, starting_state=None, settled_text=None, server_stopped=False)
    state, reason = find_state(fresh)
    if state != "offered":
        raise ConsentError(f"there is nothing to consent to here: {explain(reason)}")
    if is_second:
        if not decide(facts, stage="capture"):
            raise ConsentError("the second consent needs the first: give that one before")
        if not facts.policy.allows_settled_text:
            raise ConsentError(explain("policy_forbids_settled_text"))
    collection, text = facts.collection, TEXTS[purpose]
    click.echo(
        text.render(
            server=collection.server, operator=collection.operator, teacher=collection.teacher
        )
    )
    click.echo(f"\nThis is version {text.version} of the text. Project: {path.resolve().name}")
    standing = facts.settled_text if is_second else facts.starting_state
    if standing is not None and not standing.is_withdrawn:
        expires_at = time.time() + LIFETIME_S
        for line in say_what_changes(standing, collection, text, expires_at=expires_at):
            click.echo(line, err=True)
    if not yes and not click.confirm("Do you consent?", default=False, err=True):
        click.echo("nothing was changed", err=True)
        raise click.exceptions.Exit(1)
    worktree = _find_worktree(path)
    given = _store().give(
        worktree.root,
        purpose,
        collection,
        head_commit=facts.head_commit,
        actor="command_line",
    )
    _note(lambda: Ledger().note_consent(given))
    click.echo(
        "consent is given; nothing is sent before the waiting time is over. "
        "`zeta-context consent withdraw` takes it back",
        err=True,
    )


@command.command()
@click.argument("path", default=".", type=click.Path(path_type=Path), metavar="[PATH]")
@_SECOND
@click.option("--all", "is_all", is_flag=True, help="Every project, moved and deleted ones too.")
def withdraw(path: Path, is_second: bool, is_all: bool) -> None:
    """Take consent back: wipe what waits here, and have the server delete what it has."""
    purpose: Purpose = "settled_text" if is_second else "starting_state"
    store = _store()
    if is_all:
        projects = sorted({grant.project for grant in store.all()})
    else:
        projects = [project] if (project := _find_project(store, path)) else []
    n_wiped = sum(_withdraw_one(store, project, purpose) for project in projects)
    if not projects:
        click.echo("there is no consent to take back", err=True)
        return
    click.echo(f"withdrawn; {n_wiped} records were wiped here")
    click.echo(
        "what the server has is deleted as soon as it can be reached; its receipt is kept "
        "(`zeta-context spool list`)",
        err=True,
    )


@command.command()
def export() -> None:
    """Print all that is kept of your consents, with the words they were given to, as JSON."""
    from zeta_context.capture.ledger import Ledger

    store = _store()
    installation = store.installation()
    click.echo(
        json.dumps(
            {
                "installation": None if installation is None else installation.id,
                "consents": [asdict(grant) for grant in store.all()],
                "texts": {
                    purpose: {
                        "version": text.version,
                        "digest": text.digest,
                        "text": text.template,
                    }
                    for purpose, text in TEXTS.items()
                },
                "ledger": [asdict(entry) for entry in Ledger().chain.entries()],
            },
            indent=1,
        )
    )


@command.command()
@click.option("--yes", is_flag=True, help="You have read the text.")
@_JSON
def remote(yes: bool, as_json: bool) -> None:
    """Show what a model on another machine is sent; it is asked only after that."""
    from zeta_context.cli.model_choice import load_user_settings
    from zeta_context.consent.chain import Chain, ledger_path
    from zeta_context.consent.remote_notice import TEXT, VERSION, NoticeStore

    permission = load_user_settings().remote
    notices = NoticeStore()
    endpoints = sorted(str(one) for one in permission.allowed if one.is_remote)
    if as_json:
        click.echo(json.dumps({one: notices.was_shown(one) for one in endpoints}))
        return
    if not endpoints:
        click.echo("no model on another machine is allowed by your configuration", err=True)
        return
    for endpoint in endpoints:
        click.echo(
            TEXT.format(
                endpoint=endpoint,
                requests=permission.max_requests_per_day,
                cost=permission.max_cost_per_day,
            )
        )
        if not yes and not click.confirm("Go on with it?", default=False, err=True):
            notices.forget(endpoint)
            click.echo(f"nothing is sent to {endpoint}", err=True)
            continue
        _note(
            lambda endpoint=endpoint: Chain(ledger_path()).append(
                "remote_shown", {"endpoint": endpoint, "notice_version": VERSION}
            )
        )
        notices.note_shown(endpoint)
        click.echo(f"{endpoint} may be asked from now on", err=True)


def _withdraw_one(store: GrantStore, project: str, purpose: Purpose) -> int:
    """Close the gate, wipe the spool, write it down; how many records there were."""
    from zeta_context.capture.ledger import Ledger

    standing = _find_standing(store, project)
    before = store.withdraw(project, purpose)
    n_wiped = 0
    if purpose == "starting_state":
        n_wiped = _wipe(project)
    elif before is not None:
        n_wiped = _wipe(project, before.consent_id)
    if not any(not grant.is_withdrawn for grant in store.all()):
        _forget_outcomes()
    for grant in standing:
        if purpose in ("starting_state", grant.purpose):
            _note(lambda grant=grant: Ledger().note_withdrawal(grant, n_wiped))
    return n_wiped


def _forget_outcomes() -> None:
    from zeta_context.consent.state_folder import state_folder
    from zeta_context.rollout.kept_files import forget_outcomes

    try:
        forget_outcomes(state_folder())
    except OSError as problem:
        raise ConsentError(
            "consent is withdrawn and nothing more is sent, but the counts of a rollout could not "
            f"be wiped ({problem.strerror or problem}): run this again"
        ) from None


def _find_standing(store: GrantStore, project: str) -> list[Grant]:
    """The consents of a project that are not withdrawn."""
    found = [grant for grant in store.all() if grant.project == project]
    return [grant for grant in found if not grant.is_withdrawn]


def _wipe(project: str, *consent_ids: str) -> int:
    """Wipe a project's records, or those under some consents, from the spool; how many."""
    from zeta_context.capture.spool import Spool
    from zeta_context.capture.spool_file import spool_path

    if not spool_path().exists():
        return 0
    try:
        spool = Spool()
        try:
            return spool.withdraw(project, consent_ids)
        finally:
            spool.close()
    except (CaptureError, OSError, sqlite3.Error) as problem:
        raise ConsentError(
            "consent is withdrawn and nothing more is sent, but the spool could not be wiped "
            f"({type(problem).__name__}): run this again"
        ) from None


def _collect_facts(path: Path) -> Facts:
    from zeta_context.cli.model_choice import load_user_settings
    from zeta_context.consent.licenses import find_evidence
    from zeta_context.consent.project_gate import ProjectGate

    folder = path if path.is_dir() else path.parent
    collection = load_user_settings().collection
    return ProjectGate(folder, collection, find_evidence=find_evidence).collect()


def _find_worktree(path: Path) -> Worktree:
    from zeta_context.repository.worktree import NotOurs, find

    found = find(path)
    if isinstance(found, NotOurs):
        raise RepositoryError(
            f"{path.name or path} is in no git repository to look at: {found.detail}"
        )
    return found


def _find_project(store: GrantStore, path: Path) -> str:
    """The key of the project at a path, which may be gone; empty before the first consent."""
    from zeta_context.consent.safe_read import CannotRead
    from zeta_context.repository.worktree import Worktree, find

    try:
        installation = store.installation()
    except CannotRead as problem:
        raise ConsentError(
            f"the record of this installation cannot be read ({problem}): nothing is collected"
        ) from None
    if installation is None:
        return ""
    found = find(path) if path.exists() else None
    root = found.root if isinstance(found, Worktree) else path
    return installation.project(root)


def _store() -> GrantStore:
    from zeta_context.consent.grant_store import GrantStore

    return GrantStore()


def _note(write: Any) -> None:
    """Write to the ledger; raises ConsentError when it cannot be."""
    try:
        write()
    except OSError as problem:
        raise ConsentError(
            f"the ledger cannot be written ({problem.strerror or problem}): mend that and repeat"
        ) from None


def _describe_facts(facts: Facts, decisions: dict[Purpose, Any]) -> dict[str, Any]:
    licence = facts.licence
    return {
        "project": facts.project,
        "head_commit": facts.head_commit,
        **{
            purpose: {
                "is_allowed": decision.is_allowed,
                "state": decision.state,
                "reason": decision.reason,
                "words": explain(decision.reason),
            }
            for purpose, decision in decisions.items()
        },
        "licence": None if licence is None else {**asdict(licence), "digest": licence.digest},
        "collection": asdict(facts.collection),
        "consents": [
            asdict(grant)
            for grant in (facts.starting_state, facts.settled_text)
            if grant is not None
        ],
    }
