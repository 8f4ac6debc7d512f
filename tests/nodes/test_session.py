"""What goes over a link, frame by frame: the other node is played by hand.

No other process takes part: a `FakeEngine` gives the frames to the test, which answers.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import fastask
from fastask import NOCONNECTION, NOPROC, Address, Down, Failed, TaskSupervisor
from fastask._nodes import codec
from fastask._nodes.cluster import Cluster
from fastask._nodes.engine import Buffer, Caps, Frame, Listener, Peer, Receiver
from fastask._nodes.outbox import CHUNK, CREDIT
from fastask._nodes.wire import (
    CONTROL,
    HEAD,
    HEADER,
    MAGIC,
    VERSION,
    Kind,
    Message,
    pack_texts,
    parse,
)
from tests.nodes import there

PEER = Peer("b@fake", "b-1", "nowhere")
OTHER = Peer("c@fake", "c-1", "nowhere")
CAPS = Caps(
    ordered=True, addressable=True, launches=False, head=False, least_ticktime=0.1
)


class FakeLink:
    """A link whose other side is the test."""

    def __init__(self, peer: Peer, receiver: Receiver | None) -> None:
        self.peer = peer
        self.receiver = receiver
        self.sent: list[list[Buffer]] = []
        self.closed_for: object = None
        self.seq = 0
        self.mark = Cluster.mark_of(peer.incarnation)

    def send(self, frame: Frame) -> None:
        self.sent.append([bytes(buffer) for buffer in frame])

    async def drain(self) -> None:
        return None

    def close(self, reason: object = None) -> None:
        if self.closed_for is None:
            self.closed_for = reason or "closed"
            assert self.receiver is not None
            fastask.self_().get_loop().call_soon(self.receiver.closed, reason)

    # What the other node does.

    def say(
        self,
        kind: Kind,
        data: bytes = b"",
        *,
        flags: int = 0,
        serial: int = 0,
        number: int = 0,
        origin: int = 0,
        control: int = 0,
    ) -> None:
        first = HEADER.pack(kind, flags, 0, len(data), serial, number, origin) + data
        head = HEAD.pack(MAGIC, VERSION, control, 1, self.mark, self.seq)
        self.seq += 1
        self.say_frame([head + first])

    def say_frame(self, frame: list[Buffer]) -> None:
        assert self.receiver is not None
        self.receiver.received(frame)

    def greet(
        self, kind: Kind, last: str, peer: Peer | None = None, *, number: int = 0
    ) -> None:
        peer = peer or self.peer
        texts = pack_texts(peer.name, peer.incarnation, "", last)
        self.say(kind, texts, control=CONTROL, number=number)

    def heard(self) -> list[Message]:
        """What this node has said since."""
        sent, self.sent = self.sent, []
        return [message for frame in sent for message in parse(frame)[3]]


class FakeEngine:
    """One other node that is up, and links to it."""

    caps = CAPS

    def __init__(self) -> None:
        self.up = {PEER.name: PEER}
        self.links: list[FakeLink] = []
        self.refuses = False

    async def start(self, name: str, *, listener: Listener, **options: Any) -> Peer:
        self.listener = listener
        self.me = Peer(name, "a-1", "here")
        return self.me

    def peers(self) -> dict[str, Peer]:
        return self.up

    async def connect(self, name: str, receiver: Receiver) -> FakeLink:
        if self.refuses:
            raise ConnectionError("not today")
        self.links.append(FakeLink(self.up[name], receiver))
        return self.links[-1]

    async def stop(self) -> None:
        for link in self.links:
            assert link.closed_for is not None

    def accept(self, peer: Peer = PEER) -> FakeLink:
        """The other node opens a link."""
        link = FakeLink(peer, None)
        link.receiver = self.listener.accepted(link)
        self.links.append(link)
        return link


@asynccontextmanager
async def fake() -> AsyncIterator[FakeEngine]:
    engine = FakeEngine()
    async with fastask.connect(engine, "a@fake"):
        yield engine


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def opened(engine: FakeEngine) -> FakeLink:
    """A link that this node opened for what it has to say."""
    for _ in range(100):
        await turns(1)
        if engine.links and engine.links[-1].sent and not engine.links[-1].closed_for:
            break
    link = engine.links[-1]
    (hello,) = link.heard()
    assert hello[0] == Kind.HELLO
    link.greet(Kind.WELCOME, "")
    await turns()
    return link


class TestGreetings:
    async def test_what_is_said_waits_for_the_welcome(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), "hello")
            await turns()
            assert [m[0] for m in engine.links[0].heard()] == [Kind.HELLO]

            engine.links[0].greet(Kind.WELCOME, "")

            (message,) = engine.links[0].heard()
            assert message[0] == Kind.SEND
            assert pickle.loads(message[5]) == ("x", "hello")

    async def test_a_refused_link_is_no_connection(self) -> None:
        async with fake() as engine:
            engine.refuses = True
            ref = fastask.monitor(Address("x", PEER.name))

            assert (await fastask.receive(ref)).reason is NOCONNECTION

    async def test_another_incarnation_is_turned_away(self) -> None:
        async with fake() as engine:
            link = engine.accept()
            link.greet(Kind.HELLO, "a-0")

            (reject,) = link.heard()
            assert reject[0] == Kind.REJECT
            assert link.closed_for is not None

    async def test_a_wrong_greeting_is_logged_and_closes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with fake() as engine:
            link = engine.accept()
            link.say(Kind.SEND, b"\x80")

            assert link.closed_for is not None
            assert "greeted wrongly" in caplog.text

    async def test_of_two_links_that_cross_that_of_the_lesser_name_stays(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            await turns()
            ours = engine.links[0]
            theirs = engine.accept()

            theirs.greet(Kind.HELLO, engine.me.incarnation)
            ours.greet(Kind.WELCOME, "")

            assert [m[0] for m in theirs.heard()] == [Kind.REJECT]
            assert [m[0] for m in ours.heard()] == [Kind.HELLO, Kind.SEND]

    async def test_a_link_that_is_turned_away_so_waits_for_the_other(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            await turns()
            engine.links[0].greet(Kind.REJECT, "crossed")

            theirs = engine.accept()
            theirs.greet(Kind.HELLO, engine.me.incarnation)

            assert [m[0] for m in theirs.heard()] == [Kind.WELCOME, Kind.SEND]

    async def test_a_newer_link_ends_the_older(self) -> None:
        async with fake() as engine:
            ref = fastask.monitor(Address("x", PEER.name))
            await opened(engine)

            engine.accept().greet(Kind.HELLO, engine.me.incarnation, number=1)

            assert (await fastask.receive(ref)).reason is NOCONNECTION

    async def test_one_that_was_opened_before_and_comes_late_is_turned_away(
        self,
    ) -> None:
        async with fake() as engine:
            ref = fastask.monitor(Address("x", PEER.name))
            await opened(engine)
            theirs = engine.accept()

            theirs.greet(Kind.HELLO, engine.me.incarnation, number=0)

            assert [m[0] for m in theirs.heard()] == [Kind.REJECT]
            await turns()
            assert fastask.receive_nowait(ref, default=None) is None

    async def test_a_greeting_tells_which_was_welcomed_last(self) -> None:
        async with fake() as engine:
            theirs = engine.accept()
            theirs.say(
                Kind.HELLO,
                pack_texts(PEER.name, PEER.incarnation, "", engine.me.incarnation),
                control=CONTROL,
                serial=5,
            )
            theirs.close()
            await turns()

            fastask.send(Address("x", PEER.name), 1)
            await turns()

            (hello,) = engine.links[-1].heard()
            assert hello[:4] == (Kind.HELLO, 0, 1, 5)


class TestFrames:
    @pytest.mark.parametrize("step", [-1, 1])
    async def test_a_gap_or_a_repeat_closes_the_link(
        self, step: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with fake() as engine:
            ref = fastask.monitor(Address("x", PEER.name))
            link = await opened(engine)

            link.seq += step
            link.say(Kind.CREDIT, serial=1)

            assert (await fastask.receive(ref)).reason is NOCONNECTION
            assert "is next, got" in caplog.text

    async def test_a_malformed_one_closes_the_link_and_touches_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with fake() as engine:
            fastask.register("me")
            ref = fastask.monitor(Address("x", PEER.name))
            link = await opened(engine)

            good = pickle.dumps(("me", "harm"))
            first = HEADER.pack(Kind.SEND, 1, 0, len(good), 0, 0, 0) + good
            bad = HEADER.pack(200, 0, 0, 0, 0, 0, 0)
            head = HEAD.pack(MAGIC, VERSION, 0, 2, link.mark, link.seq)
            link.say_frame([head + first + bad])

            assert await fastask.receive() == Down(
                ref, Address("x", PEER.name), NOCONNECTION
            )
            assert "known kind, got 200" in caplog.text
            fastask.unregister("me")

    async def test_those_of_an_old_incarnation_are_dropped(self) -> None:
        async with fake() as engine:
            fastask.register("me")
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)

            link.mark += 1
            link.say(Kind.SEND, pickle.dumps(("me", "old")), flags=1)
            link.mark -= 1
            link.seq -= 1
            link.say(Kind.SEND, pickle.dumps(("me", "new")), flags=1)

            assert await fastask.receive() == "new"
            fastask.unregister("me")

    async def test_a_value_that_cannot_be_read_is_dropped_and_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)

            link.say(Kind.SEND, b"garbage", flags=1)
            link.say(Kind.WATCH, pickle.dumps(("nobody",)), flags=1, serial=9)
            await turns()

            assert "cannot be delivered" in caplog.text
            assert [m[0] for m in link.heard()][-1] == Kind.DOWN

    async def test_random_ones_close_the_link_and_touch_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        import random

        caplog.set_level(logging.CRITICAL, "fastask")
        chance = random.Random(4)
        async with fake() as engine:
            for _ in range(300):
                ref = fastask.monitor(Address("x", PEER.name))
                link = await opened(engine)
                link.say_frame([chance.randbytes(chance.randrange(80))])
                down = await fastask.receive()
                assert (down.ref, down.reason) == (ref, NOCONNECTION)


class TestRefs:
    async def test_an_answer_to_nothing_is_dropped(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)

            for kind in (Kind.DOWN, Kind.DONE, Kind.REPLY, Kind.ENDED):
                link.say(kind, pickle.dumps((1,)), serial=77)
            link.say(Kind.UNWATCH, serial=77)
            link.say(Kind.GIVE_UP, serial=77)
            await turns()

            assert link.closed_for is None

    async def test_a_ref_ends_once(self) -> None:
        async with fake() as engine:
            task = TaskSupervisor.ref("t", PEER.name).async_nolink(there.identity, "x")
            link = await opened(engine)
            start = link.heard()[0]
            assert start[0] == Kind.START

            link.say(Kind.DONE, pickle.dumps("first"), serial=start[2])
            link.say(Kind.DONE, pickle.dumps("second"), serial=start[2])
            link.say(Kind.DOWN, pickle.dumps(("third",)), serial=start[2])

            assert await task == "first"
            assert fastask.receive_nowait(default=None) is None

    async def test_a_node_that_is_down_ends_them(self) -> None:
        async with fake() as engine:
            task = TaskSupervisor.ref("t", PEER.name).async_nolink(there.where)
            await opened(engine)

            engine.listener.peer_down(PEER)

            assert await task.yield_(0) == Failed(NOCONNECTION)

    async def test_a_node_that_is_back_ends_those_of_before(self) -> None:
        async with fake() as engine:
            task = TaskSupervisor.ref("t", PEER.name).async_nolink(there.where)
            await opened(engine)

            engine.listener.peer_up(Peer(PEER.name, "b-2", "nowhere"))

            assert await task.yield_(0) == Failed(NOCONNECTION)

    async def test_a_monitor_that_nobody_needs_is_taken_back(self) -> None:
        async with fake() as engine:
            address = Address("x", PEER.name)
            ref = fastask.monitor(address)
            link = await opened(engine)
            (watch,) = link.heard()

            fastask.demonitor(ref)
            await turns()

            (unwatch,) = link.heard()
            assert (unwatch[0], unwatch[2]) == (Kind.UNWATCH, watch[2])

    async def test_a_call_that_is_given_up_is_taken_back(self) -> None:
        async with fake() as engine:
            call = fastask.async_nolink(
                fastask.GenServer.call, Address("x", PEER.name), "request", 0.02
            )
            link = await opened(engine)

            assert isinstance(await call.yield_(), Failed)
            await turns()

            kinds = [(m[0], m[2]) for m in link.heard()]
            assert kinds == [(Kind.CALL, 1), (Kind.GIVE_UP, 1)]


class TestThirdNodes:
    async def test_who_hears_of_a_process_before_it_is_started_reaches_it(self) -> None:
        async with fake() as engine:
            starter = engine.accept()
            starter.greet(Kind.HELLO, engine.me.incarnation)
            other = engine.accept(OTHER)
            other.greet(Kind.HELLO, engine.me.incarnation)
            mark = starter.mark

            other.say(Kind.SEND, pickle.dumps("early"), number=5, origin=mark)
            other.say(Kind.SEND, pickle.dumps("dead"), number=4, origin=mark)
            starter.say(Kind.START, start_of(there.reply_any), serial=5)
            await turns()

            done = [m for m in starter.heard() if m[0] == Kind.DONE]
            assert [(m[2], pickle.loads(m[5])) for m in done] == [(5, "early")]

    async def test_who_asks_too_late_is_told_at_once(self) -> None:
        async with fake() as engine:
            starter = engine.accept()
            starter.greet(Kind.HELLO, engine.me.incarnation)
            other = engine.accept(OTHER)
            other.greet(Kind.HELLO, engine.me.incarnation)

            starter.say(Kind.START, start_of(there.where), serial=5)
            await fastask.sleep(0.01)
            other.say(
                Kind.WATCH, pickle.dumps(()), serial=1, number=5, origin=starter.mark
            )
            await turns()

            (down,) = [m for m in other.heard() if m[0] == Kind.DOWN]
            assert pickle.loads(down[5]) == (NOPROC,)

    async def test_a_node_that_is_lost_starts_nothing_any_more(self) -> None:
        async with fake() as engine:
            starter = engine.accept()
            starter.greet(Kind.HELLO, engine.me.incarnation)
            other = engine.accept(OTHER)
            other.greet(Kind.HELLO, engine.me.incarnation)

            other.say(
                Kind.WATCH, pickle.dumps(()), serial=1, number=9, origin=starter.mark
            )
            await turns()
            assert [m[0] for m in other.heard()] == [Kind.WELCOME]
            engine.listener.peer_down(PEER)
            await turns()

            assert [m[0] for m in other.heard()] == [Kind.DOWN]


def start_of(fn: Any) -> bytes:
    """What another node says to start a task of its process number 1."""
    owner = Named(codec.theirs, (0, 1))
    return pickle.dumps(("task_supervisor", None, 5.0, owner, fn, ()))


class Named:
    """Is pickled as what the other node writes for a process."""

    def __init__(self, *how: Any) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        return self.how


class TestCredit:
    async def test_what_has_none_waits(self) -> None:
        async with fake() as engine:
            for _ in range(100):
                fastask.send(Address("x", PEER.name), bytes(60_000))
            link = await opened(engine)
            first = len(link.heard())
            assert first < 100

            link.say(Kind.CREDIT, serial=CREDIT, control=CONTROL)
            await turns()
            second = len(link.heard())

            assert CREDIT // 70_000 < first < CREDIT // 50_000
            assert 0 < second < 100 - first

    async def test_it_is_given_back_for_what_is_taken(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)
            link.heard()

            for _ in range(10):
                link.say(Kind.SEND, pickle.dumps(("nobody", bytes(60_000))), flags=1)

            credits = [m for m in link.heard() if m[0] == Kind.CREDIT]
            assert sum(m[2] for m in credits) > 300_000

    async def test_a_big_value_leaves_in_chunks_and_others_go_first(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 0)
            link = await opened(engine)
            link.heard()
            target = Address("x", PEER.name)

            async def another() -> None:
                fastask.send(target, "small")

            fastask.send(target, bytes(3 * CREDIT))
            fastask.send(target, "after")
            await turns()
            fastask.spawn(another)
            await turns()
            before = [m[0] for m in link.heard()]
            kinds: list[int] = []
            while Kind.SEND not in kinds[1:]:
                link.say(Kind.CREDIT, serial=CREDIT, control=CONTROL)
                await turns()
                kinds += [m[0] for m in link.heard()]

            assert set(before) == {Kind.CHUNK}
            assert len(before) == CREDIT // CHUNK
            assert kinds[0] == Kind.SEND  # the small one, of another process
            assert kinds[-1] == Kind.SEND  # what was sent after, behind the last chunk


class TestCode:
    async def test_a_closure_is_sent_once(self) -> None:
        async with fake() as engine:

            async def closure() -> None:
                return None

            tasks = TaskSupervisor.ref("t", PEER.name)
            for _ in range(3):
                tasks.async_nolink(closure).ignore()
            link = await opened(engine)

            kinds = [m[0] for m in link.heard()]
            assert kinds.count(Kind.DEFINE) == 1
            assert kinds.count(Kind.START) == 3

    async def test_without_cloudpickle_the_error_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(codec, "_cloudpickle", lambda: None)
        async with fake():

            async def closure() -> None:
                return None

            with pytest.raises(
                TypeError, match=r"pip install 'fastask-otp\[cluster\]'"
            ):
                TaskSupervisor.ref("t", PEER.name).async_nolink(closure)


class TestTurns:
    """A frame is taken in a callback of the loop; whom it wakes has his turn there."""

    async def test_who_is_woken_goes_on_and_what_he_sends_leaves_at_once(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)
            heard = asyncio.get_running_loop().create_future()

            async def echo() -> None:
                while True:
                    fastask.send(Address("x", PEER.name), await fastask.receive())

            def bring() -> None:
                link.say(Kind.SEND, pickle.dumps(("echo", "hello")), flags=1)
                heard.set_result([pickle.loads(m[5]) for m in link.heard()])

            process = fastask.spawn(echo)
            fastask.register("echo", process)
            await turns()
            link.heard()
            asyncio.get_running_loop().call_soon(bring)

            assert await heard == [("x", "hello")]
            fastask.exit(process, fastask.KILL)

    async def test_what_several_frames_bring_is_taken_in_their_order(self) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)
            fastask.register("me")

            def bring() -> None:
                for number in range(3):
                    link.say(Kind.SEND, pickle.dumps(("me", number)), flags=1)

            asyncio.get_running_loop().call_soon(bring)

            assert [await fastask.receive() for _ in range(3)] == [0, 1, 2]
            fastask.unregister("me")

    async def test_a_process_that_closes_the_link_gets_no_more_of_the_frame(
        self,
    ) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)
            fastask.register("me")

            def bring() -> None:
                link.say(Kind.SEND, pickle.dumps(("me", "first")), flags=1)
                link.say(Kind.GOODBYE)
                link.say(Kind.SEND, pickle.dumps(("me", "late")), flags=1)

            asyncio.get_running_loop().call_soon(bring)

            assert await fastask.receive() == "first"
            await turns()
            assert fastask.receive_nowait(default=None) is None
            fastask.unregister("me")

    async def test_a_task_of_asyncio_keeps_its_place_behind_what_the_loop_calls(
        self,
    ) -> None:
        async with fake() as engine:
            fastask.send(Address("x", PEER.name), 1)
            link = await opened(engine)
            loop, order = asyncio.get_running_loop(), list[str]()

            async def task() -> None:
                fastask.register("task")
                await fastask.receive()
                order.append("task")

            def bring() -> None:
                loop.call_soon(order.append, "called before")
                link.say(Kind.SEND, pickle.dumps(("task", 1)), flags=1)
                loop.call_soon(order.append, "called after")

            before = loop.get_task_factory()
            loop.set_task_factory(fastask.task_factory)
            waiting = loop.create_task(task())
            loop.set_task_factory(before)
            await turns()
            loop.call_soon(bring)
            await waiting
            await turns()

            assert order == ["called before", "task", "called after"]
