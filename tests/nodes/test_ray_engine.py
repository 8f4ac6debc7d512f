"""The engine on Ray, in a cluster of one machine that nobody else can reach.

These tests run by scripts/test-ray, and nowhere else; what needs no Ray is tested in
test_ray_parts.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from fastask import NameTakenError
from fastask._nodes.engine import Buffer
from tests.nodes import ray_cluster
from tests.nodes.cluster import PATIENCE, Ear, echoed, new_name, until
from tests.nodes.ray_cluster import RayHead, RayNode, echo_nodes, joined
from tests.nodes.ray_fleet import Rays

REFUSAL = ray_cluster.why_not()
if REFUSAL is not None or sys.platform == "win32":
    pytest.skip(str(REFUSAL), allow_module_level=True)

MEGABYTE = 1_000_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def head(rays: Rays) -> RayHead:
    """A head that asks for a token, of a cluster without nodes."""
    rays.of(0)
    deadline = time.monotonic() + PATIENCE
    while hosts():  # of nodes that other tests had
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return rays.head


def hosts() -> set[int]:
    """The processes of Ray that stand for nodes."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        if title.startswith(b"ray::Host"):
            found.add(int(folder.name))
    return found


def meeting_places() -> set[Path]:
    """The folders in which nodes and hosts meet; who is killed there leaves one."""
    return set(Path(tempfile.gettempdir()).glob("fastask-????????"))


class TestPeers:
    async def test_who_was_there_before_is_up_at_once(self, head: RayHead) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first):
            late = RayNode()
            await late.start(head, second)
            names = set(late.engine.peers())
            await late.engine.stop()

        assert first in names
        assert second not in names

    async def test_are_told_who_comes_and_who_goes(self, head: RayHead) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first) as [stays]:
            async with joined(head, second):
                await stays.meets(second)
            await stays.misses(second)
            await until(lambda: ("down", second) in stays.events)

        about = [event for event in stays.events if event[1] == second]
        assert about == [("up", second), ("down", second)]

    async def test_are_seen_with_their_labels_and_address(self, head: RayHead) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, labels={"zone": "north"}) as [labelled]:
            other = RayNode()
            await other.start(head, second)
            seen = other.engine.peers()[first]
            await other.engine.stop()

        assert seen == labelled.peer
        assert seen.labels == {"zone": "north"}
        assert seen.address.startswith("127.0.0.1/")

    async def test_a_node_that_returns_is_another_incarnation(
        self, head: RayHead
    ) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first) as [stays]:
            async with joined(head, second) as [node]:
                await stays.meets(second)
                old = node.peer
            await stays.misses(second)
            async with joined(head, second) as [node]:
                await stays.meets(second)
                seen = stays.engine.peers()[second]

                assert seen == node.peer
                assert seen.incarnation != old.incarnation


class TestName:
    async def test_of_a_live_node_is_refused(self, head: RayHead) -> None:
        name = new_name()
        async with joined(head, name) as [node]:
            with pytest.raises(NameTakenError, match=f"a live node has '{name}'"):
                await RayNode().start(head, name)
            assert len(hosts()) == 1
            assert node.events == []

    async def test_is_free_again_at_once(self, head: RayHead) -> None:
        name = new_name()
        async with joined(head, name):
            pass
        async with joined(head, name) as [node]:
            assert node.peer.name == name


