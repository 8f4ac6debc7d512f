"""Monitors, links and exit signals between nodes."""

from __future__ import annotations

import asyncio

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Address,
    Down,
    Exited,
)
from tests.nodes import there
from tests.nodes.conftest import Cluster


class TestMonitor:
    async def test_tells_of_the_end_once_for_each(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)
            refs = [fastask.monitor(echo) for _ in range(2)]

            fastask.exit(echo, (SHUTDOWN, 1))

            assert [await fastask.receive() for _ in refs] == [
                Down(ref, echo, (SHUTDOWN, 1)) for ref in refs
            ]
            assert not echo.alive

    async def test_of_the_dead_says_noproc(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            echo = await tasks.start_child(there.echo)
            await tasks.terminate_child(echo)

            ref = fastask.monitor(echo)

            assert await fastask.receive(ref) == Down(ref, echo, NOPROC)

    async def test_demonitor_ends_it(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)
            kept, removed = fastask.monitor(echo), fastask.monitor(echo)

            assert fastask.demonitor(removed)
            fastask.exit(echo, KILL)

            assert await fastask.receive() == Down(kept, echo, KILLED)
            assert fastask.receive_nowait(default=None) is None

    async def test_of_an_address_tells_the_address(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            address = Address("counter", world.names[0])
            ref = fastask.monitor(address)

            fastask.exit(address, KILL)

            assert await fastask.receive(ref) == Down(ref, address, KILLED)

    async def test_of_an_address_that_nobody_has(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            nobody = Address("nobody", world.names[0])
            nowhere = Address("nobody", "no@where")

            one, two = fastask.monitor(nobody), fastask.monitor(nowhere)

            assert await fastask.receive(one) == Down(one, nobody, NOPROC)
            assert await fastask.receive(two) == Down(two, nowhere, NOCONNECTION)

    async def test_works_the_other_way_round(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            process = fastask.spawn(there.forever)
            task = world.tasks(world.names[0]).async_(there.watch, process)
            fastask.exit(process, (SHUTDOWN, "x"))

            assert await task in ((SHUTDOWN, "x"), NOPROC)

    async def test_works_between_two_others(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            one, two = world.names
            echo = await world.tasks(one).start_child(there.announce, fastask.self_())
            await fastask.receive(tuple)
            task = world.tasks(two).async_(there.watch, echo)
            assert await world.tasks(two).async_(there.identity, 1) == 1

            fastask.exit(echo, SHUTDOWN)

            assert await task in (SHUTDOWN, NOPROC)

    async def test_awaiting_a_process_tells_its_end(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            child = await tasks.start_child(there.reply_once)
            fastask.send(child, 1)

            assert await child == 1
            child = await tasks.start_child(there.announce, fastask.self_())
            await fastask.receive(tuple)
            fastask.exit(child, (SHUTDOWN, 2))
            with pytest.raises(fastask.Exit, match="2"):
                await child

    async def test_awaiting_one_that_is_monitored_gives_its_value(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            child = await world.tasks(world.names[0]).start_child(there.reply_any)
            ref = fastask.monitor(child)
            gathered = asyncio.gather(child)
            fastask.send(child, ["value"])

            (value,) = await gathered
            assert value == ["value"]
            assert await child == ["value"]
            assert (await fastask.receive(ref)).reason is NORMAL

    async def test_awaiting_one_whose_end_was_told_without_a_value_is_an_exit(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            child = await world.tasks(world.names[0]).start_child(there.reply_any)
            ref = fastask.monitor(child)
            fastask.send(child, 1)
            await fastask.receive(ref)

            with pytest.raises(fastask.Exit) as caught:
                await child
            assert caught.value.reason is NORMAL


class TestLink:
    async def test_passes_the_end_there_on_to_here(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.trap_exit(True)
            echo = await world.tasks(world.names[0]).start_child(there.echo)
            fastask.link(echo)

            fastask.exit(echo, (SHUTDOWN, "x"))

            assert await fastask.receive() == Exited(echo, (SHUTDOWN, "x"))

    async def test_passes_the_end_here_on_to_there(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(
                there.announce, fastask.self_()
            )
            await fastask.receive(tuple)

            async def linked() -> None:
                fastask.link(echo)
                await fastask.sleep(3600)

            process = fastask.spawn(linked)
            await fastask.sleep(0.01)
            fastask.exit(process, (SHUTDOWN, "x"))

            assert await fastask.receive(tuple) == ("unwound", (SHUTDOWN, "x"))

    async def test_a_normal_end_is_for_those_who_trap(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.trap_exit(True)
            child = await world.tasks(world.names[0]).start_child(there.reply_once)
            fastask.link(child)

            fastask.send(child, 1)

            assert await fastask.receive() == Exited(child, NORMAL)

    async def test_unlink_ends_it_on_both_sides(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.trap_exit(True)
            tasks = world.tasks(world.names[0])
            echo = await tasks.start_child(there.echo)
            fastask.link(echo)
            fastask.unlink(echo)

            fastask.exit(echo, KILL)
            ref = fastask.monitor(echo)

            assert type(await fastask.receive()) is Down
            assert ref is not None

    async def test_to_the_dead_is_an_exit(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.trap_exit(True)
            tasks = world.tasks(world.names[0])
            echo = await tasks.start_child(there.echo)
            await tasks.terminate_child(echo)

            fastask.link(echo)

            assert await fastask.receive() == Exited(echo, NOPROC)


class TestExit:
    async def test_is_trapped_with_its_sender(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            child = await world.tasks(world.names[0]).start_child(
                there.stubborn, fastask.self_()
            )
            await fastask.receive(fastask.Process)

            fastask.exit(child, "why")
            assert await fastask.receive() == Exited(fastask.self_(), "why")
            fastask.exit(child, KILL)

    async def test_works_on_an_alias_and_a_name(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.trap_exit(True)
            fastask.register("me")
            alias = fastask.alias()
            tasks = world.tasks(world.names[0])

            await tasks.async_(there.exit_all, [alias, Address("me", fastask.node())])

            for _ in range(2):
                exited = await fastask.receive(Exited)
                assert exited.reason == "enough"
                assert exited.process is not None
            fastask.unregister("me")

    @pytest.mark.usefixtures("crashes")
    async def test_an_odd_reason_is_told_of(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            import threading

            fastask.trap_exit(True)
            child = await world.tasks(world.names[0]).start_child(
                there.stubborn, fastask.self_()
            )
            await fastask.receive(fastask.Process)

            fastask.exit(child, threading.Lock())

            exited = await fastask.receive(Exited)
            assert "an exit reason that cannot be pickled" in exited.reason
            fastask.exit(child, KILL)
