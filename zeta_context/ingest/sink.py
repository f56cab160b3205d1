"""Where records go for good: the seam behind which one node ends and a broker may begin.

Every implementation passes the same contract tests (tests/ingest/test_sinks.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from zeta_context.ingest.received import ALL, Receipt, Received, Selection, Status, Withdrawal


class Sink(Protocol):
    """Keeps records once each. Raises IngestError when it cannot be reached or used."""

    async def append(self, records: Sequence[Received]) -> list[Status]:
        """Keep records; they are durable, and everybody sees them, once this returns.

        One status for each, in order. A record under a withdrawn consent is never kept.
        """
        ...

    async def delete(self, deletion: str, withdrawal: Withdrawal) -> Receipt:
        """Delete what a withdrawal covers, everywhere, and take none of it again.

        `deletion` identifies the request: asked again, it gives the same receipt.
        """
        ...

    def scan(self, selection: Selection = ALL) -> AsyncIterator[Received]:
        """The records that are kept, each once, in no particular order."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections."""
        ...
