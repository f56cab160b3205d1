"""What predictions cost while one types: a hit of what stands, and the processor's share."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from zeta_context.predict.gating import GatingSettings
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.view import View
from zeta_context.session import Session
from zeta_context.settings import Settings
from zeta_context.text.edit import TextEdit
from zeta_context.text.point import Span

KEYS_A_SECOND = 10
REPOS = Path(__file__).parents[2] / "fixtures" / "repos"
TEXT = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted(REPOS.rglob("*.py")))
SENTENCE = "    discount = best_discount(customer, total, today) or none_at_all\n"


class _Once:
    """Proposes one long insertion where the cursor is."""

    name = "once"

    def propose(self, view: View) -> Prediction | Discarded:
        document = view.document
        return Prediction(
            id="once",
            project=document.project,
            path=document.path,
            version=document.version,
            edits=(TextEdit(Span(view.cursor, view.cursor), SENTENCE * 20),),
            proposer=self.name,
            why="",
        )


async def time_hits() -> list[float]:
    """Milliseconds of each prediction while all of one is typed, in a long file."""
    quiet = Settings(offer_status=False, watch_files=False)
    hits: list[float] = []
    with tempfile.TemporaryDirectory() as root:
        for start in (0, len(TEXT) // 2, len(TEXT)):
            async with Session(root, settings=quiet, proposers=(_Once(),)) as session:
                session.open("a.py", TEXT)
                at = TEXT.rfind("\n", 0, start) + 1
                assert await session.predict("a.py", at)
                asked = session.counts.total("predicted")
                for index, key in enumerate((SENTENCE * 20)[:-1]):
                    session.edit("a.py", Span(at + index, at + index), key)
                    started = time.perf_counter()
                    answer = await session.predict("a.py", at + index + 1)
                    hits.append((time.perf_counter() - started) * 1000)
                    assert answer, (index, answer)
                assert session.counts.total("predicted") == asked
    return hits


async def share_of_waiting(seconds: float) -> float:
    """The share of one core that the clock of `share_of_typing` takes by itself."""
    used, started = time.process_time(), time.perf_counter()
    for index in range(int(seconds * KEYS_A_SECOND)):
        due = started + (index + 1) / KEYS_A_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    return (time.process_time() - used) / (time.perf_counter() - started)


async def share_of_typing(seconds: float, *, enabled: bool) -> float:
    """The share of one core that a session without a model takes at ten keys a second.

    Every key asks for a prediction, as an editor does, in a long file.
    """
    settings = Settings(
        offer_status=False,
        predict=PredictSettings(gating=GatingSettings(enabled=enabled)),
    )
    with tempfile.TemporaryDirectory() as root:
        async with Session(root, settings=settings) as session:
            session.open("a.py", TEXT)
            at = len(TEXT) // 2
            at = TEXT.rfind("\n", 0, at) + 1
            questions: set[asyncio.Task[Prediction | Discarded]] = set()
            await asyncio.sleep(1)
            used, started = time.process_time(), time.perf_counter()
            for index in range(int(seconds * KEYS_A_SECOND)):
                key = SENTENCE[index % len(SENTENCE)]
                session.edit("a.py", Span(at + index, at + index), key)
                cursor = at + index + 1
                question = session.predict("a.py", cursor, trigger="buffer_edit")
                task = asyncio.create_task(question)
                questions.add(task)
                task.add_done_callback(questions.discard)
                due = started + (index + 1) / KEYS_A_SECOND
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            share = (time.process_time() - used) / (time.perf_counter() - started)
            await asyncio.gather(*questions)
    return share
