"""Nodes that end, hang, come back, or are slow."""

from __future__ import annotations

import itertools
import signal
import sys
from collections import Counter as Counted
from pathlib import Path

import pytest

import fastask
from fastask import (
    NOCONNECTION,
    Address,
    Down,
    Exited,
    Failed,
    GenServer,
    NodeDown,
    NodeUp,
    Ok,
)
from tests.nodes import there
from tests.nodes.cluster import until
from tests.nodes.conftest import Cluster, only_local
from tests.nodes.there import Counter

pytestmark = pytest.mark.usefixtures("crashes")  # of workers, on purpose


class TestKilled:
    async def test_only_what_it_ran_fails(self, cluster: Cluster) -> None:
        async with cluster(3) as world:
            victim = world.names[1]
            tasks = {
                (name, n): world.tasks(name).async_nolink(there.sleep_for, 0.3)
                for name in world.names
                for n in range(10)
            }
            await world.tasks(victim).async_(there.identity, 1)

            await world.kill(victim)
            outcomes = dict(await fastask.yield_many(list(tasks.values())))

            for (name, _), task in tasks.items():
                wanted = Failed(NOCONNECTION) if name == victim else Ok(0.3)
                assert outcomes[task] == wanted

    async def test_everybody_hears_of_it_and_then_of_the_node(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            (name,) = world.names
            fastask.trap_exit(True)
            fastask.monitor_nodes(True)
            echo = await world.tasks(name).start_child(there.echo)
            fastask.link(echo)
            by_process = fastask.monitor(echo)
            by_name = fastask.monitor(Address("counter", name))
            call = fastask.async_nolink(
                GenServer.call, Address("counter", name), "never"
            )
            await world.tasks(name).async_(there.identity, 1)

            def is_heard(message: object) -> bool:
                return getattr(message, "ref", None) is not call.ref

            await world.kill(name)
            heard = []
            while NodeDown(name) not in heard:
                heard.append(await fastask.receive(is_heard))

            assert Exited(echo, NOCONNECTION) in heard[:-1]
            assert Down(by_process, echo, NOCONNECTION) in heard[:-1]
            assert Down(by_name, Address("counter", name), NOCONNECTION) in heard[:-1]
            outcome = await call.yield_()
            assert isinstance(outcome, Failed)
            assert outcome.reason.reason is NOCONNECTION
            assert not echo.alive

    async def test_it_comes_back_under_its_name_as_another_one(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            (name,) = world.names
            fastask.monitor_nodes(True)
            echo = await world.tasks(name).start_child(there.echo)
            await Counter.add(Address("counter", name), 5)

            await world.kill(name)
            assert await fastask.receive() == NodeDown(name)
            assert fastask.nodes() == []
            await world.is_up(name)

            assert fastask.nodes() == [name]
            assert await Counter.add(Address("counter", name), 1) == 1
            fastask.send(echo, "nobody")
            ref = fastask.monitor(echo)
            assert (await fastask.receive(ref)).reason is NOCONNECTION

    async def test_linked_tasks_of_a_lost_caller_end_and_others_run_on(
        self, cluster: Cluster
    ) -> None:
        async with cluster(2) as world:
            caller, host = world.names
            await world.tasks(caller).start_child(
                there.start_nolink, host, fastask.self_()
            )
            runs = [(await fastask.receive(tuple))[1] for _ in range(2)]

            await world.kill(caller)

            assert await fastask.receive(tuple) == ("unwound", NOCONNECTION)
            left = await world.tasks(host).children()
            assert len(left) == 1
            assert left[0] in runs

    async def test_a_call_meanwhile_is_answered_or_fails(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            (name,) = world.names
            fastask.monitor_nodes(True)
            await world.kill(name)

            with pytest.raises(fastask.CallError) as caught:
                while True:
                    await Counter.add(Address("counter", name), 1)
            assert caught.value.reason is NOCONNECTION
            await world.is_up(name)


class TestStopped:
    @only_local  # on Dask a node may hang for 11 s at least: test_dask_failure has it
    async def test_a_node_that_hangs_is_lost_in_time(self, cluster: Cluster) -> None:
        if sys.platform == "win32":
            pytest.skip("it has no such signals")
        async with cluster(2, net_ticktime=0.4) as world:
            hung, other = world.names
            fastask.monitor_nodes(True)
            task = world.tasks(hung).async_nolink(there.forever)

            await world.signal(hung, signal.SIGSTOP)

            assert await world.tasks(other).async_(there.identity, 1) == 1
            assert await task.yield_(10) == Failed(NOCONNECTION)
            await world.is_up(hung)

    @only_local  # where a thread answers for the loop; on Dask the loop does
    async def test_a_node_that_computes_is_not(self, cluster: Cluster) -> None:
        async with cluster(1, net_ticktime=0.2) as world:
            task = world.tasks(world.names[0]).async_(there.busy, 0.6)

            assert await task > 0

    async def test_what_it_does_not_take_holds_up_nobody(
        self, cluster: Cluster
    ) -> None:
        if sys.platform == "win32":
            pytest.skip("it has no such signals")
        async with cluster(2) as world:
            slow, other = world.names
            sink = await world.tasks(slow).start_child(there.count_bytes)
            pid = await world.signal(slow, signal.SIGSTOP)

            for _ in range(20):
                fastask.send(sink, bytes(1 << 20))
            for number in range(100):
                assert await world.tasks(other).async_(there.identity, number) == number

            import os

            os.kill(pid, signal.SIGCONT)
            fastask.send(sink, fastask.self_())
            assert await fastask.receive(int, timeout=20) == 20 << 20


class TestTwoCallers:
    async def test_each_gets_its_own(self, cluster: Cluster) -> None:
        async with cluster(3) as world:
            one, two, host = world.names

            sums = [
                world.tasks(name).async_(there.sum_over, host, 200)
                for name in (one, two)
            ]
            mine = [world.tasks(host).async_(there.identity, n) for n in range(200)]

            assert await fastask.await_many(sums) == [19900, 19900]
            assert await fastask.await_many(mine) == list(range(200))

    async def test_both_may_begin_at_once(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            one, two = world.names

            sums = [
                world.tasks(one).async_(there.sum_over, two, 50),
                world.tasks(two).async_(there.sum_over, one, 50),
            ]

            assert await fastask.await_many(sums) == [1225, 1225]


class TestRollingRestart:
    async def test_no_acknowledged_call_is_lost(self, cluster: Cluster) -> None:
        async with cluster(3) as world:
            fastask.monitor_nodes(True)
            book: dict[str, int] = {}  # here, where no node takes it along
            stop = False

            async def call() -> int:
                answered = 0
                while not stop:
                    for name in world.names:
                        try:
                            value = await Counter.add(
                                Address("counter", name),
                                1,
                            )
                        except fastask.CallError:
                            book[name] = 0
                            await fastask.sleep(0.005)
                        else:
                            # What was answered before is in the server still.
                            assert value == book.get(name, 0) + 1
                            book[name] = value
                            answered += 1
                return answered

            caller = fastask.async_(call)
            for name in world.names:
                await fastask.sleep(0.05)
                await world.kill(name)
                await world.is_up(name)
            await fastask.sleep(0.05)
            stop = True

            assert await caller > 100
            assert all(value > 0 for value in book.values())

    async def test_what_was_acknowledged_was_done_once(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        async with cluster(3) as world:
            fastask.monitor_nodes(True)
            ledger = tmp_path / "ledger"
            acknowledged: list[int] = []
            answers: Counted[str] = Counted()
            numbers = itertools.count()
            stop = False

            async def call(name: str) -> None:
                while not stop:
                    number = next(numbers)
                    task = world.tasks(name).async_nolink(
                        there.write_down, str(ledger), number
                    )
                    outcome = await task.yield_(10)
                    if isinstance(outcome, Ok):
                        acknowledged.append(outcome.value)
                        answers[name] += 1
                    else:
                        assert isinstance(outcome, Failed)
                        await fastask.sleep(0.002)

            callers = [fastask.async_(call, n) for n in world.names for _ in range(3)]

            async def more(name: str) -> None:
                before = answers[name]
                await until(lambda: answers[name] > before + 20)

            for number, name in enumerate(world.names):
                await more(name)
                await (world.stop if number == 1 else world.kill)(name)
                await world.is_up(name)
                await more(name)
            stop = True
            await fastask.await_many(callers)

            written = [int(line) for line in ledger.read_text().split()]
            assert len(written) == len(set(written))
            assert set(acknowledged) <= set(written)
            assert len(acknowledged) == len(set(acknowledged))


class TestNodes:
    async def test_who_asks_no_longer_is_not_told(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.monitor_nodes(True)
            fastask.monitor_nodes(False)
            ref = fastask.monitor(Address("counter", world.names[0]))

            await world.kill(world.names[0])
            await fastask.receive(ref)
            await fastask.sleep(0.05)

            assert fastask.receive_nowait(default=None) is None

    async def test_others_know_of_it_too(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            one, two = world.names
            task = world.tasks(one).async_(there.hear_of_nodes, 2)
            await world.tasks(one).async_(there.identity, 1)

            await world.kill(two)

            assert await task.await_(10) == [NodeDown(two), NodeUp(two)]
            assert sorted(await world.tasks(one).async_(there.others)) == sorted(
                [fastask.node(), two]
            )

    async def test_leaving_ends_what_points_to_others(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(there.forever)
            ref = fastask.monitor(Address("counter", world.names[0]))

        assert await task.yield_(0) == Failed(NOCONNECTION)
        assert (await fastask.receive(ref)).reason is NOCONNECTION
        assert fastask.node() == "nonode@nohost"
        assert fastask.nodes() == []
