"""One direction of relayed traffic: bytes flow on as they come, few messages are stopped whole.

Knows where messages begin and end and what their heads say; what becomes of a kind of message is
its receiver's decision. Pure: no I/O, so every chunking can be tested.
"""

from __future__ import annotations

from typing import Literal, Protocol

from zeta_context.errors import FramingError
from zeta_context.lsp.wire import Header, read_header
from zeta_context.server.proxy.envelope import HEAD_BYTES, UNKNOWN, Envelope, read_head, read_whole

Treatment = Literal["pass", "copy", "hold"]
"""Forward and forget; forward and hand over a copy; hand over instead of forwarding."""

MAX_HELD_BYTES = 8 * 1024 * 1024
"""No larger message is ever kept from flowing, whatever its head says."""


class Receiver(Protocol):
    """Decides about messages and gets them."""

    def decide(self, envelope: Envelope, size: int) -> Treatment:
        """What to do with a message whose body has `size` bytes."""

    def forward(self, data: bytes) -> None:
        """Bytes for the other side."""

    def take_copy(self, envelope: Envelope, body: bytes) -> None:
        """The body of a message that was forwarded as it came."""

    def take_held(self, envelope: Envelope, raw: bytes, body_offset: int) -> None:
        """A whole message that was not forwarded."""

    def lose_framing(self, error: FramingError) -> None:
        """From here on the bytes are passed without being understood."""

    def note_failure(self, error: Exception) -> None:
        """A mistake of ours, after which the message went on as it came."""


class MessageStream:
    """Feeds one `Receiver` from one byte stream, in any chunks."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._undecided = b""
        self._searched = 0
        self._is_raw = False
        # Of the message that is under way:
        self._treatment: Treatment = "pass"
        self._envelope = UNKNOWN
        self._body_offset = 0
        self._kept = bytearray()
        self._remaining = 0

    @property
    def is_at_boundary(self) -> bool:
        """Whether the other side has seen only whole messages, so that one can be put between."""
        return not self._is_raw and (self._remaining == 0 or self._treatment == "hold")

    def feed(self, data: bytes) -> None:
        """Take the next bytes; calls the receiver for all that they settle."""
        at = 0
        while at < len(data):
            if self._is_raw:
                self._receiver.forward(data[at:] if at else data)
                return
            if self._remaining:
                at = self._continue(data, at)
                continue
            if self._undecided:
                data, at = self._undecided + data[at:], 0
                self._undecided = b""
            try:
                header = read_header(data, at, search_from=self._searched)
            except FramingError as error:
                self._is_raw = True
                self._receiver.lose_framing(error)
                continue
            begun = None if header is None else self._begin(data, at, header)
            if begun is None:
                self._undecided = data[at:] if at else data
                self._searched = len(self._undecided) if header is None else 0
                return
            self._searched = 0
            at = begun

    def finish(self) -> None:
        """The stream has ended: what was held back of an incomplete message goes on as it is."""
        rest = bytes(self._kept) if self._treatment == "hold" else b""
        rest += self._undecided
        self._undecided = b""
        self._kept = bytearray()
        self._remaining = 0
        if rest:
            self._receiver.forward(rest)

    def _begin(self, data: bytes, at: int, header: Header) -> int | None:
        """Start the message at `at`; how far `data` is used up, or None to wait for more."""
        size, length, _ = header
        body_at = at + size
        end = body_at + length
        seen = min(end, body_at + HEAD_BYTES)
        envelope = read_head(data[body_at:seen], is_whole=seen == end and len(data) >= end)
        if envelope.is_settled:
            treatment = self._decide(envelope, length)
        elif len(data) < seen:
            return None
        else:
            # The kind stands behind the content: only the whole message tells.
            treatment = "hold" if length <= MAX_HELD_BYTES else "pass"
        if len(data) >= end:
            self._settle(treatment, envelope, data[at:end], size)
            return end
        self._treatment, self._envelope, self._body_offset = treatment, envelope, size
        self._remaining = size + length
        self._kept = bytearray()
        return self._continue(data, at)

    def _continue(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._remaining] if at or len(data) > self._remaining else data
        self._remaining -= len(piece)
        if self._treatment != "hold":
            self._receiver.forward(piece)
        if self._treatment != "pass":
            self._kept += piece
            if not self._remaining:
                raw, self._kept = bytes(self._kept), bytearray()
                if self._treatment == "copy":
                    self._hand_copy(self._envelope, raw[self._body_offset :])
                else:
                    self._settle("hold", self._envelope, raw, self._body_offset)
        return at + len(piece)

    def _settle(self, treatment: Treatment, envelope: Envelope, raw: bytes, offset: int) -> None:
        """A whole message, of which nothing has been forwarded."""
        if not envelope.is_settled:
            envelope = read_whole(raw[offset:])
            treatment = self._decide(envelope, len(raw) - offset)
        if treatment == "hold":
            try:
                self._receiver.take_held(envelope, raw, offset)
            except Exception as error:
                self._receiver.note_failure(error)
                self._receiver.forward(raw)
            return
        self._receiver.forward(raw)
        if treatment == "copy":
            self._hand_copy(envelope, raw[offset:])

    # A mistake of ours must not cost the editor its language server: whatever fails, bytes flow.

    def _decide(self, envelope: Envelope, size: int) -> Treatment:
        try:
            treatment = self._receiver.decide(envelope, size)
            return "pass" if treatment == "hold" and size > MAX_HELD_BYTES else treatment
        except Exception as error:
            self._receiver.note_failure(error)
            return "pass"

    def _hand_copy(self, envelope: Envelope, body: bytes) -> None:
        try:
            self._receiver.take_copy(envelope, body)
        except Exception as error:
            self._receiver.note_failure(error)
