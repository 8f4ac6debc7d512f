"""Wire: what a program and its host write to each other, and what links say.

A *record* goes between a program and its host, over their socket. What a record of the
kind `DATA` carries is *messages* of links, from one program to another: the hosts
between them carry them unread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from struct import Struct, error, pack, unpack_from
from typing import Any

from fastask._nodes.engine import Buffer, Frame, Peer

PROTOCOL = 1
"""Nodes of different versions do not talk to each other."""

READY, UP, DOWN, LOST, DATA, BYE = range(6)
"""Kinds of records."""

OPEN, ACCEPT, REFUSE, FRAME, PART, TICK, CREDIT, CLOSE = range(8)
"""Kinds of messages."""

SOURCE = 16
"""Bytes before the messages of a record that tell who sends them: an incarnation."""

SMALL = 64 * 1024
"""Bytes: the buffers of a frame up to this size are copied out of what it came in."""

UNIX_ONLY = 'the engine "ray" needs Unix sockets, which Windows has not'
"""Why nothing starts there."""

TEXTS = ("name", "incarnation", "address")

_RECORD = Struct("<BIQ")  # kind, number of the peer, length
_MESSAGE = Struct("<B?QQQ")  # kind, from who opened it?, link, place, length
_COUNT = Struct("<I")


class Malformed(ValueError):
    """What came is nothing that a node of fastask sends."""


def record(kind: int, number: int = 0, *payload: Buffer) -> bytes:
    """Return a record."""
    head = _RECORD.pack(kind, number, sum(map(_size, payload)))
    return b"".join((head, *payload))


class Records:
    """Puts records together from what a stream brings."""

    def __init__(self) -> None:
        self._left = bytearray()

    def feed(self, data: Buffer) -> list[tuple[int, int, bytes]]:
        """Take bytes; return the records (kind, number, payload) that are whole."""
        self._left += data
        found, start = [], 0
        with memoryview(self._left) as view:
            while len(view) - start >= _RECORD.size:
                kind, number, length = _RECORD.unpack_from(view, start)
                end = start + _RECORD.size + length
                if len(view) < end:
                    break
                found.append((kind, number, bytes(view[start + _RECORD.size : end])))
                start = end
        del self._left[:start]
        return found


def message(
    kind: int, from_opener: bool, link: int, place: int, body: Buffer = b""
) -> bytes:
    """Return a message of a link, at its place in the order of the link."""
    head = _MESSAGE.pack(kind, from_opener, link, place, _size(body))
    return b"".join((head, body))


def messages(payload: Buffer) -> Iterator[tuple[int, bool, int, int, memoryview]]:
    """Return the messages of a record.

    Raises:
        Malformed: If it ends in the middle of one.
    """
    view, start = memoryview(payload), 0
    while start < len(view):
        try:
            kind, from_opener, link, place, length = _MESSAGE.unpack_from(view, start)
        except error as reason:
            raise Malformed(f"a message must be whole: {reason}") from None
        start += _MESSAGE.size
        if len(view) - start < length:
            raise Malformed(f"a message must have {length} bytes, got {len(view)}")
        yield kind, from_opener, link, place, view[start : start + length]
        start += length


def packed(frame: Frame) -> bytes:
    """Return a frame in one piece."""
    sizes = [_size(buffer) for buffer in frame]
    head = pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
    return b"".join((head, *frame))


def unpacked(body: Buffer) -> list[Buffer]:
    """Return the frame that `packed` has packed.

    Raises:
        Malformed: If it is none.
    """
    view = memoryview(body)
    try:
        (count,) = _COUNT.unpack_from(view)
        if count > len(view):
            raise Malformed(f"a frame of {len(view)} bytes has no {count} buffers")
        sizes = unpack_from(f"<{count}Q", view, _COUNT.size)
    except error as reason:
        raise Malformed(
            f"a frame must tell the sizes of its buffers: {reason}"
        ) from None
    start = _COUNT.size + 8 * count
    if start + sum(sizes) != len(view):
        raise Malformed(
            f"a frame must have {start + sum(sizes)} bytes, got {len(view)}"
        )
    frame: list[Buffer] = []
    is_small = len(view) <= SMALL
    for size in sizes:
        part = view[start : start + size]
        frame.append(bytes(part) if is_small else part)
        start += size
    return frame


def described(peer: Peer) -> bytes:
    """Return a node as other nodes can read it."""
    return json.dumps(
        {
            "protocol": PROTOCOL,
            "name": peer.name,
            "incarnation": peer.incarnation,
            "address": peer.address,
            "labels": dict(peer.labels),
        }
    ).encode()


def peer_from(description: Buffer) -> Peer:
    """Return the node that `described` has described.

    Raises:
        Malformed: If it did not.
    """
    try:
        told: Any = json.loads(bytes(description))
    except ValueError:
        raise Malformed("a node must be described by JSON") from None
    if not isinstance(told, dict) or told.get("protocol") != PROTOCOL:
        raise Malformed(f"protocol must be {PROTOCOL}, got {told!r}")
    for key in TEXTS:
        if not isinstance(told.get(key), str) or not told[key]:
            raise Malformed(f"{key} must be a text, got {told.get(key)!r}")
    labels = told.get("labels")
    if not isinstance(labels, dict):
        raise Malformed(f"labels must be a mapping, got {labels!r}")
    try:
        is_whole = len(bytes.fromhex(told["incarnation"])) == SOURCE
    except ValueError:
        is_whole = False
    if not is_whole:
        raise Malformed(f"incarnation must be an id, got {told['incarnation']!r}")
    name, incarnation, address = (told[key] for key in TEXTS)
    labels = {str(key): str(label) for key, label in labels.items()}
    return Peer(name, incarnation, address, labels)


def _size(buffer: Buffer) -> int:
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)