class TestStart:
    async def test_without_a_cluster_is_an_error(self, head: RayHead) -> None:
        nowhere = RayHead(head.process, head.security, "127.0.0.1:1")
        with pytest.raises(ConnectionError, match=r"'127\.0\.0\.1:1'"):
            await RayNode().start(nowhere, new_name())

    def test_with_a_wrong_token_is_refused(self, head: RayHead, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("0" * 32)
        stranger = RayHead(head.process, {"token": str(token)})
        with pytest.raises(ConnectionError, match="Ray cluster"):
            asyncio.run(RayNode().start(stranger, new_name()))

    async def test_that_is_cancelled_leaves_nothing(self, head: RayHead) -> None:
        name, node = new_name(), RayNode()
        start = asyncio.ensure_future(node.start(head, name))
        await until(hosts)
        start.cancel()
        await asyncio.wait([start])

        await until(lambda: not hosts())
        assert start.cancelled()
        assert node.engine.peers() == {}

    async def test_a_second_time_is_an_error(self, head: RayHead) -> None:
        async with joined(head, new_name()) as [node]:
            with pytest.raises(RuntimeError, match="has started"):
                await node.start(head, new_name())


class TestStop:
    async def test_leaves_nothing(self, head: RayHead) -> None:
        name, folders = new_name(), meeting_places()
        threads = {thread.name for thread in threading.enumerate()}
        async with joined(head, name) as [node]:
            assert len(hosts()) == 1
        await node.engine.stop()

        assert hosts() == set()
        assert node.engine.peers() == {}
        assert meeting_places() == folders
        await until(
            lambda: {thread.name for thread in threading.enumerate()} <= threads
        )

    async def test_closes_the_links(self, head: RayHead) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first) as [stays]:
            ear = Ear()
            async with joined(head, second) as [node]:
                await stays.meets(second)
                link = await node.engine.connect(first, ear)
                await echoed(link, ear, [b"there"])
            assert len(ear.reasons) == 1
            await until(lambda: stays.ears[0].reasons)

        assert "the node has left" in str(stays.ears[0].reasons[0])


class TestFrames:
    async def test_of_all_sizes_arrive_in_order(self, head: RayHead) -> None:
        chance = random.Random(7)
        sizes = [chance.choice((0, 1, 100, 70_000)) for _ in range(3000)]
        sizes[::100] = [300_000] * 30
        first, second = new_name(), new_name()
        async with joined(head, first, second, echoes=False) as [one, other]:
            link = await one.engine.connect(second, Ear())
            for number, size in enumerate(sizes):
                link.send([number.to_bytes(4, "big"), bytes(size)])
                if number % 10 == 0:
                    await link.drain()
            await until(lambda: len(other.ears[0].frames) == len(sizes))
            frames = other.ears[0].frames

        assert [(int.from_bytes(n, "big"), len(body)) for n, body in frames] == [
            *enumerate(sizes)
        ]

    @pytest.mark.parametrize("size", [10, 100_000, 10 * MEGABYTE])
    async def test_keep_their_buffers(self, head: RayHead, size: int) -> None:
        body = random.Random(1).randbytes(size)
        frame: list[Buffer] = [b"", body, bytearray(b"xy"), memoryview(b"abc")[1:], b""]
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, _]:
            ear = Ear()
            link = await one.engine.connect(second, ear)
            back = await echoed(link, ear, frame)
            assert await echoed(link, ear, []) == []

        assert [bytes(buffer) for buffer in back] == [bytes(each) for each in frame]

    async def test_go_both_ways_at_once(self, head: RayHead) -> None:
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
    async def test_a_slow_receiver_holds_up_nobody_else(self, head: RayHead) -> None:
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

    async def test_returns_when_the_link_is_closed(self, head: RayHead) -> None:
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
    async def test_is_told_once_on_both_sides(self, head: RayHead) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first, second) as [one, other]:
            ear = Ear()
            link = await one.engine.connect(second, ear)
            await until(lambda: other.ears)
            link.send([b"last words"])
            link.close("enough")
            link.close("again")
            assert ear.reasons == []

            await until(lambda: ear.reasons and other.ears[0].reasons)
            link.send([b"nobody"])
            ear = Ear()
            link = await one.engine.connect(second, ear)
            assert await echoed(link, ear, [b"again"]) == [b"again"]

        assert other.ears[0].frames == [[b"last words"]]
        assert len(other.ears[0].reasons) == 1
        assert isinstance(other.ears[0].reasons[0], ConnectionError)


