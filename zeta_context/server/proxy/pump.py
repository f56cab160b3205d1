"""The pump: relays bytes between an editor and its language server, and waits for nobody else.

One thread, one poll loop, no heavy import: a worker process observes and predicts beside it. To
editor and server it is as if it were not there: order, bytes, exit status, signals, broken pipes.
Knows descriptors and processes; which message is whose is `traffic`.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import select
import signal
import sys
import time
from collections import Counter, deque
from typing import NamedTuple, NoReturn

from zeta_context.server.proxy import link
from zeta_context.server.proxy.process import close_fd, end_as, open_wakeup, read_some, start_server
from zeta_context.server.proxy.report import Report
from zeta_context.server.proxy.rewrite import FrontEnds, encode_json
from zeta_context.server.proxy.sink import Sink
from zeta_context.server.proxy.stream import MessageStream
from zeta_context.server.proxy.traffic import Traffic, encode_actions
from zeta_context.server.proxy.workers import Keep, WorkerLink

HIGH_WATER_BYTES = 1024 * 1024
"""With so much waiting for one side, the other is not read until it has drained."""

DRAIN_S = 0.2
"""How long to read on after the server's end while another process holds its output open."""

_HOW_IT_DOES = ("latency_ms", "rates", "memory_mb")
"""What the worker's status tells of predictions."""

_RELAYED_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class PumpSettings(NamedTuple):
    """What to run: the server's command, and the worker's without its last argument, the socket."""

    server: list[str]
    worker: list[str]
    id_prefix: str
    front_ends: FrontEnds
    max_worker_wait_s: float
    status: tuple[int, str] | None = None


