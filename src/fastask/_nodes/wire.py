"""Wire: frames and the messages in them, read without running anything.

A frame is a row of buffers. The first one holds the head and the messages, each with a
header of fixed size; the others hold what is long. All numbers are little-endian. What
is pickled stays bytes here: `parse` checks the whole frame first, and whoever handles
its messages loads what is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from struct import Struct

from fastask._nodes.engine import Buffer

MAGIC = 0xFA57
VERSION = 1
CONTROL = 1
"""The flag of a frame that needs no credit: it must get through when there is none."""

HEAD = Struct("<HBBIQQ")
"""Magic, version, flags, number of messages, the sender's mark, sequence number."""

HEADER = Struct("<BBHIQQQ")
"""Kind, flags, buffers, bytes that follow, serial, number, origin."""

LONG = 64 * 1024
"""Bytes from which on data are a buffer of their own."""

_LENGTH = Struct("<Q")


class Kind(IntEnum):
    """What a message says."""

    HELLO = 1
    WELCOME = 2
    REJECT = 3
    GOODBYE = 4
    CREDIT = 5
    CHUNK = 6
    DEFINE = 7
    SEND = 8
    EXIT = 9
    LINK = 10
    UNLINK = 11
    LINK_EXIT = 12
    WATCH = 13
    UNWATCH = 14
    DOWN = 15
    DONE = 16
    START = 17
    CALL = 18
    REPLY = 19
    ENDED = 20
    GIVE_UP = 21
    CANCEL = 22


PROCESS, NAME, REF = range(3)
"""What the number of a message names; the numbers of `Tag` in the core."""

LAST = 1
"""The flag of the last chunk of a message."""

LINKED = 1
"""The flag of a task that ends with its owner."""

STREAMS = 2
"""The flag of a task that works at an item of a stream."""

REPORTED = 16
"""The flag of an end that is in the log of its node; whom it takes along is not."""

OWED = 32
"""The flag of a watch that asks for what the process returns, too."""

_LEAST, _MOST = min(Kind), max(Kind)

Message = tuple[int, int, int, int, int, Buffer, Sequence[Buffer]]
"""Kind, flags, serial, number, origin, data, and the buffers that the data refer to."""


class FrameError(Exception):
    """A frame is none of ours; the link that brought it is closed."""


def header(
    kind: int,
    flags: int,
    serial: int,
    number: int,
    origin: int,
    data: Buffer,
    buffers: Sequence[Buffer] = (),
) -> tuple[list[Buffer], list[Buffer]]:
    """Return what stands in the first buffer for a message, and its own buffers."""
    if len(data) > LONG:
        long = [data, *buffers]
        return [HEADER.pack(kind, flags, len(long), 0, serial, number, origin)], long
    first = HEADER.pack(kind, flags, len(buffers), len(data), serial, number, origin)
    return [first, data], list(buffers)


def parse(frame: Sequence[Buffer]) -> tuple[int, int, int, list[Message]]:
    """Return flags, mark, sequence number and messages of a frame.

    Raises:
        FrameError: If it is not a frame to the last byte.
    """
    if not frame:
        raise FrameError("a frame has at least one buffer, got none")
    first = frame[0]
    size = len(first)
    if size < HEAD.size:
        raise FrameError(f"a frame begins with {HEAD.size} bytes, got {size}")
    magic, version, flags, count, mark, seq = HEAD.unpack_from(first)
    if magic != MAGIC or version != VERSION:
        raise FrameError(
            f"a frame begins with {MAGIC:#x} and version {VERSION}, "
            f"got {magic:#x} and {version}"
        )
    if flags & ~CONTROL:
        raise FrameError(f"a frame has known flags only, got {flags:#x}")
    messages, used = _messages(memoryview(first), frame, count)
    if used != len(frame):
        raise FrameError(f"a frame of {len(frame)} buffers uses {used} of them")
    return flags, mark, seq, messages


def _messages(
    view: memoryview, frame: Sequence[Buffer], count: int
) -> tuple[list[Message], int]:
    messages: list[Message] = []
    position, size, used = HEAD.size, len(view), 1
    step, unpack = HEADER.size, HEADER.unpack_from
    if count > (size - position) // step:
        raise FrameError(f"{size} bytes cannot hold {count} messages")
    for _ in range(count):
        if size - position < step:
            raise FrameError("a header is cut off")
        kind, flags, buffers, length, serial, number, origin = unpack(view, position)
        position += step
        if not _LEAST <= kind <= _MOST:
            raise FrameError(f"a message has a known kind, got {kind}")
        if size - position < length or len(frame) - used < buffers:
            raise FrameError("a message is longer than its frame")
        data: Buffer = view[position : position + length]
        position += length
        long: Sequence[Buffer] = ()
        if buffers:
            long = frame[used : used + buffers]
            used += buffers
            if not length:
                data, long = long[0], long[1:]
        messages.append((kind, flags, serial, number, origin, data, long))
    if position != size:
        raise FrameError(f"{size - position} bytes follow the last message")
    return messages, used


def pack_big(parts: Sequence[Buffer], buffers: Sequence[Buffer]) -> bytes:
    """Return a message as the bytes that its chunks are cut from."""
    first = b"".join(parts)
    every = [first, *buffers]
    table = [_LENGTH.pack(len(every)), *(_LENGTH.pack(len(b)) for b in every)]
    return b"".join([*table, *every])


def parse_big(whole: bytearray) -> Message:
    """Return the message that arrived in chunks.

    Raises:
        FrameError: If that is no message.
    """
    view, step = memoryview(whole), _LENGTH.size
    count = _LENGTH.unpack_from(view)[0] if len(view) >= step else 0
    if not 0 < count <= len(view) // step - 1:
        raise FrameError(f"chunks of {len(view)} bytes hold {count} buffers")
    position = step * (count + 1)
    buffers: list[Buffer] = []
    for i in range(count):
        length = _LENGTH.unpack_from(view, step * (i + 1))[0]
        if length > len(view) - position:
            raise FrameError("chunks end before their message")
        buffers.append(view[position : position + length])
        position += length
    if position != len(view):
        raise FrameError("chunks go on after their message")
    head = HEAD.pack(MAGIC, VERSION, 0, 1, 0, 0)
    first = memoryview(head + bytes(buffers[0]))
    messages, used = _messages(first, [first, *buffers[1:]], 1)
    if used != count:
        raise FrameError("chunks hold a buffer that their message does not use")
    return messages[0]


def pack_texts(*texts: str) -> bytes:
    """Return some texts as bytes, for a greeting."""
    encoded = [text.encode() for text in texts]
    return b"".join(_LENGTH.pack(len(text)) + text for text in encoded)


def parse_texts(data: Buffer, count: int) -> list[str]:
    """Return the texts that `pack_texts` packed.

    Raises:
        FrameError: If these are not as many texts.
    """
    view, position = memoryview(data), 0
    texts: list[str] = []
    for _ in range(count):
        if len(view) - position < _LENGTH.size:
            raise FrameError("a greeting is cut off")
        length = _LENGTH.unpack_from(view, position)[0]
        position += _LENGTH.size
        if length > len(view) - position:
            raise FrameError("a text of a greeting is cut off")
        try:
            texts.append(str(view[position : position + length], "utf-8"))
        except UnicodeDecodeError as error:
            raise FrameError("a greeting is UTF-8") from error
        position += length
    if position != len(view):
        raise FrameError("a greeting goes on after its last text")
    return texts
