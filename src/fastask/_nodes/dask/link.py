"""Link: frames between two nodes over a connection of `distributed.comm`.

What waits to be sent leaves in as few writes as it can. Small frames travel inside the
message; the buffers of large ones go out of band, uncopied. The transport's own
backpressure is what `drain` waits for: a peer that does not read stops only its link.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from distributed.comm.core import Comm, CommClosedError
from distributed.protocol.serialize import Serialized
from tornado.iostream import StreamClosedError

from fastask._nodes.engine import Buffer, Frame, Peer, Receiver
from fastask._nodes.ticking import LinkClosed, TickingLink

SMALL = 64 * 1024
"""Bytes: a frame up to this size is copied into the message."""

BATCH = 128 * 1024
"""Bytes of small frames that leave in one write."""

ENDED = object()
"""A coroutine waits for nothing any more."""

TICK = ()
"""A message without a frame: the peer's loop runs."""

logger = logging.getLogger("fastask")


class DaskLink(TickingLink):
    """Both directions between two nodes, in order, at most once."""

    def __init__(
        self, comm: Comm, peer: Peer, finished: Callable[[DaskLink], None]
    ) -> None:
        super().__init__(peer)
        comm.allow_offload = False  # what is bytes already needs no thread
        self._comm: Any = comm  # of tcp or tls, so it has a stream
        self._finished = finished
        self._receiver: Receiver | None = None
        self._queue: deque[tuple[Frame, int]] = deque()
        self._is_busy = False  # somebody will look at the queue
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What runs for this link; it ends by itself when the link is closed."""
        return [task for task in (self._reader, self._writer) if task is not None]

    def start(self, receiver: Receiver) -> None:
        """Bring frames to the receiver."""
        self._receiver = receiver
        self._reader = self._loop.create_task(
            self._read(receiver), name=f"fastask link from {self.peer.name}"
        )

    def send(self, frame: Frame) -> None:
        """Send a frame soon; never waits, never raises, does nothing once closed.

        The first of a turn leaves at once, those that follow it leave together.
        """
        if self._is_closed:
            return
        size = sum(map(_size, frame))
        self._pending += size
        self._put(frame, size)

    def close(self, reason: object = None) -> None:
        """Close at once; `closed` is called in a later turn of the loop.

        What was sent in this turn leaves, as far as the kernel takes it.
        """
        if self._is_closed:
            return
        if self._writer is None or self._writer.done():
            self._write_last()
        self._is_closed = True
        self._queue.clear()
        self._pending = 0
        self._comm.abort()  # ends what the tasks wait for
        self._make_room()
        self._loop.call_soon(self._tell, reason)

    def _send_tick(self) -> None:
        self._put(TICK, 0)

    def _tell(self, reason: object) -> None:
        try:
            if self._receiver is not None:
                self._receiver.closed(reason)
        finally:
            self._finished(self)  # after which the node may be told to be down

    async def _read(self, receiver: Receiver) -> None:
        try:
            while not self._is_closed:
                message = await self._comm.read()
                self._has_received = True
                for frame in decoded(message):
                    if self._is_closed:
                        return
                    receiver.received(frame)
        except CommClosedError as error:
            self.close(LinkClosed(f"connection closed: {error}"))
        except Exception as error:  # whatever is wrong with a frame ends the link
            if self._is_closed:
                return
            logger.exception("the link to %s is closed by a frame", self.peer.name)
            self.close(error)

    def _put(self, frame: Frame, size: int) -> None:
        self._queue.append((frame, size))
        if not self._is_busy:
            self._is_busy = True
            self._write()

    def _write(self) -> None:
        """Write what waits, until the kernel is full; look again in the next turn."""
        try:
            while self._queue:
                message, size = self._next()
                self._has_sent = True
                writing = self._comm.write(message)
                waits_for = first_step(writing)
                if waits_for is not ENDED or self._stream_is_full():
                    self._writer = self._loop.create_task(
                        self._wait(writing, waits_for, size),
                        name=f"fastask link to {self.peer.name}",
                    )
                    return
                self._sent(size)
        except Exception as error:  # a frame that is none: the link has lost its place
            self._broken(error)
            return
        self._loop.call_soon(self._look_again)

    def _write_last(self) -> None:
        with contextlib.suppress(Exception):  # the link is over, whatever it is
            while self._queue:
                message, _ = self._next()
                writing = self._comm.write(message)
                if first_step(writing) is not ENDED or self._stream_is_full():
                    writing.close()
                    return

    def _look_again(self) -> None:
        if self._queue:
            self._write()
        else:
            self._is_busy = False

    async def _wait(
        self, writing: Coroutine[Any, Any, object], waits_for: object, size: int
    ) -> None:
        """Wait until the kernel has taken a message, then go on."""
        try:
            if waits_for is not ENDED:
                await _Rest(writing, waits_for)
            stream: Any = self._comm.stream
            if stream is not None:
                await stream.write(b"")
        except Exception as error:  # as in `_write`
            self._broken(error)
            return
        self._sent(size)
        self._write()

    def _stream_is_full(self) -> bool:
        stream: Any = self._comm.stream
        return stream is not None and bool(stream.writing())

    def _broken(self, error: Exception) -> None:
        if self._is_closed:
            return
        if isinstance(error, CommClosedError | StreamClosedError):
            self.close(LinkClosed(f"connection closed: {error}"))
            return
        logger.error(
            "the link to %s cannot send a frame", self.peer.name, exc_info=error
        )
        self.close(error)

    def _next(self) -> tuple[list[object], int]:
        """Take a large frame alone, or small ones up to a batch."""
        message: list[object] = []
        total = 0
        while self._queue:
            frame, size = self._queue[0]
            if message and total + size > BATCH:
                break
            self._queue.popleft()
            total += size
            if frame is not TICK:
                message.append(encoded(frame, size))
        return message, total

    def _sent(self, size: int) -> None:
        if self._is_closed:
            return
        self._pending -= size
        self._make_room()


class _Rest:
    """Awaits a coroutine that has begun outside of a task."""

    def __init__(self, begun: Coroutine[Any, Any, object], waits_for: object) -> None:
        self._begun = begun
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, object]:
        yield self._waits_for
        return (yield from self._begun.__await__())


def first_step(coroutine: Coroutine[Any, Any, object]) -> object:
    """Run a coroutine until it waits; return what for, `ENDED` when it has ended.

    `write` waits for nothing where it needs no thread: a task would cost more than it.
    """
    try:
        return coroutine.send(None)
    except StopIteration:
        return ENDED


def _size(buffer: Buffer) -> int:
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)


def encoded(frame: Frame, size: int) -> object:
    """Return what stands for a frame in a message."""
    if size <= SMALL:
        return list(frame)
    return Serialized({}, [memoryview(each).cast("B") for each in frame])


def decoded(message: object) -> list[list[Buffer]]:
    """Return the frames of a message.

    Raises:
        ValueError: If it is none of ours.
    """
    if not isinstance(message, tuple):
        raise ValueError(f"a message must be a tuple of frames, got {type(message)}")
    return [_frame(part) for part in message]


def _frame(part: object) -> list[Buffer]:
    if isinstance(part, Serialized):
        return list(part.frames)
    if isinstance(part, tuple) and all(isinstance(each, bytes) for each in part):
        return list(part)
    raise ValueError(f"a frame must be a tuple of bytes, got {type(part)}")