class Pump:
    """One run: from the server's start to its end."""

    def __init__(self, settings: PumpSettings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self._status = b"{}"
        self._poll = select.poll()
        self._masks: dict[int, int] = {}
        self._exit_status: int | None = None
        self._exited_at = 0.0
        self._is_client_open = True
        self._is_server_open = True
        self._report = Report(*settings.status, self.status) if settings.status else None
        self._notes: deque[dict[str, object]] = deque(maxlen=10)
        self._wakeup = open_wakeup()
        for name in _RELAYED_SIGNALS:
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._relay_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.server_pid, server_in, self._server_out = start_server(settings.server)
        self.to_server = Sink(server_in)
        self.to_client = Sink(1, may_block=os.path.sameopenfile(1, 2) or os.isatty(1))
        self._for_client: deque[bytes] = deque()
        self._for_server: deque[bytes] = deque()
        self.worker = WorkerLink(
            [*settings.worker, str(os.getpid()), str(self.server_pid)], count=self._count
        )
        self.traffic = Traffic(
            self, id_prefix=settings.id_prefix, front_ends=settings.front_ends, count=self._count
        )
        self._from_client = MessageStream(self.traffic.from_client)
        self._from_server = MessageStream(self.traffic.from_server)

    # What traffic asks for.

    def forward_to_client(self, data: bytes) -> None:
        self.to_client.write(data)

    def forward_to_server(self, data: bytes) -> None:
        self.to_server.write(data)

    def send_to_client(self, frame: bytes) -> None:
        self._for_client.append(frame)

    def start_worker(self) -> None:
        if not self.worker.pid:
            self.worker.start_soon()

    def send_to_worker(self, kind: bytes, body: bytes, keep: Keep = "no") -> bool:
        if kind == link.REQUEST and b'"zeta/status"' in body:
            counters = link.encode_record(link.COUNTERS, json.dumps(self.counts).encode())
            if self.worker.sink is not None:
                self.worker.sink.write(counters)
        return self.worker.send(kind, body, keep)

    # The loop.

    def run(self) -> int:
        """Relay until the server has ended; its wait status."""
        gc.collect()
        gc.freeze()
        gc.disable()
        while not self._is_done():
            self._watch()
            for fd, events in self._poll.poll(self._timeout_ms()):
                self._handle(fd, events)
            self._inject()
            self._tend_worker()
        self.worker.say_goodbye()
        if self._report is not None:
            self._report.close()
        os.set_blocking(1, True)
        return self._exit_status or 0

    def _is_done(self) -> bool:
        if self._exit_status is None:
            return False
        if self._is_server_open and time.monotonic() - self._exited_at < DRAIN_S:
            return False
        return self.to_client.size == 0 or self.to_client.is_broken

    def _timeout_ms(self) -> int | None:
        if self._exit_status is not None:
            return 20
        waits = [self.worker.wait_s] if self.worker.wait_s is not None else []
        if self.traffic.outstanding:
            waits.append(1.0)
        return int(min(waits) * 1000) + 1 if waits else None

    def _watch(self) -> None:
        """Poll for what can be done now: reading stops while the other side does not drain."""
        wanted = {self._wakeup: select.POLLIN}
        if self._report is not None:
            wanted[self._report.fd] = select.POLLIN
        if self._is_client_open:
            is_full = self.to_server.size > HIGH_WATER_BYTES
            wanted[0] = 0 if is_full else select.POLLIN
        if not self.to_client.is_broken:
            wanted[1] = select.POLLOUT if self.to_client.size else 0
        if self._is_server_open:
            is_full = self.to_client.size > HIGH_WATER_BYTES
            wanted[self._server_out] = 0 if is_full else select.POLLIN
        if not self.to_server.is_broken:
            wanted[self.to_server.fd] = select.POLLOUT if self.to_server.size else 0
        if self.worker.sink is not None:
            mask = select.POLLIN | (select.POLLOUT if self.worker.sink.size else 0)
            wanted[self.worker.fd] = mask
        if wanted == self._masks:
            return
        for fd in self._masks.keys() - wanted.keys():
            self._poll.unregister(fd)
        for fd, mask in wanted.items():
            if self._masks.get(fd) != mask:
                self._poll.register(fd, mask)
        self._masks = wanted

    def _handle(self, fd: int, events: int) -> None:
        if fd == 0 and self._is_client_open:
            self._read_client(events)
        elif fd == self._server_out and self._is_server_open:
            self._read_server(events)
        elif fd == 1:
            self.to_client.flush()
            if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                self._lose_client_reader()
        elif fd == self.to_server.fd:
            self.to_server.flush()
            if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                self._lose_server_reader()
        elif fd == self._wakeup:
            os.read(self._wakeup, 512)
            self._reap()
        elif fd == self.worker.fd:
            self._serve_worker(events)
        elif self._report is not None and fd == self._report.fd:
            self._report.answer()

    def _read_client(self, events: int) -> None:
        data = read_some(0) if events & ~select.POLLNVAL else b""
        if data is None:
            return
        if data:
            self._from_client.feed(data)
            return
        self._from_client.finish()
        self._is_client_open = False
        self.to_server.close_when_empty()

    def _read_server(self, events: int) -> None:
        data = read_some(self._server_out)
        if data is None:
            return
        if data:
            self._from_server.feed(data)
            return
        self._from_server.finish()
        self._close_server_out()
        self._inject()
        # The server may live on without an output: the editor sees that, too.
        self.to_client.close_when_empty()

    def _close_server_out(self) -> None:
        if self._is_server_open:
            self._is_server_open = False
            self._unwatch(self._server_out)
            os.close(self._server_out)

    def _lose_client_reader(self) -> None:
        """The editor reads no more: the server gets its broken pipe, as it would have."""
        self.to_client.is_broken = True
        self._close_server_out()

    def _lose_server_reader(self) -> None:
        """The server reads no more: so does the editor's next write break."""
        if self.to_server.fd >= 0:
            self._unwatch(self.to_server.fd)
            self.to_server.close_when_empty()
        self.to_server.is_broken = True
        if self._is_client_open:
            self._is_client_open = False
            self._unwatch(0)
            close_fd(0)

    def _unwatch(self, fd: int) -> None:
        if fd in self._masks:
            self._poll.unregister(fd)
            del self._masks[fd]

    def _inject(self) -> None:
        """Put our messages between two of the others."""
        while self._for_client and self._from_server.is_at_boundary:
            self.to_client.write(self._for_client.popleft())
        while self._for_server and self._from_client.is_at_boundary:
            self.to_server.write(self._for_server.popleft())
        if self._from_client.is_at_boundary:
            self.traffic.shadows.proceed()

    # The worker.

    def _tend_worker(self) -> None:
        worker = self.worker
        if worker.sink is not None and worker.sink.is_broken:
            self._lose_worker(kill=False)
        if self.traffic.oldest_request_age() > self.settings.max_worker_wait_s:
            self._count("worker_hung")
            self._lose_worker(kill=True)
        worker.start_if_due()

    def _serve_worker(self, events: int) -> None:
        if events & select.POLLOUT:
            self.worker.flush()
        if not events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return
        try:
            records = self.worker.read()
        except ValueError:
            self._count("worker_garbled")
            self._lose_worker(kill=True)
            return
        if records is None:
            self._count("worker_died")
            self._lose_worker(kill=False)
            return
        try:
            for record in records:
                self._obey(record)
        except (ValueError, TypeError, AttributeError, IndexError):
            self._count("worker_garbled")
            self._lose_worker(kill=True)

    def _lose_worker(self, *, kill: bool) -> None:
        if self.worker.fd >= 0:
            self._unwatch(self.worker.fd)
        self.worker.drop(kill=kill)
        self.traffic.give_up_requests()
        self.traffic.offers.clear()
        self.traffic.shadows.forget()
        self._status = b"{}"
        self.worker.start_soon()

    def _obey(self, record: link.Record) -> None:
        kind, payload, sequence = record
        if kind == link.ANSWER:
            self.traffic.answer(*link.decode_answer(payload))
        elif kind == link.TO_CLIENT:
            self._for_client.append(payload)
        elif kind == link.TO_SERVER:
            self._for_server.append(payload)
        elif kind == link.SHADOW_OPEN:
            if not self.traffic.shadows.want(*link.decode_answer(payload)):
                self.worker.send(link.SHADOWS_CLOSED, b"", "no")
        elif kind == link.SHADOW_ASK:
            self.traffic.shadows.ask(*link.decode_answer(payload))
        elif kind == link.SHADOW_CLOSE:
            self.traffic.shadows.close(payload)
        elif kind == link.CHECKPOINT:
            self.worker.backlog.replace(sequence, payload)
        elif kind == link.OFFERS:
            self.traffic.offers = {
                uri: encode_actions(actions) for uri, actions in json.loads(payload).items()
            }
        elif kind == link.STATUS:
            self._status = payload

    # Processes.

    def _relay_signal(self, number: int, _: object) -> None:
        if self._exit_status is None:
            try:
                os.kill(self.server_pid, number)
            except OSError:
                self._count("signal_not_relayed")

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.server_pid:
                self._exit_status = status
                self._exited_at = time.monotonic()
                if not self.to_server.is_broken:
                    self._lose_server_reader()
            elif pid == self.worker.pid and self.worker.fd >= 0:
                self._count("worker_died")
                self._lose_worker(kill=False)

    def _count(self, name: str) -> None:
        self.counts[name] += 1
        if name.startswith("worker_") and name != "worker_started":
            self._notes.append({"at": time.time(), "name": name, "place": ""})

    def status(self) -> bytes:
        """What `zeta-context doctor` shows: the worker's own status and the pump's counters."""
        try:
            worker = json.loads(self._status)
        except ValueError:
            worker = {}
        totals = {f"proxy_{name}": number for name, number in sorted(self.counts.items())}
        recent = sorted([*worker.get("recent", []), *self._notes], key=lambda note: note["at"])
        return encode_json(
            {
                "server": os.path.basename(self.settings.server[0]),
                "projects": worker.get("projects", []),
                "documents": worker.get("documents", 0),
                **{key: worker[key] for key in _HOW_IT_DOES if key in worker},
                "worker_is_alive": self.worker.fd >= 0,
                "totals": {**worker.get("totals", {}), **totals},
                "recent": recent[-20:],
            }
        )


def run(settings: PumpSettings) -> NoReturn:
    """Run a server behind the pump and end as it ends; 127 or 126 if it cannot be started."""
    try:
        pump = Pump(settings)
    except OSError as error:
        if settings.status is not None:
            os.unlink(settings.status[1])
        reason = os.strerror(error.errno or 0)
        sys.stderr.write(f"zeta-context proxy: cannot start {settings.server[0]}: {reason}\n")
        sys.stderr.flush()
        os._exit(127 if error.errno == errno.ENOENT else 126)
    end_as(pump.run())


def main() -> NoReturn:
    """Entry of the pump's own process: the settings are one JSON argument."""
    given = json.loads(sys.argv[1])
    commands, *others = given["front_ends"]
    run(
        PumpSettings(
            server=given["server"],
            worker=given["worker"],
            id_prefix=given["id_prefix"],
            front_ends=FrontEnds(tuple(commands), *others),
            max_worker_wait_s=given["max_worker_wait_s"],
            status=given["status"],
        )
    )
