"""Runs the collection server: opens what its settings name, and keeps it in order meanwhile.

Wiring only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zeta_context.errors import IngestError
from zeta_context.ingest.checks import LICENCES
from zeta_context.ingest.counted import Counted
from zeta_context.ingest.database import open_database
from zeta_context.ingest.index import Index
from zeta_context.ingest.receive import Receiver
from zeta_context.ingest.shards import Shards
from zeta_context.ingest.sink import Sink
from zeta_context.ingest.store import Store
from zeta_context.ingest.stream import Stream
from zeta_context.ingest.tokens import load_tokens

if TYPE_CHECKING:
    from starlette.applications import Starlette


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """Where the server keeps what, below `data` unless said otherwise.

    `index` is a PostgreSQL URL or a file, `files` a folder or an `s3://` URL with `file_options`
    (obstore's), `broker` the URL of a NATS server that records go to instead of files. What waits
    is moved into files every `compact_every_s`. `licences` narrow those that are taken.
    """

    data: Path
    index: str = ""
    files: str = ""
    file_options: dict[str, object] = field(default_factory=dict)
    broker: str = ""
    compact_every_s: float = 60.0
    licences: frozenset[str] = LICENCES

    @property
    def tokens_path(self) -> Path:
        """Where the digests of tokens are."""
        return self.data / "tokens.json"


def open_store(settings: IngestSettings) -> Store:
    """The store that the settings name; raises IngestError."""
    index = Index(open_database(settings.index or str(settings.data / "index.sqlite")))
    return Store(
        index, Shards(settings.files or str(settings.data / "files"), **settings.file_options)
    )


def open_counted(settings: IngestSettings) -> Counted:
    """The rows of counts beside the store's index; raises IngestError."""
    return Counted(open_database(settings.index or str(settings.data / "index.sqlite")))


def make_app(settings: IngestSettings) -> Starlette:
    """The application with its store, which it opens and closes with itself."""
    unknown = settings.licences - LICENCES
    if unknown:
        raise IngestError(f"licences can only be narrowed: {', '.join(sorted(unknown))}")
    store = open_store(settings)
    sink: Sink = Stream(settings.broker) if settings.broker else store
    counted = open_counted(settings)
    receiver = Receiver(
        sink,
        store.index,
        load_tokens(settings.tokens_path),
        licences=settings.licences,
        manifest=settings.data / "rollout.json",
        counted=counted,
    )
    app = receiver.app()

    @contextlib.asynccontextmanager
    async def live(_: Starlette) -> AsyncIterator[None]:
        if isinstance(sink, Stream):
            await sink.connect()
        upkeep = asyncio.create_task(_repeat(store.compact, settings.compact_every_s))
        try:
            yield
        finally:
            upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await upkeep
            if isinstance(sink, Stream):
                await sink.aclose()
            await store.aclose()
            counted.close()

    app.router.lifespan_context = live
    return app


def serve(settings: IngestSettings, *, host: str, port: int) -> None:
    """Serve until interrupted; nothing of a request is logged."""
    import uvicorn

    uvicorn.run(
        make_app(settings),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=256,
    )


async def _repeat(work: Callable[[], Awaitable[object]], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        # What waits stays where it is, and is durable there, until it works again.
        with contextlib.suppress(IngestError):
            await work()
