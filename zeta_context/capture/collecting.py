"""Collecting in a session: what it predicts is offered to the recorder, what is kept is sent.

Wiring only. By default there is nothing of this: a session makes it when the user's configuration
names a collection server, and even then nothing is kept without consent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from zeta_context.capture.access import Access, Gate
from zeta_context.capture.ledger import Ledger
from zeta_context.capture.recorder import Offered, Recorder, Settled
from zeta_context.capture.settings import CaptureSettings
from zeta_context.capture.spool import Spool
from zeta_context.capture.spool_file import spool_path
from zeta_context.capture.transport import HttpTransport, Transport
from zeta_context.capture.upload import IDLE_S, Uploader
from zeta_context.capture.upload import Ledger as LedgerOfUploads
from zeta_context.consent import licenses
from zeta_context.consent.exclusions import Exclusions
from zeta_context.consent.gate import Collection, Environment
from zeta_context.consent.grant_store import GrantStore
from zeta_context.consent.policy import Policy, load_policy
from zeta_context.consent.project_gate import FindEvidence, ProjectGate, read_environment
from zeta_context.consent.safe_read import CannotRead
from zeta_context.counts import Counts
from zeta_context.errors import CaptureError, DocumentError, TextError
from zeta_context.events.projects import Project
from zeta_context.events.tracker import Tracker
from zeta_context.predict.prediction import Discarded, Outcome, Prediction
from zeta_context.predict.view import View
from zeta_context.repository.worktree import NotOurs, find
from zeta_context.runners.http.loop import LoopThread
from zeta_context.text.edit import apply_edits
from zeta_context.text.snapshot import TextSnapshot

_MAX_SHOWN = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    before: TextSnapshot
    last_event_at: float


class Collecting:
    """Follows the predictions of one session; its methods return at once."""

    def __init__(
        self,
        projects: Iterable[Project],
        tracker: Tracker,
        collection: Collection,
        settings: CaptureSettings,
        *,
        find_evidence: FindEvidence | None = None,
        store: GrantStore | None = None,
        transport: Transport | None = None,
        ledger: LedgerOfUploads | None = None,
        policy: Callable[[], Policy] = load_policy,
        counts: Counts | None = None,
    ) -> None:
        """`projects` is asked again for each request, since a session can take in more roots."""
        self._projects = projects
        self._tracker = tracker
        self._collection = collection
        self._settings = settings
        self._find_evidence = find_evidence or licenses.find_evidence
        self._store = store or GrantStore()
        self._transport = transport or HttpTransport(token_env=settings.token_env)
        self._ledger: LedgerOfUploads = ledger or Ledger()
        self._policy = policy
        self._counts = counts or Counts()
        self._editor_allows = self._is_trusted = True
        self._accesses: dict[Path, Access] = {}
        self._shown: OrderedDict[str, _Shown] = OrderedDict()
        self._settling: dict[asyncio.TimerHandle, Callable[[], None]] = {}
        self.recorder = Recorder(self._open_spool, self._access, settings, counts=self._counts)
        self._sender = LoopThread("zeta-context-upload")

    def limit(self, *, editor_allows: bool, is_trusted: bool) -> None:
        """Take in the editor's telemetry switch and workspace trust: they hold from now on."""
        self._editor_allows, self._is_trusted = editor_allows, is_trusted

    def start(self) -> None:
        """Begin to send what is due."""
        self._sender.submit(self._send())

    async def aclose(self) -> None:
        """Keep what was offered, tell what is known of outcomes, and stop sending."""
        for handle, settle in tuple(self._settling.items()):
            handle.cancel()
            settle()
        self._settling.clear()
        await asyncio.to_thread(self.recorder.close)
        await asyncio.to_thread(self._sender.close, self._transport.aclose())

    def offer(self, view: View, answer: Prediction | Discarded) -> None:
        """Take the answer to a request for a prediction."""
        if view.prompt_input is None:
            return
        before = None
        if isinstance(answer, Prediction):
            document = view.find(answer.project, answer.path)
            before = None if document is None else document.snapshot
            if before is not None:
                events = self._tracker.history(answer.project).events()
                at = max((event.at for event in events), default=float("-inf"))
                self._shown[answer.id] = _Shown(before=before, last_event_at=at)
                if len(self._shown) > _MAX_SHOWN:
                    self._shown.popitem(last=False)
        self.recorder.offer(Offered(prompt_input=view.prompt_input, answer=answer, before=before))

    def resolve(self, prediction: Prediction, outcome: Outcome) -> None:
        """Take what became of a prediction, and tell it once things have settled."""
        shown = self._shown.get(prediction.id)
        if outcome.part is None:
            self._shown.pop(prediction.id, None)
        if shown is None:
            return
        after = self._text(prediction)
        if outcome.accepted and after == shown.before:  # the editor has yet to report its edits
            with contextlib.suppress(TextError):
                after = apply_edits(shown.before, prediction.edits)

        def settle() -> None:
            later = self._text(prediction)
            texts = None
            if outcome.accepted and after is not None and later is not None:
                texts = (shown.before, after, later)
            events = self._tracker.history(prediction.project).events()
            following = tuple(event for event in events if event.at > shown.last_event_at)
            self.recorder.settle(Settled(outcome=outcome, texts=texts, following=following))

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            settle()
            return

        def settle_in_time() -> None:
            del self._settling[handle]
            settle()

        handle = loop.call_later(self._settings.settle_s, settle_in_time)
        self._settling[handle] = settle

    # What the parts ask for.

    async def _send(self) -> None:
        path = self._settings.spool_path or spool_path()
        wake = asyncio.Event()
        while (spool := self._spool_to_send(path)) is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), IDLE_S)
        uploader = Uploader(
            spool,
            self._transport,
            gates=self._gates,
            installation=self._installation,
            ledger=self._ledger,
            on_gone=self._store.stop,
            counts=self._counts,
        )
        try:
            await uploader.run(wake)
        finally:
            spool.close()

    def _spool_to_send(self, path: Path) -> Spool | None:
        """The spool, if there is one: only the recorder makes it."""
        if not path.exists():
            return None
        try:
            return self._open_spool()
        except (CaptureError, OSError, sqlite3.Error):
            self._counts.note("upload_spool_failed")
            return None

    def _open_spool(self) -> Spool:
        return Spool(self._settings.spool_path)

    def _installation(self) -> str:
        installation = self._store.installation()
        if installation is None:
            raise CaptureError("nothing is sent before there is a consent")
        return installation.id

    def _gates(self) -> dict[str, Gate]:
        """The gates of the projects that are open, by the key that records carry."""
        try:
            installation = self._store.installation()
        except (CannotRead, OSError):
            return {}
        if installation is None:
            return {}
        found: dict[str, Gate] = {}
        for project in self._projects:
            access = self._access(project.name)
            if access is not None:
                worktree = find(project.root)
                root = project.root if isinstance(worktree, NotOurs) else worktree.root
                found[installation.project(root)] = access.gate
        return found

    def _access(self, name: str) -> Access | None:
        root = next((each.root for each in self._projects if each.name == name), None)
        if root is None:
            return None
        if root not in self._accesses:
            self._accesses[root] = Access(
                gate=ProjectGate(
                    root,
                    self._collection,
                    find_evidence=self._find_evidence,
                    store=self._store,
                    environment=self._environment,
                    read_policy=self._policy,
                    counts=self._counts,
                ),
                exclusions=Exclusions(
                    root, user_globs=self._collection.exclude, counts=self._counts
                ),
            )
        return self._accesses[root]

    def _environment(self) -> Environment:
        return read_environment(
            os.environ, editor_allows=self._editor_allows, is_trusted=self._is_trusted
        )

    def _text(self, prediction: Prediction) -> TextSnapshot | None:
        try:
            return self._tracker.document(prediction.project, prediction.path).snapshot
        except DocumentError:
            return None
