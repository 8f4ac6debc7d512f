"""What the compiled part of a link reads and writes is what the Python part does."""

from __future__ import annotations

import asyncio
import gc
import pickle
import random
from collections.abc import Sequence
from typing import Any

import pytest

import fastask
from fastask._core.remote import is_remembered, stand_in, wire_name
from fastask._core.traffic import Traffic
from fastask._nodes import codec
from fastask._nodes.engine import Buffer, Peer
from fastask._nodes.outbox import Outbox
from fastask._nodes.socket_link import SocketLink
from fastask._nodes.wire import (
    CONTROL,
    HEAD,
    HEADER,
    MAGIC,
    VERSION,
    FrameError,
    Kind,
    Message,
    parse,
)
from tests.nodes.test_wire import mutated, plain

OWN, THEIR = 5, 7
"""The marks of the two nodes."""


class Noted(Traffic):
    """A link that notes what the compiled part leaves to its session."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        outbox = Outbox(loop, OWN)
        super().__init__(loop, OWN, THEIR, codec.THEIRS, codec.OURS, outbox)
        self.loop = loop
        self.left: list[list[Buffer]] = []
        self.heeded: list[Message] = []
        self.pickled: list[Buffer] = []
        self.undelivered = 0

    def take(self, frame: list[Buffer]) -> None:
        self.left.append(frame)

    def heed(self, message: Message) -> None:
        self.heeded.append(message)

    def give_back(self, credit: int) -> None:
        pass

    def close(self, reason: object) -> None:
        self.is_closed = True

    def was_not_delivered(self) -> None:
        self.undelivered += 1

    def unpickle(self, data: Buffer, buffers: Sequence[Buffer]) -> Any:
        self.pickled.append(data)
        return codec.loads(self, data, buffers)

    # What is read, where the names are that of processes.

    def find_process(self, origin: int, number: int) -> Any:
        return "theirs", origin, number

    def own_process(self, origin: int, number: int) -> Any:
        return "ours", origin, number

    def find_ref(self, number: int) -> Any:
        raise LookupError(number)

    def own_ref(self, number: int) -> Any:
        raise LookupError(number)

    def third_process(
        self, node: str, incarnation: str, origin: int, number: int
    ) -> Any:
        raise LookupError(node, incarnation, origin, number)

    def third_ref(self, node: str, incarnation: str, number: int) -> Any:
        raise LookupError(node, incarnation, number)

    def code(self, digest: bytes) -> bytes:
        raise LookupError(digest)


def noted() -> Noted:
    return Noted(asyncio.get_running_loop())


PLAIN = [
    None,
    True,
    False,
    *(0, 1, -1, 255, 256, 65535, 65536, -(2**31), 2**31 - 1, 2**31),
    *(-(2**31) - 1, 2**63 - 1, -(2**63)),
    *(0.0, -0.0, 1.5, float("inf"), 5e-324),
    *("", "text", "a" * 255, "b" * 256, "ümläut \N{SNOWMAN}", "\0"),
    *(b"", b"bytes", bytes(range(256))),
    *((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))),
    *([], [1, [2, [3]]], {}, {"a": 1, (1, 2): {"b": []}}),
    ("message", 7, {"key": ["value", None, 1.25]}),
]

NOT_PLAIN = [
    2**63,
    -(2**63) - 1,
    "\ud800",
    "a" * 1100,
    b"b" * 1100,
    [0] * 2000,
    1j,
    {1},
    bytearray(b"x"),
    type("Text", (str,), {})("x"),
    type("Number", (int,), {})(1),
    Kind.SEND,
    print,
    [[[[[[[[[[]]]]]]]]]],
    [[] for _ in range(20)],
]


class TestTerms:
    @pytest.mark.parametrize("value", PLAIN, ids=repr)
    async def test_what_is_written_is_read_by_pickle(self, value: object) -> None:
        data = noted().write(value)

        assert data is not None
        assert repr(pickle.loads(data)) == repr(value)

    @pytest.mark.parametrize("value", PLAIN, ids=repr)
    async def test_what_is_written_is_read_without_pickle(self, value: object) -> None:
        traffic = noted()
        data = traffic.write(value)

        assert repr(traffic.load(data, ())) == repr(value)
        assert not traffic.pickled

    @pytest.mark.parametrize("value", NOT_PLAIN, ids=lambda value: repr(value)[:20])
    async def test_anything_else_is_left_to_pickle(self, value: object) -> None:
        assert noted().write(value) is None

    async def test_what_stands_in_two_places_is_left_to_pickle(self) -> None:
        containers: list[object] = [[], {}, (1,)]
        for one in containers:
            assert noted().write([one, one]) is None

        loop: list[Any] = []
        loop.append(loop)
        assert noted().write(loop) is None

    async def test_random_values_are_read_as_they_were_written(self) -> None:
        chance, traffic = random.Random(1), noted()
        for _ in range(3000):
            value = random_value(chance, 4)
            data = traffic.write(value)
            if data is not None:
                assert repr(traffic.load(data, ())) == repr(value)
                assert repr(pickle.loads(data)) == repr(value)
        assert not traffic.pickled

    async def test_damaged_ones_are_read_as_pickle_reads_them(self) -> None:
        chance, traffic = random.Random(2), noted()
        read = 0
        for _ in range(30_000):
            data = traffic.write(random_value(chance, 3))
            if data is None:
                continue
            damaged = bytearray(data)
            for _ in range(chance.randrange(1, 3)):
                place = chance.randrange(len(damaged))
                if chance.randrange(3):
                    damaged[place] = chance.choice(
                        [chance.randrange(256), chance.choice(data)]
                    )
                else:
                    del damaged[place]
                    damaged.append(chance.choice(b".)N]t"))
            traffic.pickled.clear()
            got = outcome(lambda data=bytes(damaged): traffic.load(data, ()))
            if not traffic.pickled:
                read += 1
                assert got == outcome(lambda data=bytes(damaged): pickle.loads(data))
        assert read > 1000

    async def test_a_process_of_the_other_node_is_written_as_its_own(self) -> None:
        traffic = noted()
        remote = stand_in(traffic.loop, traffic, "b", "b-1", 3, 2**64 - 1)
        data = traffic.write((remote, "x"))

        assert data is not None
        assert traffic.load(data, ()) == (("ours", 3, 2**64 - 1), "x")
        assert not traffic.pickled
        assert codec.loads(traffic, data, ()) == (("ours", 3, 2**64 - 1), "x")

    async def test_a_process_of_this_one_is_written_when_its_name_is_known(
        self,
    ) -> None:
        traffic, me = noted(), fastask.self_()
        name = wire_name(me)
        assert traffic.write([me]) is None

        is_remembered(me, OWN)
        data = traffic.write([me])

        assert data is not None
        assert traffic.load(data, ()) == [("theirs", *name)]
        assert not traffic.pickled
        assert codec.loads(traffic, data, ()) == [("theirs", *name)]

    async def test_a_process_that_another_cluster_knew_is_left_to_pickle(self) -> None:
        me = fastask.self_()
        wire_name(me)
        is_remembered(me, OWN + 1)

        assert noted().write(me) is None

    async def test_a_process_of_another_link_is_left_to_pickle(self) -> None:
        traffic, other = noted(), noted()
        remote = stand_in(traffic.loop, other, "c", "c-1", 0, 1)

        assert traffic.write(remote) is None


def outcome(read: Any) -> tuple[str, str]:
    try:
        return "value", repr(read())
    except Exception as error:  # whatever the data make it raise
        return "error", type(error).__name__


def random_value(chance: random.Random, depth: int) -> object:
    """A value of the kinds that most messages are made of."""
    kind = chance.randrange(11 if depth else 7)
    size = chance.randrange(5) if kind > 6 else 0
    inside = [random_value(chance, depth - 1) for _ in range(size)]
    match kind:
        case 0:
            return chance.choice([None, True, False])
        case 1 | 2:
            return chance.randrange(-(2 ** chance.randrange(70)), 2**40)
        case 3:
            return chance.random() * 10 ** chance.randrange(-9, 9)
        case 4 | 5:
            return "".join(
                chance.choices("abc(ü).\0\N{SNOWMAN}", k=chance.randrange(9))
            )
        case 6:
            return chance.randbytes(chance.randrange(300))
        case 7 | 8:
            return tuple(inside)
        case 9:
            return inside
        case _:
            return {repr(each): each for each in inside}


def frame_of(*messages: tuple[Kind, bytes], seq: int = 1, flags: int = 0) -> bytes:
    packed = [
        HEADER.pack(kind, 1, 0, len(data), number, 0, 0) + data
        for number, (kind, data) in enumerate(messages)
    ]
    head = HEAD.pack(MAGIC, VERSION, flags, len(messages), THEIR, seq)
    return b"".join([head, *packed])


class TestFrames:
    async def test_of_one_buffer_are_read_as_the_python_part_reads_them(self) -> None:
        chance, traffic = random.Random(3), noted()
        kinds = [Kind.SEND, Kind.WATCH, Kind.CREDIT, Kind.DONE, Kind.HELLO]
        right = 0
        for _ in range(20_000):
            frame: list[Buffer] = [
                frame_of(
                    *[
                        (chance.choice(kinds), chance.randbytes(chance.randrange(9)))
                        for _ in range(chance.randrange(4))
                    ],
                    flags=chance.choice([0, CONTROL]),
                )
            ]
            if chance.randrange(4):
                frame = mutated(frame, chance)
            traffic.expected = 1
            traffic.left.clear()
            traffic.heeded.clear()
            traffic.received(frame)
            try:
                _, mark, seq, messages = parse(frame)
            except FrameError:
                assert traffic.left == [frame]
                continue
            if traffic.left or mark != THEIR:
                assert seq != 1 or len(frame) > 1 or mark != THEIR or has_long(messages)
                assert not traffic.heeded
                continue
            right += 1
            assert list(map(plain, traffic.heeded)) == list(map(plain, messages))
            assert traffic.expected == 2
        assert right > 1000

    async def test_that_are_wrong_at_their_end_bring_nothing(self) -> None:
        traffic = noted()
        good = frame_of((Kind.WATCH, b"x"), (Kind.WATCH, b"y"))
        for wrong in (good[:-1], good + b"z", good[:24] + b"\xff" + good[25:]):
            traffic.received([wrong])

        assert len(traffic.left) == 3
        assert not traffic.heeded
        assert traffic.expected == 1

    async def test_out_of_order_are_left_to_the_session(self) -> None:
        traffic = noted()
        traffic.received([frame_of((Kind.WATCH, b"x"), seq=2)])

        assert len(traffic.left) == 1

    async def test_the_kinds_are_those_of_the_wire(self) -> None:
        for kind in range(256):
            traffic = noted()
            frame = frame_of((kind, b""))  # type: ignore[arg-type]  # wrong on purpose
            traffic.received([frame])
            assert bool(traffic.heeded) == (kind in {int(each) for each in Kind})


def has_long(messages: Sequence[Message]) -> bool:
    return any(message[6] for message in messages)


class TestMessages:
    async def test_of_a_process_that_was_freed_in_between_are_sent_in_order(
        self,
    ) -> None:
        """The collector may free handles, and so send, wherever an object is made."""
        loop = asyncio.get_running_loop()
        outbox = Outbox(loop, OWN)
        sent: list[int] = []

        class Link:
            def send(self, frame: list[bytes]) -> None:
                for _ in range(600):  # as `__del__` of as many handles does
                    outbox.put(Kind.UNWATCH, 0, 1, 0, 0, b"")
                sent.append(HEAD.unpack_from(frame[0])[5])

        outbox.link = Link()
        outbox.put(Kind.UNWATCH, 0, 1, 0, 0, b"")
        for _ in range(4):
            outbox.flush()

        assert sent == [1, 2, 3, 4]
        outbox.close()
        gc.collect()


class Wire:
    """A transport whose bytes the test takes to the other side."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class Taker:
    """Who gets what a link brings."""

    def __init__(self) -> None:
        self.frames: list[list[bytes]] = []
        self.ends: Wire | None = None

    def received(self, frame: list[Buffer]) -> None:
        self.frames.append([bytes(buffer) for buffer in frame])
        if self.ends is not None:
            self.ends.abort()

    def closed(self, reason: object) -> None:
        pass


