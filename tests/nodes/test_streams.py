"""Streams over the nodes of a cluster."""

from __future__ import annotations

import pytest

import fastask
from fastask import NOCONNECTION, TIMEOUT, Failed, Ok
from tests.nodes import there
from tests.nodes.conftest import Cluster


class TestStreams:
    @pytest.mark.parametrize("ordered", [True, False])
    async def test_deliver_what_the_items_become(
        self, cluster: Cluster, ordered: bool
    ) -> None:
        async with cluster(1) as world:
            stream = world.tasks(world.names[0]).async_stream(
                range(50), there.where, max_concurrency=8, ordered=ordered
            )

            outcomes = [outcome.unwrap() async for outcome in stream]

            if not ordered:
                outcomes.sort()
            assert outcomes == [(n, world.names[0]) for n in range(50)]

    async def test_a_crash_is_an_element_without_links(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            stream = world.tasks(world.names[0]).async_stream_nolink(
                ["a"], there.end_with
            )

            assert [outcome async for outcome in stream] == [Failed("a")]

    @pytest.mark.usefixtures("crashes")
    async def test_a_crash_ends_the_consumer_with_links(self, cluster: Cluster) -> None:
        async with cluster(1) as world:

            async def consume() -> None:
                async for _ in world.tasks(world.names[0]).async_stream(
                    ["a"], there.end_with
                ):
                    pass

            _, ref = fastask.spawn_monitor(consume)

            assert (await fastask.receive(ref)).reason == "a"

    async def test_a_late_item_is_killed_in_time(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            stream = tasks.async_stream(
                [fastask.self_()], there.announce, timeout=0.05, on_timeout="kill_task"
            )

            assert [outcome async for outcome in stream] == [Failed(TIMEOUT)]
            assert await fastask.receive(tuple) is not None
            assert await tasks.children() == []

    async def test_leaving_early_kills_what_is_in_flight(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])

            async with tasks.async_stream(
                [0, 1, 2, 3], there.sleep_if, max_concurrency=4
            ) as stream:
                async for outcome in stream:
                    assert outcome == Ok(0)
                    break

            assert await tasks.children() == []

    async def test_a_consumer_that_ends_takes_them_along(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            me = fastask.self_()

            async def consume() -> None:
                async for _ in tasks.async_stream([me], there.announce):
                    pass

            consumer = fastask.spawn(consume)
            ref = fastask.monitor((await fastask.receive(tuple))[1])

            fastask.exit(consumer, (fastask.SHUTDOWN, "x"))

            assert (await fastask.receive(ref)).reason == (fastask.SHUTDOWN, "x")
            assert await tasks.children() == []

    async def test_one_that_traps_is_killed_with_its_consumer(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            me = fastask.self_()

            async def consume() -> None:
                async for _ in tasks.async_stream_nolink([me], there.stubborn):
                    pass

            consumer = fastask.spawn(consume)
            ref = fastask.monitor(await fastask.receive(fastask.Process))

            fastask.exit(consumer, fastask.SHUTDOWN)

            await fastask.receive(ref)
            assert await tasks.children() == []

    @pytest.mark.usefixtures("crashes")
    async def test_a_lost_node_fails_what_is_in_flight(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            (name,) = world.names
            stream = world.tasks(name).async_stream_nolink(
                [fastask.self_()], there.announce, timeout=None
            )

            async def collect() -> list[object]:
                return [outcome async for outcome in stream]

            task = fastask.async_(collect)
            await fastask.receive(tuple)
            await world.kill(name)

            assert await task == [Failed(NOCONNECTION)]

    async def test_an_unknown_node_fails_every_item(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            stream = world.tasks("no@where").async_stream_nolink([1, 2], there.identity)

            assert [outcome async for outcome in stream] == [Failed(NOCONNECTION)] * 2
