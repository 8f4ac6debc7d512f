"""Outbox: what goes out by a link: in frames, within credit, big values in chunks.

Messages are gathered and leave together when the turn is over. What the other side
has not taken yet is limited by credit, so nothing is lost in an engine's buffers and
nobody but its own link waits for a slow node. A value of a megabyte leaves in chunks,
between which the messages of other processes go first; those of its own sender keep
their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from fastask._core.outgoing import Outgoing
from fastask._core.scheduler import scheduler_for
from fastask._nodes.engine import Buffer, Link
from fastask._nodes.wire import CONTROL, HEADER, LAST, Kind, header, pack_big

CREDIT = 2 * 1024 * 1024
"""Bytes that may be on their way in one direction."""

BIG = 1024 * 1024
"""Bytes from which on a message leaves in chunks."""

CHUNK = 128 * 1024
"""Bytes of a chunk."""

_CHUNK = int(Kind.CHUNK)
_Message = tuple[bytes, list[Buffer], int]
"""What stands in a frame's first buffer, the others, and the bytes of all of them."""


class Outbox(Outgoing):
    """One direction of a link, from the messages to the frames."""

    def __init__(self, loop: asyncio.AbstractEventLoop, mark: int) -> None:
        super().__init__(scheduler_for(loop), mark, CREDIT)
        self.loop = loop
        self._big = 0
        self.unsent = 0
        self._waiting: deque[tuple[bytes, list[Buffer], int, int]] = deque()
        # Big messages that are leaving: the lane of the sender, the rest, the number.
        self._chunks: deque[tuple[object, memoryview, int]] = deque()
        self._lanes: dict[object, deque[_Message]] = {}
        self._drained: asyncio.Future[None] | None = None

    # Messages that are long, or behind such a one.

    def put_long(
        self,
        kind: int,
        flags: int,
        serial: int,
        number: int,
        origin: int,
        data: bytes,
        buffers: Sequence[bytes],
        sender: object,
    ) -> None:
        """Have such a message leave."""
        first, long = header(kind, flags, serial, number, origin, data, buffers)
        size = sum(map(len, first)) + sum(map(len, long))
        self._put_message((b"".join(first), long, size), sender)

    def _put_message(self, message: _Message, sender: object) -> None:
        lane = self._lanes.get(sender)
        if lane is not None:
            lane.append(message)
            return
        first, long, size = message
        if size < BIG:
            self.put_parts(first, long, size)
            return
        self.schedule()
        self._lanes[sender] = deque()
        self._big += 1
        rest = memoryview(pack_big([first], long))
        self._chunks.append((sender, rest, self._big))
        self.unsent += len(rest)
        self.is_ordering = self.is_waiting = True

    # Frames.

    def open(self, link: Link) -> None:
        """Send by this link from now on."""
        self.link = link
        self.flush()

    def close(self) -> None:
        """Forget everything: the link is no more."""
        self.link = None
        self.is_closed = True
        self._waiting.clear()
        self._chunks.clear()
        self._lanes.clear()
        self.forget()
        self.unsent = 0
        self._wake()

    def wait(self, frame: bytes, buffers: list[Buffer], count: int, size: int) -> None:
        """Keep a frame that may not leave yet."""
        self._waiting.append((frame, buffers, count, size))
        self.unsent += size
        self.is_waiting = True

    def control(self, kind: int, data: bytes = b"", serial: int = 0) -> None:
        """Send a message that needs no credit, at once."""
        if self.link is not None:
            first = HEADER.pack(kind, 0, 0, len(data), serial, 0, 0) + data
            self.send(first, [], 1, CONTROL)

    def give(self, credit: int) -> None:
        """The other side has taken so many bytes."""
        self.credit = min(self.credit + credit, CREDIT)  # it counted the heads, too
        if self.is_waiting:
            self.pump()

    def pump(self) -> None:
        """Send what waits, as long as there is credit."""
        while self.credit > 0 and self.link is not None:
            if self._waiting:
                frame, buffers, count, size = self._waiting.popleft()
                self.unsent -= size
                self.credit -= size
                self.send_waiting(frame, buffers, count)
            elif self._chunks:
                self._send_chunk()
            else:
                break
        self.is_waiting = bool(self._waiting or self._chunks)
        if not self.unsent:
            self._wake()

    def _send_chunk(self) -> None:
        """Send a piece of the big message whose turn it is."""
        sender, rest, number = self._chunks.popleft()
        piece, rest = rest[:CHUNK], rest[CHUNK:]
        flags = 0 if rest else LAST
        self.credit -= len(piece)
        self.unsent -= len(piece)
        self.send(HEADER.pack(_CHUNK, flags, 1, 0, number, 0, 0), [piece], 1, 0)
        if rest:
            self._chunks.append((sender, rest, number))
            return
        behind = self._lanes.pop(sender)
        self.is_ordering = bool(self._lanes)
        for message in behind:
            self._put_message(message, sender)

    # Waiting.

    async def drain(self) -> None:
        """Wait until nothing waits for credit; returns at once when closed."""
        while self.unsent and not self.is_closed:
            if self._drained is None or self._drained.done():
                self._drained = self.loop.create_future()
            await asyncio.shield(self._drained)

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
