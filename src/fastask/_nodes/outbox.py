"""Outbox: what goes out by a link: in frames, within credit, big values in chunks.

Messages are gathered and leave together, once a turn of the loop. What the other side
has not taken yet is limited by credit, so nothing is lost in an engine's buffers and
nobody but its own link waits for a slow node. A value of a megabyte leaves in chunks,
between which the messages of other processes go first; those of its own sender keep
their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from fastask._nodes.engine import Buffer, Link
from fastask._nodes.wire import (
    CONTROL,
    HEAD,
    HEADER,
    LAST,
    MAGIC,
    VERSION,
    Kind,
    header,
    pack_big,
)

CREDIT = 2 * 1024 * 1024
"""Bytes that may be on their way in one direction."""

BIG = 1024 * 1024
"""Bytes from which on a message leaves in chunks."""

CHUNK = 128 * 1024
"""Bytes of a chunk."""

FULL = 64 * 1024
"""Bytes, and"""

MANY = 256
"""messages, with which a frame leaves at once."""

_CHUNK = int(Kind.CHUNK)
_Frame = tuple[list[Buffer], list[Buffer], int, int]


class Outbox:
    """One direction of a link, from the messages to the frames."""

    __slots__ = (
        "_big",
        "_chunks",
        "_count",
        "_drained",
        "_first",
        "_is_closed",
        "_lanes",
        "_link",
        "_long",
        "_mark",
        "_seq",
        "_size",
        "_waiting",
        "credit",
        "loop",
        "scheduled",
        "unsent",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, mark: int) -> None:
        self.loop = loop
        self._mark = mark
        self._link: Link | None = None
        self._is_closed = False
        self._seq = 1  # the greeting was number 0
        self._big = 0
        self.credit = CREDIT
        self.scheduled = False
        self.unsent = 0
        self._first: list[Buffer] = []
        self._long: list[Buffer] = []
        self._count = 0
        self._size = 0
        self._waiting: deque[_Frame] = deque()
        # Big messages that are leaving: the lane of the sender, the rest, the number.
        self._chunks: deque[tuple[object, memoryview, int]] = deque()
        self._lanes: dict[object, deque[tuple[list[Buffer], list[Buffer]]]] = {}
        self._drained: asyncio.Future[None] | None = None

    # Messages.

    def is_ordering(self, data: bytes, buffers: Sequence[bytes]) -> bool:
        """Tell whether it matters who sends this message."""
        return bool(self._lanes or buffers) or len(data) >= FULL

    def put(
        self,
        kind: int,
        flags: int,
        serial: int,
        number: int,
        origin: int,
        data: bytes,
        buffers: Sequence[bytes] = (),
        sender: object = None,
    ) -> None:
        """Have a message leave soon, after those that `sender` sent before."""
        if self._is_closed:
            return
        if buffers or len(data) >= FULL or self._lanes:
            self._put_long(
                header(kind, flags, serial, number, origin, data, buffers), sender
            )
            return
        size = len(data)
        self._first += (
            HEADER.pack(kind, flags, 0, size, serial, number, origin),
            data,
        )
        self._count += 1
        self._size += size + 32
        if self._size >= FULL or self._count >= MANY:
            self.flush()
        elif not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.flush)

    def _put_long(
        self, message: tuple[list[Buffer], list[Buffer]], sender: Any
    ) -> None:
        first, long = message
        lane = self._lanes.get(sender)
        if lane is not None:
            lane.append(message)
            return
        size = sum(map(len, first)) + sum(map(len, long))
        if size >= BIG:
            self._lanes[sender] = deque()
            self._big += 1
            rest = memoryview(pack_big(first, long))
            self._chunks.append((sender, rest, self._big))
            self.unsent += len(rest)
        else:
            self._first += first
            self._long += long
            self._count += 1
            self._size += size
            if self._size >= FULL or self._count >= MANY:
                self.flush()
                return
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.flush)

    # Frames.

    def open(self, link: Link) -> None:
        """Send by this link from now on."""
        self._link = link
        self.flush()

    def close(self) -> None:
        """Forget everything: the link is no more."""
        self._link = None
        self._is_closed = True
        self._waiting.clear()
        self._chunks.clear()
        self._lanes.clear()
        self._first, self._long, self._count, self._size = [], [], 0, 0
        self.unsent = 0
        self._wake()

    def flush(self) -> None:
        """Make a frame of what was gathered, and send what may be sent."""
        self.scheduled = False
        if self._is_closed:
            return
        if self._count:
            frame = self._first, self._long, self._count, self._size
            self._first, self._long, self._count, self._size = [], [], 0, 0
            if self.credit > 0 and not self._waiting and self._link is not None:
                self.credit -= frame[3]
                self._send(frame, 0)
            else:
                self._waiting.append(frame)
                self.unsent += frame[3]
        if self._waiting or self._chunks:
            self._pump()

    def control(self, kind: int, data: bytes = b"", serial: int = 0) -> None:
        """Send a message that needs no credit, at once."""
        first: list[Buffer] = [HEADER.pack(kind, 0, 0, len(data), serial, 0, 0), data]
        if self._link is not None:
            self._send((first, [], 1, 0), CONTROL)

    def give(self, credit: int) -> None:
        """The other side has taken so many bytes."""
        self.credit = min(self.credit + credit, CREDIT)  # it counted the heads, too
        if self._waiting or self._chunks:
            self._pump()

    def _send(self, frame: _Frame, flags: int) -> None:
        first, long, count, _ = frame
        assert self._link is not None
        head = HEAD.pack(MAGIC, VERSION, flags, count, self._mark, self._seq)
        self._seq += 1
        self._link.send([b"".join([head, *first]), *long])

    def _pump(self) -> None:
        while self.credit > 0 and self._link is not None:
            if self._waiting:
                frame = self._waiting.popleft()
                self.unsent -= frame[3]
                self.credit -= frame[3]
                self._send(frame, 0)
            elif self._chunks:
                self._send_chunk()
            else:
                break
        if not self.unsent:
            self._wake()

    def _send_chunk(self) -> None:
        """Send a piece of the big message whose turn it is."""
        sender, rest, number = self._chunks.popleft()
        piece, rest = rest[:CHUNK], rest[CHUNK:]
        flags = 0 if rest else LAST
        first: list[Buffer] = [HEADER.pack(_CHUNK, flags, 1, 0, number, 0, 0)]
        self.credit -= len(piece)
        self.unsent -= len(piece)
        long: list[Buffer] = [piece]
        self._send((first, long, 1, 0), 0)
        if rest:
            self._chunks.append((sender, rest, number))
            return
        for message in self._lanes.pop(sender):  # what waited behind it
            self._put_long(message, sender)

    # Waiting.

    async def drain(self) -> None:
        """Wait until nothing waits for credit; returns at once when closed."""
        while self.unsent and not self._is_closed:
            if self._drained is None or self._drained.done():
                self._drained = self.loop.create_future()
            await asyncio.shield(self._drained)

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
