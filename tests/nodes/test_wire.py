"""Frames: what is packed is parsed, and nothing else is."""

from __future__ import annotations

import random

import pytest

from fastask._nodes.engine import Buffer
from fastask._nodes.wire import (
    CONTROL,
    HEAD,
    HEADER,
    LONG,
    MAGIC,
    VERSION,
    FrameError,
    Kind,
    Message,
    header,
    pack_big,
    pack_texts,
    parse,
    parse_big,
    parse_texts,
)

FRAMES = 100_000


def frame_of(*messages: tuple[Kind, bytes, list[bytes]]) -> list[Buffer]:
    """A frame with these messages."""
    first: list[Buffer] = []
    long: list[Buffer] = []
    for number, (kind, data, buffers) in enumerate(messages):
        parts, own = header(kind, 1, number, 2, 3, data, buffers)
        first += parts
        long += own
    head = HEAD.pack(MAGIC, VERSION, CONTROL, len(messages), 7, 9)
    return [b"".join([head, *first]), *long]


def plain(message: Message) -> tuple[object, ...]:
    *numbers, data, buffers = message
    return (*numbers, bytes(data), [bytes(buffer) for buffer in buffers])


class TestFrames:
    def test_what_is_packed_is_parsed(self) -> None:
        long = bytes(LONG + 1)
        frame = frame_of(
            (Kind.SEND, b"abc", []),
            (Kind.DONE, long, [b"x", b""]),
            (Kind.UNWATCH, b"", []),
            (Kind.CALL, b"d", [b"y"]),
        )

        flags, mark, seq, messages = parse(frame)

        assert (flags, mark, seq) == (CONTROL, 7, 9)
        assert [plain(message) for message in messages] == [
            (Kind.SEND, 1, 0, 2, 3, b"abc", []),
            (Kind.DONE, 1, 1, 2, 3, long, [b"x", b""]),
            (Kind.UNWATCH, 1, 2, 2, 3, b"", []),
            (Kind.CALL, 1, 3, 2, 3, b"d", [b"y"]),
        ]

    def test_a_big_message_is_what_it_was(self) -> None:
        parts, long = header(Kind.SEND, 0, 1, 2, 3, bytes(LONG * 2), [b"abc"])

        message = parse_big(bytearray(pack_big(parts, long)))

        assert plain(message) == (Kind.SEND, 0, 1, 2, 3, bytes(LONG * 2), [b"abc"])

    def test_texts_are_what_they_were(self) -> None:
        assert parse_texts(pack_texts("a", "", "ü"), 3) == ["a", "", "ü"]

    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            ([], "at least one buffer"),
            ([b"short"], "begins with 24 bytes"),
            ([HEAD.pack(1, VERSION, 0, 0, 0, 0)], "begins with 0xfa57"),
            ([HEAD.pack(MAGIC, 9, 0, 0, 0, 0)], "version 1"),
            ([HEAD.pack(MAGIC, VERSION, 8, 0, 0, 0)], "known flags"),
            ([HEAD.pack(MAGIC, VERSION, 0, 1 << 30, 0, 0)], "cannot hold"),
            ([HEAD.pack(MAGIC, VERSION, 0, 0, 0, 0), b"x"], "uses 1 of them"),
            ([HEAD.pack(MAGIC, VERSION, 0, 0, 0, 0) + b"x"], "follow the last"),
            (
                [
                    HEAD.pack(MAGIC, VERSION, 0, 1, 0, 0)
                    + HEADER.pack(99, 0, 0, 0, 0, 0, 0)
                ],
                "known kind, got 99",
            ),
            (
                [
                    HEAD.pack(MAGIC, VERSION, 0, 1, 0, 0)
                    + HEADER.pack(Kind.SEND, 0, 3, 0, 0, 0, 0)
                ],
                "longer than its frame",
            ),
        ],
    )
    def test_another_one_says_what_is_wrong(
        self, frame: list[Buffer], words: str
    ) -> None:
        with pytest.raises(FrameError, match=words):
            parse(frame)


@pytest.mark.slow
class TestFuzz:
    def test_random_frames_are_refused(self) -> None:
        chance = random.Random(1)
        refused = 0
        for _ in range(FRAMES // 4):
            frame: list[Buffer] = [
                chance.randbytes(chance.randrange(120))
                for _ in range(chance.randrange(3))
            ]
            refused += is_refused(frame)

        assert refused == FRAMES // 4

    def test_mutated_frames_are_refused_or_whole(self) -> None:
        chance = random.Random(2)
        originals = [
            frame_of((Kind.SEND, b"abc", []), (Kind.DONE, b"defg", [b"x", b"yz"])),
            frame_of((Kind.CALL, bytes(LONG + 5), [b"b"])),
            frame_of(*[(Kind.REPLY, b"r" * n, []) for n in range(5)]),
        ]
        refused = 0
        for number in range(FRAMES * 3 // 4):
            refused += is_refused(mutated(originals[number % 3], chance))

        assert 0 < refused < FRAMES * 3 // 4

    def test_mutated_chunks_are_refused_or_whole(self) -> None:
        chance = random.Random(3)
        whole = pack_big(*header(Kind.SEND, 0, 1, 2, 3, b"abc" * 10, [b"x" * 20]))
        for _ in range(20_000):
            try:
                parse_big(bytearray(bytes(mutated([whole], chance)[0])))
            except FrameError:
                continue


def is_refused(frame: list[Buffer]) -> bool:
    """Whether it is, by the one error that may be raised."""
    try:
        _, _, _, messages = parse(frame)
    except FrameError:
        return True
    # Every byte of an accepted one is a head, a header, data or a buffer.
    size = HEAD.size + sum(
        HEADER.size + len(data) + sum(map(len, buffers))
        for _, _, _, _, _, data, buffers in messages
    )
    assert size == sum(map(len, frame))
    return False


def mutated(frame: list[Buffer], chance: random.Random) -> list[Buffer]:
    """Change, insert, drop or repeat a few bytes or buffers."""
    copy = [bytearray(buffer) for buffer in frame]
    for _ in range(chance.randrange(1, 4)):
        buffer = chance.choice(copy)
        place = chance.randrange(min(len(buffer), 200) + 1)
        match chance.randrange(6):
            case 0 | 1:
                buffer[place : place + 1] = chance.randbytes(1)
            case 2:
                buffer[place:place] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                del buffer[place : place + chance.randrange(1, 40)]
            case 4:
                copy.append(bytearray(chance.randbytes(3)))
            case 5 if len(copy) > 1:
                copy.pop()
            case _:
                pass
    return [bytes(buffer) for buffer in copy]
