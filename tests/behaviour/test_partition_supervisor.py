"""`PartitionSupervisor`: many copies of one child, each found by a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Agent,
    CallError,
    ChildCount,
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    NoProcessError,
    PartitionSupervisor,
    Registry,
    TaskSupervisor,
    UnknownNameError,
    call,
    monitor,
    receive,
    self_,
    send,
    whereis,
)


class Server(GenServer):
    def init(self, *args: Any) -> None:
        self.args = args

    @call
    def told(self) -> tuple[Any, ...]:
        return self.args


async def same(x: int) -> int:
    return x


class TestVia:
    async def test_of_an_integer_is_its_remainder(self) -> None:
        def numbered(args: tuple[Any, ...], partition: int) -> list[Any]:
            return [*args, partition]

        supervisor = PartitionSupervisor(
            (Server, "x"), name="servers", partitions=3, with_arguments=numbered
        )
        async with supervisor:
            told = [await Server.told(supervisor.via(key)) for key in (0, 1, 2, 3, -1)]

        assert told == [("x", 0), ("x", 1), ("x", 2), ("x", 0), ("x", 1)]

    async def test_of_equal_keys_is_the_same_partition(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=4) as servers:
            for key in ("a", ("b", 1), None, self_(), 2.5):
                assert whereis(servers.via(key)) is whereis(servers.via(key))
            found = {whereis(servers.via(str(number))) for number in range(100)}

            assert len(found) == 4

    async def test_is_found_by_name(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=2) as servers:
            ref = PartitionSupervisor.ref("servers")

            assert whereis(ref.via("key")) is whereis(servers.via("key"))
            assert ref.partitions() == 2

    async def test_finds_the_new_process_after_a_crash(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=2) as servers:
            via = servers.via("key")
            old = whereis(via)
            assert old is not None
            ref = monitor(old)
            fastask.exit(old, KILL)
            await receive(ref)
            while whereis(via) in (None, old):
                await fastask.sleep(0)

            assert await Server.told(via) == ()

    async def test_of_a_supervisor_that_is_gone_is_nobody(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=1) as servers:
            via = servers.via("key")

        assert whereis(via) is None
        with pytest.raises(CallError) as caught:
            await Server.told(via)
        assert caught.value.reason == fastask.NOPROC
        with pytest.raises(UnknownNameError):
            send(PartitionSupervisor.ref("servers").via("key"), "hello")

    async def test_is_no_name_to_start_with(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=1) as servers:
            with pytest.raises(fastask.AlreadyStartedError):
                await Server.start(name=servers.via("key"))
            await servers.resize(0)
            with pytest.raises(ValueError, match="must have partitions, and has none"):
                await Server.start(name=servers.via("key"))

    def test_needs_a_key_that_can_be_hashed(self) -> None:
        servers = PartitionSupervisor(Server, name="servers")

        with pytest.raises(TypeError, match="unhashable"):
            servers.via([])  # type: ignore[arg-type]  # on purpose


class TestPartitions:
    async def test_are_as_many_as_cpus_by_default(self) -> None:
        async with PartitionSupervisor(Server, name="servers") as servers:
            if sys.platform == "linux":
                cpus = len(os.sched_getaffinity(0))
            else:
                cpus = os.cpu_count() or 1

            assert servers.partitions() == cpus

    async def test_may_be_supervisors_of_agents(self) -> None:
        pool = PartitionSupervisor(DynamicSupervisor(), name="pool", partitions=3)
        async with pool:
            for number in range(100):
                spec = Agent.child_spec(value_of(number), name=("agent", number))
                await DynamicSupervisor.ref(pool.via(number)).start_child(spec)
            found = [
                await Agent.get(("agent", n), lambda value: value) for n in range(100)
            ]

            assert found == list(range(100))
            assert pool.count_children() == ChildCount(3, 3, 3, 0)

    async def test_may_be_task_supervisors(self) -> None:
        pool = PartitionSupervisor(TaskSupervisor, name="pool", partitions=2)
        async with pool:
            tasks = [TaskSupervisor.ref(pool.via(n)).async_(same, n) for n in range(10)]

            assert await fastask.await_many(tasks) == list(range(10))

    async def test_are_named_by_a_via(self) -> None:
        async with Registry(name="registry") as registry:
            name = registry.via("servers")
            async with PartitionSupervisor(Server, name=name, partitions=1):
                ref = PartitionSupervisor.ref(registry.via("servers"))

                assert await Server.told(ref.via("key")) == ()

    async def test_are_counted_and_listed(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=2) as servers:
            assert servers.count_children() == ChildCount(2, 2, 0, 2)
            assert [info.id for info in servers.which_children()] == [1, 0]

    async def test_of_one_that_is_gone_raise(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=1) as servers:
            pass

        with pytest.raises(NoProcessError):
            servers.partitions()
        with pytest.raises(UnknownNameError):
            PartitionSupervisor.ref("servers").count_children()


def value_of(number: int) -> Callable[[], int]:
    return lambda: number


class TestResize:
    async def test_stops_and_starts_the_last_ones(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=4) as servers:
            assert await servers.resize(1) == 4
            assert servers.count_children() == ChildCount(4, 1, 0, 4)
            assert len({whereis(servers.via(n)) for n in range(10)}) == 1
            assert await servers.resize(4) == 1

            assert servers.count_children() == ChildCount(4, 4, 0, 4)
            assert len({whereis(servers.via(n)) for n in range(10)}) == 4

    async def test_to_none_makes_looking_up_an_error(self) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=1) as servers:
            await servers.resize(0)

            with pytest.raises(ValueError, match="must have partitions, and has none"):
                send(servers.via("key"), "hello")
            assert await servers.resize(1) == 0

    @pytest.mark.parametrize(
        ("number", "error"), [(3, ValueError), (-1, ValueError), ("1", TypeError)]
    )
    async def test_refuses_more_than_there_were(
        self, number: Any, error: type[Exception]
    ) -> None:
        async with PartitionSupervisor(Server, name="servers", partitions=2) as servers:
            with pytest.raises(error, match="partitions must be"):
                await servers.resize(number)


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"name": None}, ValueError, "name must be given"),
            ({"partitions": 0}, ValueError, "partitions must be an integer >= 1"),
            ({"partitions": 1.5}, TypeError, "partitions must be an integer >= 1"),
            ({"with_arguments": 1}, TypeError, "with_arguments must be a function"),
            (
                {"with_arguments": lambda args, n: 1},
                TypeError,
                "with_arguments must return a tuple or a list",
            ),
            ({"strategy": "all"}, ValueError, "strategy must be one of"),
            ({"max_restarts": -1}, ValueError, "max_restarts must be"),
        ],
    )
    def test_is_one_clear_error(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            PartitionSupervisor(
                Server, **{"name": "servers", "partitions": 2, **options}
            )

    def test_of_a_child_is_one_clear_error(self) -> None:
        with pytest.raises(TypeError, match="a child must be"):
            PartitionSupervisor(42, name="servers")
        with pytest.raises(TypeError, match="child_spec"):
            PartitionSupervisor(name="servers")  # type: ignore[call-arg]  # on purpose

    def test_takes_a_specification(self) -> None:
        spec = ChildSpec("id", Server.start_link, ("x",))
        servers = PartitionSupervisor(spec, name="servers", partitions=2)

        assert [(s.id, s.args) for s in servers.specs] == [(0, ("x",)), (1, ("x",))]
