"""The gate of one project: collects what the decision rests on, anew each time, and decides.

Knows where each fact is read; `gate` knows what follows from them. Whatever fails on the way is a
no with a reason, never an exception.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from zeta_context.consent.consent_text import Purpose
from zeta_context.consent.evidence import Evidence
from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.gate import (
    Claims,
    Collection,
    Decision,
    Environment,
    Facts,
    Stage,
    decide,
)
from zeta_context.consent.grant_store import GrantStore
from zeta_context.consent.policy import Policy, load_policy
from zeta_context.consent.safe_read import CannotRead
from zeta_context.counts import Counts
from zeta_context.errors import RepositoryError, SettingsError
from zeta_context.repository.worktree import NotOurs, Worktree, find

FindEvidence = Callable[[Worktree, tuple[str, ...]], Evidence]
"""The licence evidence for some files of a repository, by their paths below its root."""

_SAYS_NO = frozenset(("", "0", "false", "no", "off"))


def read_environment(
    variables: Mapping[str, str], *, editor_allows: bool = True, is_trusted: bool = True
) -> Environment:
    """What the variables of the user's environment and the editor forbid."""
    return Environment(
        is_do_not_track=_is_set(variables, "DO_NOT_TRACK"),
        is_disabled=_is_set(variables, "ZETA_CONTEXT_DISABLE_UPLOAD"),
        editor_allows=editor_allows,
        is_trusted=is_trusted,
    )


class ProjectGate:
    """Decides for the files of one project; several may be asked from several threads."""

    def __init__(
        self,
        root: Path | str,
        collection: Collection,
        *,
        find_evidence: FindEvidence,
        store: GrantStore | None = None,
        user_globs: Iterable[str] = (),
        environment: Callable[[], Environment] | None = None,
        read_policy: Callable[[], Policy] = load_policy,
        clock: Callable[[], float] = time.time,
        counts: Counts | None = None,
    ) -> None:
        """`root` is a folder of a repository; the consent asked about is the repository's.

        `environment` is asked for each decision, since an editor's switches change.
        Raises SettingsError for a glob that would take an exclusion back.
        """
        self._root = Path(os.path.abspath(root))
        self._collection = collection
        self._find_evidence = find_evidence
        self._store = store if store is not None else GrantStore()
        self._user_globs = (*user_globs, *collection.exclude)
        self._environment = environment or (lambda: read_environment(os.environ))
        self._read_policy = read_policy
        self._clock = clock
        self._counts = counts if counts is not None else Counts()
        self._exclusions = Exclusions(self._root, user_globs=self._user_globs, counts=self._counts)
        self._policy_globs: frozenset[str] = frozenset()

    def decide(
        self,
        *,
        stage: Stage,
        purpose: Purpose = "starting_state",
        paths: Iterable[str] = (),
        claims: Claims | None = None,
    ) -> Decision:
        """Whether an example that holds text of `paths` may be kept, written or sent.

        `paths` are relative to the root: the cursor's file and that of every event, excerpt and
        diagnostic. A no is counted as `gate_<stage>_<reason>`.
        """
        facts = self.collect(tuple(paths), is_last_look=stage == "send")
        decision = decide(facts, stage=stage, purpose=purpose, claims=claims)
        if not decision:
            self._counts.note(f"gate_{stage}_{decision.reason}")
        return decision

    def collect(self, paths: tuple[str, ...] = (), *, is_last_look: bool = False) -> Facts:
        """What is known now; nothing that was read before is believed on the last look."""
        policy = self._read_policy()
        facts = Facts(
            now=self._clock(),
            collection=self._collection,
            policy=policy,
            environment=self._environment(),
        )
        try:
            facts = self._with_files(facts, paths, is_last_look=is_last_look)
            worktree = find(self._root, counts=self._counts)
            if isinstance(worktree, NotOurs):
                refusal = Evidence(
                    is_accepted=False, reason=worktree.reason, detail=worktree.detail
                )
                return replace(facts, licence=refusal)
            facts = self._with_repository(facts, worktree, paths)
        except SettingsError:
            return replace(facts, unreadable=(*facts.unreadable, "policy"))
        except (RepositoryError, OSError):
            return replace(facts, unreadable=(*facts.unreadable, "repository"))
        return self._with_consent(facts, worktree)

    def _with_files(self, facts: Facts, paths: tuple[str, ...], *, is_last_look: bool) -> Facts:
        if facts.policy.exclude != self._policy_globs:
            globs = (*self._user_globs, *sorted(facts.policy.exclude))
            self._exclusions = Exclusions(self._root, user_globs=globs, counts=self._counts)
            self._policy_globs = facts.policy.exclude
        exclusions = self._exclusions
        if is_last_look:
            exclusions.forget()
        rules = (exclusions.decide(path).rule_id for path in paths)
        return replace(
            facts,
            repository=exclusions.repository_rules,
            file_rule=next((rule for rule in rules if rule), ""),
        )

    def _with_repository(self, facts: Facts, worktree: Worktree, paths: tuple[str, ...]) -> Facts:
        found, rule = [], facts.file_rule
        for path in () if rule else paths:
            relative = worktree.relative(self._root / path)
            if isinstance(relative, NotOurs):
                rule = relative.reason
                break
            found.append(relative)
        if not rule and not worktree.are_tracked(found):
            rule = "untracked_file"
        return replace(
            facts,
            file_rule=rule,
            head_commit=worktree.head().sha or "",
            licence=self._find_evidence(worktree, () if rule else tuple(found)),
        )

    def _with_consent(self, facts: Facts, worktree: Worktree) -> Facts:
        try:
            installation = self._store.installation()
        except (CannotRead, OSError):
            return replace(facts, unreadable=(*facts.unreadable, "installation"))
        if installation is None:
            return facts
        project = installation.project(worktree.root)
        try:
            first = self._store.find(project, "starting_state")
            second = self._store.find(project, "settled_text")
        except (CannotRead, OSError):
            return replace(facts, unreadable=(*facts.unreadable, "consent"))
        anchors = [grant.anchor_commit for grant in (first, second) if grant is not None]
        return replace(
            facts,
            project=project,
            binding=installation.binding,
            starting_state=first,
            settled_text=second,
            has_anchor=all(worktree.has_commit(anchor) for anchor in anchors),
            server_stopped=self._store.is_stopped(self._collection.server),
        )


def _is_set(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").strip().lower() not in _SAYS_NO