class TestConnect:
    async def test_to_a_name_that_is_not_up_is_an_error(self, head: RayHead) -> None:
        async with joined(head, new_name()) as [node]:
            with pytest.raises(ConnectionError, match="no node 'nobody@there' is up"):
                await node.engine.connect("nobody@there", Ear())
        with pytest.raises(ConnectionError, match="is up"):
            await node.engine.connect("nobody@there", Ear())

    async def test_at_once_by_a_node_that_is_new(self, head: RayHead) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first):
            new = RayNode()
            await new.start(head, second)
            ear = Ear()
            link = await new.engine.connect(first, ear)

            assert await echoed(link, ear, [b"hello"]) == [b"hello"]
            await new.engine.stop()

    async def test_that_is_cancelled_leaves_no_link(self, head: RayHead) -> None:
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


class TestKilledNode:
    async def test_closes_its_links_and_goes_down(self, head: RayHead) -> None:
        first, names = new_name(), [new_name() for _ in range(2)]
        with echo_nodes(head, *names) as [program, _]:
            async with joined(head, first) as [node]:
                await node.meets(*names)
                lost, kept = Ear(), Ear()
                link = await node.engine.connect(names[0], lost)
                await echoed(link, lost, [b"there"])
                other = await node.engine.connect(names[1], kept)
                killed = time.perf_counter()
                program.kill()
                await until(lambda: lost.reasons)
                await until(lambda: ("down", names[0]) in node.events)

                await until(lambda: len(hosts()) == 2)
                assert lost.closed_at - killed < 1.0
                assert names[0] not in node.engine.peers()
                assert await echoed(other, kept, [b"still"]) == [b"still"]
                assert kept.reasons == []

    async def test_returns_under_its_name_as_another_incarnation(
        self, head: RayHead
    ) -> None:
        first, name = new_name(), new_name()
        async with joined(head, first) as [node]:
            with echo_nodes(head, name) as [program]:
                await node.meets(name)
                old = node.engine.peers()[name]
                program.kill()
                with echo_nodes(head, name):
                    await until(
                        lambda: node.engine.peers().get(name, old) != old,
                    )
                    ear = Ear()
                    link = await node.engine.connect(name, ear)

                    assert await echoed(link, ear, [b"new"]) == [b"new"]
                    assert link.peer.incarnation != old.incarnation
                about = [kind for kind, who in node.events if who == name]
                assert about[:3] == ["up", "down", "up"]


class TestStoppedNode:
    async def test_loses_its_links_after_net_ticktime_and_stays_up(
        self, head: RayHead
    ) -> None:
        name, node = new_name(), RayNode()
        with echo_nodes(head, name) as [program]:
            await node.start(head, new_name(), net_ticktime=1.0)
            await node.meets(name)
            ear = Ear()
            link = await node.engine.connect(name, ear)
            await echoed(link, ear, [b"there"])
            program.stop()
            stopped = time.perf_counter()
            await until(lambda: ear.reasons)

            assert str(ear.reasons[0]) == "net_tick_timeout"
            assert ear.closed_at - stopped >= 0.9
            assert name in node.engine.peers()

            program.go_on()
            ear = Ear()
            link = await node.engine.connect(name, ear)
            assert await echoed(link, ear, [b"again"]) == [b"again"]
            await node.engine.stop()


class TestKilledHost:
    async def test_costs_the_links_and_is_replaced(self, head: RayHead) -> None:
        first, second = new_name(), new_name()
        async with joined(head, first) as [one], contextlib.AsyncExitStack() as stack:
            [pid] = hosts()
            [other] = await stack.enter_async_context(joined(head, second))
            await one.meets(second)
            await other.meets(first)
            ear = Ear()
            await one.engine.connect(second, ear)
            await until(lambda: other.ears)
            os.kill(pid, signal.SIGKILL)
            await until(lambda: ear.reasons and other.ears[0].reasons)
            await one.misses(second)
            await other.misses(first)
            await one.meets(second)
            await other.meets(first)
            ear = Ear()
            link = await one.engine.connect(second, ear)

            assert await echoed(link, ear, [b"again"]) == [b"again"]
            assert other.engine.peers()[first].incarnation == one.peer.incarnation
            for node, name in ((one, second), (other, first)):
                about = [kind for kind, who in node.events if who == name]
                assert about == ["up", "down", "up"]
