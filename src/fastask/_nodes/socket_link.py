"""Socket link: the frames of a link over a connected socket of this machine."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from struct import Struct
from typing import cast

from fastask._core.framer import Framer
from fastask._nodes.engine import Buffer, Frame, Peer, Receiver

_COUNT = Struct("<I")
_LENGTHS = [Struct(f"<{count}Q") for count in range(64)]

MOST_BUFFERS = 1 << 16
LONGEST = 1 << 40

SMALL = 64 * 1024
"""Bytes up to which buffers are copied into one."""

_REFUSAL = (
    "engine='local' hands sockets over to its workers, which this system cannot do; "
    "engine='dask' works here"
)

LINGER = 1.0
"""Seconds that what was sent has to leave when the link is closed."""


class SocketLink(Framer, asyncio.Protocol):
    """A link over a stream socket; made by `open_link`."""

    def __init__(self, peer: Peer, accept: Callable[[SocketLink], Receiver]) -> None:
        self.peer = peer
        self._accept = accept
        self.transport: asyncio.Transport | None = None
        self.receiver: Receiver | None = None
        self._reason: object = None
        self._parts: list[Buffer] = []
        self._have = 0
        self._need = _COUNT.size
        self._room: asyncio.Future[None] | None = None

    # What the meaning layer calls.

    def send_parts(self, frame: Frame) -> None:
        """Send a frame of many buffers, or of long ones."""
        assert self.transport is not None
        lengths = [len(buffer) for buffer in frame]
        small: list[Buffer] = [_COUNT.pack(len(frame)), _pack(lengths)]
        for buffer, length in zip(frame, lengths, strict=True):
            if length <= SMALL:
                small.append(buffer)
                continue
            if small:
                self.transport.write(b"".join(small))
                small = []
            self.transport.write(buffer)
        if small:
            self.transport.write(b"".join(small))

    async def drain(self) -> None:
        """Wait until there is room to send."""
        if self._room is not None:
            await asyncio.shield(self._room)

    def close(self, reason: object = None) -> None:
        """Close; what was sent has a second to leave."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._reason = reason
        is_empty = transport.get_write_buffer_size() == 0
        transport.close()
        if not is_empty:
            asyncio.get_running_loop().call_later(LINGER, transport.abort)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is the loop's."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own
        self.receiver = self._accept(self)

    def collect(self, data: Buffer) -> None:
        """Take some bytes that begin a frame, or go on with one."""
        self._parts.append(data)
        self._have += len(data)
        if self._have >= self._need:
            block = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            self._take(memoryview(block))
        self.is_partial = bool(self._parts)

    def fail(self, error: Exception) -> None:
        """Close, as what came is no frame, or the receiver has failed."""
        self._reason = error
        assert self.transport is not None
        self.transport.abort()

    def _take(self, view: memoryview) -> None:
        assert self.transport is not None
        assert self.receiver is not None
        while not self.transport.is_closing():
            frame, used = _cut(view)
            if frame is None:
                self._need = used
                self._have = len(view)
                self._parts = [view] if self._have else []
                return
            view = view[used:]
            self.receiver.received(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self.transport = None
        self.resume_writing()
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.closed(self._reason or exc or "the other side closed it")

    def pause_writing(self) -> None:
        """There is no room."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """There is room again."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


def _pack(lengths: Sequence[int]) -> bytes:
    count = len(lengths)
    packer = _LENGTHS[count] if count < len(_LENGTHS) else Struct(f"<{count}Q")
    return packer.pack(*lengths)


def _cut(view: memoryview) -> tuple[list[Buffer] | None, int]:
    """Return the first frame and its size; or None and the size it takes."""
    have = len(view)
    if have < _COUNT.size:
        return None, _COUNT.size
    (count,) = _COUNT.unpack_from(view)
    if count > MOST_BUFFERS:
        raise ValueError(f"a frame has at most {MOST_BUFFERS} buffers, got {count}")
    packer = _LENGTHS[count] if count < len(_LENGTHS) else Struct(f"<{count}Q")
    position = _COUNT.size + packer.size
    if have < position:
        return None, position
    lengths = packer.unpack_from(view, _COUNT.size)
    total = position + sum(lengths)
    if total > LONGEST:
        raise ValueError(f"a frame has at most {LONGEST} bytes, got {total}")
    if have < total:
        return None, total
    frame: list[Buffer] = []
    for length in lengths:
        frame.append(view[position : position + length])
        position += length
    return frame, total


async def open_link(
    own: socket.socket, peer: Peer, accept: Callable[[SocketLink], Receiver]
) -> SocketLink:
    """Make a link of a connected socket; `accept` says who receives."""
    own.setblocking(False)
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        raise RuntimeError(_REFUSAL)
    else:
        _, link = await loop.create_unix_connection(
            lambda: SocketLink(peer, accept), sock=own
        )
        return link


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets that can be handed to other programs.

    Raises:
        RuntimeError: Where the system cannot do that.
    """
    if sys.platform != "win32" and hasattr(socket, "send_fds"):
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    raise RuntimeError(_REFUSAL)
