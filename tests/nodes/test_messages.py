"""Messages to processes, names and refs of other nodes."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Literal

import pytest

import fastask
from fastask import Address, GenServer
from tests.nodes import there
from tests.nodes.conftest import Cluster

MEGABYTE = 1 << 20


class TestProcesses:
    async def test_one_that_travels_comes_home_as_itself(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            me = fastask.self_()

            assert await world.tasks(world.names[0]).async_(there.identity, me) is me

    async def test_a_dead_one_comes_home_as_itself(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            process = fastask.spawn(asyncio.sleep, 0)
            task = world.tasks(world.names[0]).async_(there.reply_any)
            assert task.process is not None
            fastask.send(task.process, [process])
            fastask.exit(process, fastask.KILL)

            assert (await task)[0] is process

    async def test_a_handle_is_one_however_it_came(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(
                there.announce, fastask.self_()
            )

            _, process = await fastask.receive(tuple)

            assert task.process is not None
            assert task.process is process
            assert process.alive
            assert process != fastask.self_()
            assert len({process, task.process}) == 1

    async def test_it_can_be_handed_to_a_third_node(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            one, two = world.names
            echo = await world.tasks(one).start_child(there.echo)

            await world.tasks(two).start_child(
                there.relay_to, echo, (fastask.self_(), "over two")
            )

            assert await fastask.receive() == "over two"

    async def test_two_handles_by_two_ways_are_equal(self, cluster: Cluster) -> None:
        async with cluster(2) as world:
            one, two = world.names
            echo = await world.tasks(one).start_child(there.echo)

            assert await world.tasks(two).async_(there.identity, echo) == echo

    async def test_the_dead_get_nothing(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_(there.identity, 1)
            assert task.process is not None
            await task

            fastask.send(task.process, "nobody")

            assert not task.process.alive

    async def test_one_of_another_node_has_no_info(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)

            with pytest.raises(ValueError, match="must be one of this node"):
                fastask.process_info(echo)
            with pytest.raises(ValueError, match="must be a process of this node"):
                fastask.register("echo", echo)

    async def test_it_cannot_be_pickled_elsewhere(self, cluster: Cluster) -> None:
        import pickle

        async with cluster(1):
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(fastask.self_())


class TestRefs:
    async def test_one_that_travels_comes_home_as_itself(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            ref = fastask.make_ref()

            assert await world.tasks(world.names[0]).async_(there.identity, ref) is ref

    async def test_an_alias_is_sent_to_from_afar(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            alias = fastask.alias("reply")

            task = world.tasks(world.names[0]).async_(there.reply_to_alias, alias)

            assert await fastask.receive(str) == "once"
            assert await task == "done"
            assert fastask.receive_nowait(str, default=None) is None

    @pytest.mark.parametrize("mode", ["explicit", "reply"])
    async def test_an_alias_that_its_owner_forgets_is_reached(
        self, cluster: Cluster, mode: Literal["explicit", "reply"]
    ) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)

            fastask.send(echo, (fastask.alias(mode), "heard"))

            assert await fastask.receive(timeout=5) == "heard"

    async def test_an_alias_is_kept_until_it_is_switched_off(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)
            once, alias = fastask.alias("reply"), fastask.alias()
            kept = [weakref.ref(once), weakref.ref(alias)]
            fastask.send(echo, (once, "once"))
            fastask.send(echo, (alias, "heard"))
            assert await fastask.receive(timeout=5) == "once"
            assert await fastask.receive(timeout=5) == "heard"

            fastask.unalias(alias)
            del once, alias

            gc.collect()
            assert [ref() for ref in kept] == [None, None]

    async def test_an_alias_is_kept_until_its_owner_ends(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)
            kept: list[weakref.ref[fastask.Ref]] = []

            async def owner() -> None:
                alias = fastask.alias()
                kept.append(weakref.ref(alias))
                fastask.send(echo, (alias, "heard"))
                await fastask.receive()

            await fastask.spawn(owner)

            gc.collect()
            assert kept[0]() is None

    async def test_a_ref_tags_the_answer(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)
            ref = fastask.make_ref()

            fastask.send(echo, (fastask.self_(), (ref, "answer")))

            assert await fastask.receive(ref) == (ref, "answer")


class TestNames:
    async def test_a_name_of_a_node_is_sent_to(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            counter = Address("counter", world.names[0])

            GenServer.cast(counter, 42)

            assert await GenServer.call(counter, "number") == 42

    async def test_this_node_is_an_address_too(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.register("me")

            await world.tasks(world.names[0]).async_(
                there.relay, fastask.node(), "me", "hello"
            )
            fastask.send(Address("me", fastask.node()), "myself")

            assert [await fastask.receive(str) for _ in range(2)] == ["hello", "myself"]
            assert fastask.whereis(Address("me", fastask.node())) is fastask.self_()
            fastask.unregister("me")

    async def test_nobody_gets_what_nobody_is_there_for(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            fastask.send(Address("nobody", world.names[0]), "lost")
            fastask.send(Address("nobody", "no@where"), "lost")

            assert fastask.whereis(Address("counter", world.names[0])) is None
            assert await world.tasks(world.names[0]).async_(there.identity, 1) == 1


class TestOrder:
    async def test_messages_arrive_as_they_were_sent(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            world.tasks(world.names[0]).async_(there.count_up, fastask.self_(), 10_000)

            numbers = [await fastask.receive(int) for _ in range(10_000)]

            assert numbers == list(range(10_000))

    async def test_a_sender_does_not_overtake_its_own_big_value(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            task = world.tasks(world.names[0]).async_nolink(
                there.big_then_end, fastask.self_(), 5 * MEGABYTE
            )

            first = await fastask.receive()
            assert type(first) is bytes
            assert await task is None

    async def test_a_big_value_holds_up_nobody_else(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            tasks = world.tasks(world.names[0])
            me = fastask.self_()
            first = await tasks.start_child(there.echo)
            second = await tasks.start_child(there.echo)

            async def send_small() -> None:
                fastask.send(second, (me, "small"))

            fastask.send(first, (me, bytes(30 * MEGABYTE)))
            fastask.spawn(send_small)

            assert await fastask.receive() == "small"
            assert len(await fastask.receive(bytes, timeout=20)) == 30 * MEGABYTE


class TestValues:
    @pytest.mark.parametrize("size", [70_000, 10 * MEGABYTE])
    async def test_a_long_one_arrives_whole(self, cluster: Cluster, size: int) -> None:
        async with cluster(1) as world:
            value = bytes(range(256)) * (size // 256)
            task = world.tasks(world.names[0]).async_(there.identity, value)

            assert await task.await_(20) == value

    async def test_a_buffer_travels_out_of_band_and_is_writable(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            value = there.Block(bytearray(b"a" * 200_000))
            task = world.tasks(world.names[0]).async_(there.identity, value)
            value.memory[0] = 0

            back = await task
            assert bytes(back.memory) == b"a" * 200_000
            back.memory[0] = 1

    async def test_what_cannot_be_pickled_raises_where_it_is_sent(
        self, cluster: Cluster
    ) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)

            with pytest.raises(
                TypeError, match=r"message must be picklable .* <unlocked"
            ):
                fastask.send(echo, (fastask.self_(), threading.Lock()))
            fastask.send(echo, (fastask.self_(), "next"))

            assert await fastask.receive() == "next"

    async def test_a_message_is_a_copy(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)
            value = [1]

            fastask.send(echo, (fastask.self_(), value))
            value.append(2)

            assert await fastask.receive() == [1]

    async def test_messages_of_the_runtime_travel(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            me, ref = fastask.self_(), fastask.make_ref()
            values = [
                fastask.Reply(ref, 1),
                fastask.Down(ref, me, fastask.NORMAL),
                fastask.Exited(me, fastask.KILLED),
                fastask.Timeout(ref, "x"),
                fastask.Ok(1),
                fastask.Failed("why"),
                Address("a", "b"),
            ]

            assert await world.tasks(world.names[0]).async_(there.identity, values) == (
                values
            )

    async def test_a_timer_sends_to_another_node(self, cluster: Cluster) -> None:
        async with cluster(1) as world:
            echo = await world.tasks(world.names[0]).start_child(there.echo)

            fastask.send_after(echo, (fastask.self_(), "later"), 0.01)

            assert await fastask.receive() == "later"
