"""Failures: a node that is killed, a node that hangs, a head that dies and returns."""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
import time

import pytest

import fastask
from fastask._nodes.dask import engine as engine_module
from tests.nodes.cluster import (
    Ear,
    Head,
    Node,
    Program,
    echo_nodes,
    echoed,
    joined,
    new_name,
    running_head,
    until,
)

if sys.platform == "win32":
    pytest.skip("Windows can stop no process", allow_module_level=True)


HASTY_HEAD = """
import asyncio
from fastask._nodes.dask.head import Head

# distributed waits for ten heartbeats at least: five seconds.
head = Head(port=0, net_ticktime=1.0)
asyncio.run(head.serve(lambda address: print(address, flush=True)))
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> float:
    """Let a node be silent for a moment only, and others return within one."""
    monkeypatch.setattr(engine_module, "LEAST_TICKTIME", 0.1)
    monkeypatch.setattr(engine_module, "LEAST_GRACE", 0.4)
    return 0.4


class TestKilledNode:
    async def test_closes_its_links_within_50_ms_and_goes_down(
        self, head: Head
    ) -> None:
        first, names = new_name(), [new_name() for _ in range(2)]
        seconds = []
        with echo_nodes(head, *names) as programs:
            async with joined(head, first) as [node]:
                await node.meets(*names)
                for name, program in zip(names, programs, strict=True):
                    ear = Ear()
                    link = await node.engine.connect(name, ear)
                    await echoed(link, ear, [b"there"])
                    killed = time.perf_counter()
                    program.kill()
                    await until(functools.partial(len, ear.reasons))
                    seconds.append(ear.closed_at - killed)
                    await node.misses(name)

                assert min(seconds) <= 0.05, seconds
                assert [event for event in node.events if event[0] == "down"] == [
                    ("down", name) for name in names
                ]

    async def test_disturbs_no_other_link(self, head: Head) -> None:
        first, killed, other = new_name(), new_name(), new_name()
        with echo_nodes(head, killed, other) as [program, _]:
            async with joined(head, first) as [node]:
                await node.meets(killed, other)
                lost, ear = Ear(), Ear()
                await node.engine.connect(killed, lost)
                link = await node.engine.connect(other, ear)
                program.kill()
                await until(lambda: lost.reasons)

                assert await echoed(link, ear, [b"still"]) == [b"still"]
                assert ear.reasons == []

    async def test_returns_under_its_name_as_another_incarnation(
        self, head: Head
    ) -> None:
        first, name = new_name(), new_name()
        async with joined(head, first) as [node]:
            with echo_nodes(head, name) as [program]:
                await node.meets(name)
                old = node.engine.peers()[name]
                program.kill()
                await node.misses(name)
            with echo_nodes(head, name):
                await node.meets(name)
                ear = Ear()
                link = await node.engine.connect(name, ear)

                assert await echoed(link, ear, [b"new"]) == [b"new"]
                assert link.peer.incarnation != old.incarnation


class TestStoppedNode:
    async def test_loses_its_links_after_net_ticktime_and_stays_up(
        self, head: Head, quick: float
    ) -> None:
        name, node = new_name(), Node()
        with echo_nodes(head, name) as [program]:
            await node.start(head, new_name(), net_ticktime=quick)
            await node.meets(name)
            ear = Ear()
            link = await node.engine.connect(name, ear)
            await echoed(link, ear, [b"there"])
            program.stop()
            stopped = time.perf_counter()
            await until(lambda: ear.reasons)

            assert str(ear.reasons[0]) == "net_tick_timeout"
            assert ear.closed_at - stopped >= quick * 0.9
            assert name in node.engine.peers()

            program.go_on()
            ear = Ear()
            link = await node.engine.connect(name, ear)
            assert await echoed(link, ear, [b"again"]) == [b"again"]
            await node.engine.stop()

    async def test_cannot_be_reached_and_says_so(
        self, head: Head, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine_module, "CONNECT", 0.3)
        first, name = new_name(), new_name()
        with echo_nodes(head, name) as [program]:
            async with joined(head, first) as [node]:
                await node.meets(name)
                program.stop()
                with pytest.raises(ConnectionError, match="cannot be reached"):
                    await node.engine.connect(name, Ear())
                program.go_on()

    def test_goes_down_when_the_head_misses_it(self) -> None:
        async def main(head: Head) -> None:
            name, node = new_name(), Node()
            with echo_nodes(head, name) as [stopped]:
                await node.start(head, new_name())
                await node.meets(name)
                stopped.stop()
                await node.misses(name)
                stopped.go_on()
                await node.meets(name)  # it was never dead: it finds the head again
                await node.engine.stop()

        program = Program("-c", HASTY_HEAD)
        try:
            fastask.run(main, Head(program, program.ready()))  # one loop is enough
        finally:
            program.close()

    async def test_that_is_only_idle_keeps_its_links(
        self, head: Head, quick: float
    ) -> None:
        first, second = Node(), Node()
        name = new_name()
        await first.start(head, name, net_ticktime=quick)
        await second.start(head, new_name(), net_ticktime=quick)
        await second.meets(name)
        ear = Ear()
        link = await second.engine.connect(name, ear)
        await asyncio.sleep(3 * quick)

        assert await echoed(link, ear, [b"there"]) == [b"there"]
        assert ear.frames == [[b"there"]]
        await second.engine.stop()
        await first.engine.stop()


class TestHead:
    @pytest.mark.parametrize("signal", [signal.SIGKILL, signal.SIGTERM])
    async def test_may_die_and_return_without_disturbing_links(
        self, signal: signal.Signals
    ) -> None:
        first, second, third = new_name(), new_name(), new_name()
        with running_head() as head:
            async with joined(head, first, second) as nodes:
                one, _ = nodes
                ear = Ear()
                link = await one.engine.connect(second, ear)
                before = [list(node.events) for node in nodes]
                head.program.process.send_signal(signal)
                head.program.process.wait()
                assert await echoed(link, ear, [b"alone"]) == [b"alone"]
                assert second in one.engine.peers()

                with running_head(port=head.port):
                    async with joined(head, third) as [late]:
                        await late.meets(first, second)
                        assert late.engine.peers()[first] == one.peer
                        for node, events in zip(nodes, before, strict=True):
                            await node.meets(third)
                            assert node.events == [*events, ("up", third)]

                assert await echoed(link, ear, [b"still"]) == [b"still"]
                assert ear.reasons == []

    async def test_that_is_gone_lets_links_be_opened(self) -> None:
        first, second = new_name(), new_name()
        with running_head() as head:
            async with joined(head, first, second) as [one, _]:
                head.program.close()
                ear = Ear()
                link = await one.engine.connect(second, ear)

                assert await echoed(link, ear, [b"alone"]) == [b"alone"]

    async def test_that_returns_misses_who_has_died_meanwhile(
        self, quick: float
    ) -> None:
        name, node = new_name(), Node()
        with running_head() as head:
            with echo_nodes(head, name) as [program]:
                await node.start(head, new_name(), net_ticktime=quick)
                await node.meets(name)
                head.program.close()
                program.close()
            assert name in node.engine.peers()
            with running_head(port=head.port):
                await node.misses(name)
                assert node.events == [("up", name), ("down", name)]
                await node.engine.stop()

    async def test_that_is_gone_does_not_hold_up_stop(self) -> None:
        with running_head() as head:
            node = Node()
            await node.start(head, new_name())
            head.program.close()
            async with asyncio.timeout(2.0):
                await node.engine.stop()

    async def test_may_return_again_and_again(self) -> None:
        first, second = new_name(), new_name()
        with running_head() as head:
            async with joined(head, first, second) as [one, other]:
                ear = Ear()
                link = await one.engine.connect(second, ear)
                head.program.close()
                for _ in range(2):
                    with running_head(port=head.port) as back:
                        late = Node()
                        await late.start(back, new_name())
                        await late.meets(first, second)
                        await late.engine.stop()
                assert await echoed(link, ear, [b"still"]) == [b"still"]
                assert ("down", second) not in one.events
                assert ("down", first) not in other.events
