"""A language server's process: started, fed, read in frames, and ended whatever it does.

Knows nothing of JSON-RPC. Standard error is drained and thrown away: servers write file contents
there. The process leads a group of its own, so that what it started ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from zeta_context.errors import FramingError, ServerGone
from zeta_context.lsp.wire import FrameReader, encode_frame

READ_SIZE = 65536
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
MAX_UNSENT_BYTES = 64 * 1024 * 1024
"""A server that reads nothing while we write more than this is given up."""

KILL_WAIT_S = 2.0

MAX_BODY_BYTES = 64 * 1024 * 1024


class ServerProcess:
    """One run of a server. `on_body` gets each message, `on_exit` a reason, once, at the end."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        *,
        on_body: Callable[[bytes], None],
        on_exit: Callable[[str], None],
    ) -> None:
        self._process = process
        self._on_body = on_body
        self._on_exit = on_exit
        self._has_ended = False
        self._unsent: list[bytes] = []
        self._tasks = (
            asyncio.create_task(self._read(), name="lsp stdout"),
            asyncio.create_task(self._drain_stderr(), name="lsp stderr"),
        )

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        directory: Path,
        env: Mapping[str, str] | None,
        on_body: Callable[[bytes], None],
        on_exit: Callable[[str], None],
    ) -> ServerProcess:
        """Start `command`; raises ServerGone when the system cannot."""
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                cwd=directory,
                env=dict(env) if env is not None else None,
                start_new_session=os.name == "posix",
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise ServerGone(f"cannot start {Path(command[0]).name}: {why}") from None
        return cls(process, on_body=on_body, on_exit=on_exit)

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    def write(self, body: bytes) -> None:
        """Queue one message; never waits. Ends the server when it has stopped reading."""
        stdin = self._process.stdin
        if self._has_ended or stdin is None or stdin.is_closing():
            return
        if stdin.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._end("it stopped reading")
            return
        if not self._unsent:
            # What is asked in one go is written in one go: a server is woken once for it.
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(encode_frame(body))

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        stdin = self._process.stdin
        if unsent and stdin is not None and not stdin.is_closing():
            stdin.write(b"".join(unsent))

    async def stop(self, *, grace_s: float = 1.0) -> None:
        """Close its input, wait `grace_s` seconds, then terminate, then kill it.

        With no grace it is killed at once.
        """
        self._has_ended = True
        self._flush()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if grace_s > 0 and not await self._has_exited(grace_s):
            self._signal(signal.SIGTERM)
            await self._has_exited(grace_s)
        self._signal(_KILL)  # also what it left behind in its group
        await self._has_exited(KILL_WAIT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The public API closes the pipes only at their end, which something that the server
        # started and that left its group can hold open for ever.
        transport: asyncio.SubprocessTransport | None = getattr(self._process, "_transport", None)
        if transport is not None:
            transport.close()

    async def _has_exited(self, timeout_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        return self._process.returncode is not None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, number)
            elif self._process.returncode is None:
                self._process.terminate()  # there is no gentler way on Windows

    def _end(self, why: str) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._signal(_KILL)
            self._on_exit(why)

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        reader = FrameReader(max_body_bytes=MAX_BODY_BYTES)
        try:
            while data := await stdout.read(READ_SIZE):
                for frame in reader.feed(data):
                    self._on_body(frame.body)
        except FramingError as error:
            self._end(f"it sent what is no message: {error}")
            return
        except OSError:
            pass
        self._end("it closed its stream")

    async def _drain_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        with contextlib.suppress(OSError):
            while await stderr.read(READ_SIZE):
                pass
