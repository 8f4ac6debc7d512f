"""Links of the engine on Dask: order, sizes, backpressure and the end."""

from __future__ import annotations

import asyncio
import random
import sys

import pytest

from fastask._nodes.engine import Buffer
from tests.nodes.cluster import (
    Ear,
    Head,
    Node,
    echo_nodes,
    echoed,
    joined,
    new_name,
    until,
)

if sys.platform == "win32":
    pytest.skip("Windows can stop no process", allow_module_level=True)

MEGABYTE = 1_000_000


class TestFrames:
    async def test_of_all_sizes_arrive_in_order(self, head: Head) -> None:
        chance = random.Random(7)
        sizes = [chance.choice((0, 1, 100, 70_000, 300_000)) for _ in range(300)]
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, other]:
            link = await one.engine.connect(second, Ear())
            for number, size in enumerate(sizes):
                link.send([number.to_bytes(4, "big"), bytes(size)])
            await until(lambda: other.ears and len(other.ears[0].frames) == len(sizes))
            frames = other.ears[0].frames

        assert [(int.from_bytes(n, "big"), len(body)) for n, body in frames] == [
            *enumerate(sizes)
        ]

    @pytest.mark.parametrize("size", [10, 100_000])
    async def test_keep_their_buffers(self, head: Head, size: int) -> None:
        body = random.Random(1).randbytes(size)
        frame: list[Buffer] = [
            b"",
            body,
            bytearray(body),
            memoryview(body)[1:],
            b"",
            memoryview(b""),
        ]
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, _]:
            ear = Ear()
            link = await one.engine.connect(second, ear)
            back = await echoed(link, ear, frame)

        assert [bytes(buffer) for buffer in back] == [bytes(each) for each in frame]

    async def test_may_have_no_buffer(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, _]:
            ear = Ear()
            link = await one.engine.connect(second, ear)

            assert await echoed(link, ear, []) == []

    async def test_of_ten_megabytes_arrive(self, head: Head) -> None:
        body = random.Random(2).randbytes(10 * MEGABYTE)
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, _]:
            ear = Ear()
            link = await one.engine.connect(second, ear)
            [back] = await echoed(link, ear, [body])

        assert bytes(back) == body

    async def test_go_both_ways_at_once(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second, echoes=False) as [one, other]:
            ear = Ear()
            link = await one.engine.connect(second, ear)
            await until(lambda: other.links)
            for number in range(200):
                link.send([bytes([number]), bytes(20_000)])
                other.links[0].send([bytes([number]), bytes(20_000)])
            await until(lambda: len(ear.frames) == 200)
            await until(lambda: len(other.ears[0].frames) == 200)

        for got in (ear.frames, other.ears[0].frames):
            assert [frame[0][0] for frame in got] == list(range(200))


class TestDrain:
    async def test_a_slow_receiver_holds_up_nobody_else(self, head: Head) -> None:
        first, slow, quick = new_name(), new_name(), new_name()
        with echo_nodes(head, slow, quick) as [program, _]:
            async with joined(head, first) as [node]:
                await node.meets(slow, quick)
                stuck = await node.engine.connect(slow, Ear())
                ear = Ear()
                link = await node.engine.connect(quick, ear)
                program.stop()
                for _ in range(30):
                    stuck.send([bytes(MEGABYTE)])
                waiting = asyncio.ensure_future(stuck.drain())

                back = [await echoed(link, ear, [b"quick"]) for _ in range(20)]
                assert back == [[b"quick"]] * 20
                assert not waiting.done()

                program.go_on()
                await waiting

    async def test_returns_at_once_when_there_is_room(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, _]:
            link = await one.engine.connect(second, Ear())
            link.send([b"x"])
            async with asyncio.timeout(0):
                await link.drain()

    async def test_returns_when_the_link_is_closed(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, _]:
            link = await one.engine.connect(second, Ear())
            link.send([bytes(50 * MEGABYTE)])
            waiting = [asyncio.ensure_future(link.drain()) for _ in range(3)]
            await asyncio.sleep(0)
            link.close()
            await asyncio.gather(*waiting)
            await link.drain()


class TestClose:
    async def test_is_told_once_and_in_a_later_turn(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, other]:
            ear = Ear()
            link = await one.engine.connect(second, ear)
            await until(lambda: other.ears)
            link.close("enough")
            link.close("again")
            assert ear.reasons == []

            await until(lambda: ear.reasons and other.ears[0].reasons)
            link.close("late")
            link.send([b"nobody"])

        assert ear.reasons == ["enough"]
        assert len(other.ears[0].reasons) == 1
        assert isinstance(other.ears[0].reasons[0], ConnectionError)

    async def test_lets_what_was_sent_before_it_leave(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second, echoes=False) as [one, other]:
            link = await one.engine.connect(second, Ear())
            await until(lambda: other.ears)
            for text in (b"last", b"words", b"goodbye"):
                link.send([text])
            link.close()
            await until(lambda: other.ears[0].reasons)

            assert other.ears[0].frames == [[b"last"], [b"words"], [b"goodbye"]]

    async def test_lets_both_nodes_stay_up_and_meet_again(self, head: Head) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, other]:
            link = await one.engine.connect(second, Ear())
            link.close()
            ear = Ear()
            link = await one.engine.connect(second, ear)

            assert await echoed(link, ear, [b"again"]) == [b"again"]
            assert ("down", second) not in one.events
            assert ("down", first) not in other.events

    async def test_comes_of_an_exception_of_the_receiver(
        self, head: Head, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Choosy(Ear):
            def received(self, frame: list[Buffer]) -> None:
                raise LookupError(frame)

        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, other]:
            ear = Choosy()
            link = await one.engine.connect(second, ear)
            await until(lambda: other.links)
            other.links[0].send([b"what is this"])
            await until(lambda: ear.reasons)
            link.send([b"nobody"])

        assert isinstance(ear.reasons[0], LookupError)
        assert f"the link to {second} is closed by a frame" in caplog.text


class TestConnect:
    async def test_to_a_name_that_is_not_up_is_an_error(self, head: Head) -> None:
        async with joined(head, new_name()) as [node]:
            with pytest.raises(ConnectionError, match="no node 'nobody@there' is up"):
                await node.engine.connect("nobody@there", Ear())

    async def test_that_is_cancelled_leaves_no_link(self, head: Head) -> None:
        first, second = new_name(), new_name()
        with echo_nodes(head, second) as [program]:
            async with joined(head, first) as [node]:
                await node.meets(second)
                program.stop()
                ear = Ear()
                call = asyncio.ensure_future(node.engine.connect(second, ear))
                await asyncio.sleep(0.05)
                call.cancel()
                await asyncio.wait([call])

                assert call.cancelled()
                assert ear.reasons == []
                program.go_on()

    async def test_after_stop_is_an_error(self, head: Head) -> None:
        node = Node()
        await node.start(head, new_name())
        await node.engine.stop()
        with pytest.raises(ConnectionError, match="is up"):
            await node.engine.connect("a@b", Ear())