def socket_link() -> tuple[SocketLink, Wire, Taker]:
    wire, taker = Wire(), Taker()
    link = SocketLink(Peer("b", "b-1", "here"), lambda _: taker)
    link.connection_made(wire)  # type: ignore[arg-type]  # the part that it uses
    return link, wire, taker


class TestStreams:
    async def test_frames_arrive_as_they_were_sent_however_they_are_cut(self) -> None:
        chance = random.Random(5)
        sizes = [0, 1, 40, 300, 64 * 1024, 64 * 1024 + 1]
        for _ in range(60):
            sender, wire, _ = socket_link()
            receiver, _, taker = socket_link()
            frames = [
                [
                    chance.randbytes(chance.choice(sizes))
                    for _ in range(chance.choice([1, 1, 1, 0, 2, 70]))
                ]
                for _ in range(chance.randrange(6))
            ]
            for frame in frames:
                sender.send(frame)
            stream = b"".join(wire.written)
            while stream:
                cut = chance.choice([1, 5, 12, 100, 10_000, 1 << 20])
                receiver.data_received(stream[:cut])
                stream = stream[cut:]

            assert taker.frames == frames

    async def test_what_is_no_frame_ends_the_link(self) -> None:
        link, wire, taker = socket_link()
        link.send([b"right"])
        link.data_received(wire.written[0] + b"\xff" * 20)

        assert wire.is_aborted
        assert taker.frames == [[b"right"]]

    async def test_nothing_is_brought_once_it_is_closed(self) -> None:
        link, wire, taker = socket_link()
        for _ in range(2):
            link.send([b"right"])
        taker.ends = wire
        link.data_received(b"".join(wire.written))

        assert taker.frames == [[b"right"]]
