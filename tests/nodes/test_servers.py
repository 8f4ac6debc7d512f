"""Servers of other nodes."""

from __future__ import annotations

import threading

import pytest

import fastask
from fastask import NOCONNECTION, NOPROC, TIMEOUT, Address, Answer, GenServer
from tests.nodes import there
from tests.nodes.conftest import Cluster
from tests.nodes.there import Counter


class TestCall:
    async def test_by_a_method(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])

            assert await Counter.add(counter, 2) == 2
            Counter.reset(counter, number=10)
            assert await Counter.add(counter, n=1) == 11

    async def test_with_any_request(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])

            assert await GenServer.call(counter, ["x"]) == ("asked", ["x"])
            assert await GenServer.call(counter, "who") is fastask.self_()
            assert await GenServer.call(counter, "late") == "late"

    async def test_by_the_process(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = await world.tasks(world.names[0]).async_(there.lookup, "counter")

            assert await Counter.add(counter, 1) == 1

    async def test_fails_when_nobody_is_there(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            with pytest.raises(fastask.CallError, match="nobody is there") as caught:
                await GenServer.call(Address("nobody", world.names[0]), "x")
            assert caught.value.reason is NOPROC

    async def test_fails_when_the_node_is_unknown(self, cluster: Cluster) -> None:
        async with cluster(1):
            with pytest.raises(fastask.CallError, match="out of reach") as caught:
                await GenServer.call(Address("counter", "no@where"), "x")
            assert caught.value.reason is NOCONNECTION

    async def test_fails_when_the_server_crashes(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            with pytest.raises(fastask.CallError) as caught:
                await GenServer.call(Address("counter", world.names[0]), "crash")
            assert isinstance(caught.value.reason, ValueError)

    async def test_fails_with_the_answer_that_was_none(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])
            ref = fastask.monitor(counter)

            with pytest.raises(fastask.CallError) as caught:
                await GenServer.call(counter, "answer")

            answer = Answer(1, then="what nobody may do then")  # type: ignore[arg-type]  # on purpose
            assert caught.value.reason == ("bad_return_value", answer)
            assert (await fastask.receive(ref)).reason == ("bad_return_value", answer)

    async def test_time_runs_out_and_the_late_reply_is_dropped(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])

            for request in ("late", "never"):
                with pytest.raises(fastask.CallTimeoutError) as caught:
                    await GenServer.call(counter, request, timeout=0.01)
                assert caught.value.reason is TIMEOUT

            await fastask.sleep(0.06)
            assert await GenServer.call(counter, "number") == 0
            assert fastask.receive_nowait(default=None) is None

    async def test_a_request_that_cannot_be_pickled_raises_at_once(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])

            with pytest.raises(TypeError, match=r"must be picklable .* <unlocked"):
                await GenServer.call(counter, threading.Lock())
            assert await GenServer.call(counter, "number") == 0

    async def test_a_reply_that_cannot_be_pickled_fails_the_call_only(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])

            with pytest.raises(fastask.CallError, match="reply must be picklable"):
                await GenServer.call(counter, "lock")
            assert await GenServer.call(counter, "number") == 0


class TestStop:
    async def test_waits_for_the_end(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])
            ref = fastask.monitor(counter)

            await GenServer.stop(counter, fastask.SHUTDOWN)

            assert (await fastask.receive(ref)).reason is fastask.SHUTDOWN

    async def test_its_supervisor_starts_another_one(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])
            await Counter.add(counter, 5)

            await GenServer.stop(counter)

            assert await Counter.add(counter, 1) == 1


class TestManyNodes:
    async def test_multi_call_tells_who_answered(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            nodes = [fastask.node(), *world.names, "no@where"]

            replies, bad = await GenServer.multi_call(nodes, "counter", "number")

            assert replies == [(node, 0) for node in nodes[:-1]]
            assert bad == ["no@where"]

    async def test_multi_call_asks_all_at_once(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            loop = fastask.self_().get_loop()
            begin = loop.time()

            replies, bad = await GenServer.multi_call(
                world.names, "counter", "never", timeout=0.2
            )

            assert (replies, bad) == ([], world.names)
            assert loop.time() - begin < 0.35

    async def test_abcast_reaches_all(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            GenServer.abcast([*world.names, "no@where"], "counter", 7)

            replies, _ = await GenServer.multi_call(world.names, "counter", "number")
            assert replies == [(node, 7) for node in world.names]


class TestSys:
    async def test_looks_into_a_server(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])
            await Counter.add(counter, 3)

            assert (await fastask.sys.get_state(counter)).number == 3
