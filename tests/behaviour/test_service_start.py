"""Who the caller of a `start_link` is: who calls it, whoever awaits what it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fastask import (
    ChildSpec,
    DynamicSupervisor,
    Process,
    Registry,
    StartError,
    Supervisor,
    TaskSupervisor,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    spawn,
    whereis,
)

Start = Callable[..., Coroutine[Any, Any, Any]]

STARTS: dict[str, tuple[Start, tuple[Any, ...]]] = {
    "supervisor": (Supervisor.start_link, ([],)),
    "dynamic_supervisor": (DynamicSupervisor.start_link, ()),
    "task_supervisor": (TaskSupervisor.start_link, ()),
    "registry": (Registry.start_link, ()),
}


@pytest.fixture(params=STARTS.values(), ids=list(STARTS))
def start(request: pytest.FixtureRequest) -> Start:
    """A start of a service, with its arguments."""
    function, args = request.param
    return lambda **options: function(*args, **options)


def links(process: Process[Any] | None = None) -> list[Process[Any]]:
    info = process_info(self_() if process is None else process)
    assert info is not None
    return list(info.links)


async def all_end() -> None:
    """Wait until there is no other process."""
    for process in processes():
        if process is not self_():
            await receive(monitor(process))


class TestAnotherTaskThatAwaits:
    async def test_gather_starts_several_linked_to_the_caller(
        self, start: Start
    ) -> None:
        services = await asyncio.gather(start(), start())

        assert links() == [service.process for service in services]
        for service in services:
            await service.stop()
        assert processes() == [self_()]

    async def test_a_limit_of_asyncio_starts_one(self, start: Start) -> None:
        service = await asyncio.wait_for(start(), 60)

        assert links() == [service.process]
        await service.stop()

    async def test_a_task_group_starts_one(self, start: Start) -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(start())
        service = task.result()

        assert links() == [service.process]
        await service.stop()

    async def test_what_is_started_ends_with_the_caller(self, start: Start) -> None:
        parent = self_()

        async def caller() -> None:
            service, _ = await asyncio.gather(start(), asyncio.sleep(0))
            send(parent, (service,))

        spawn(caller)
        (service,) = await receive(tuple)
        assert isinstance(service.process, Process)

        await all_end()
        assert not service.process.alive

    async def test_that_is_cancelled_before_its_turn_starts_nothing(
        self, start: Start
    ) -> None:
        task = asyncio.ensure_future(start(name="svc"))
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
        assert whereis("svc") is None
        assert processes() == [self_()]

    async def test_that_is_cancelled_meanwhile_ends_the_start(self) -> None:
        parent = self_()

        async def slow() -> None:
            send(parent, ("starting",))
            await receive(lambda message: False)

        slow_child = ChildSpec("slow", slow)
        task = asyncio.ensure_future(Supervisor.start_link([slow_child]))
        await receive(lambda message: message == ("starting",))
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
        await all_end()
        assert links() == []

    async def test_that_gathers_gets_the_error_of_one_that_fails(self) -> None:
        def fail() -> None:
            raise ValueError("no")

        starts = [
            Supervisor.start_link([]),
            Supervisor.start_link([ChildSpec("x", fail)]),
        ]
        good, bad = await asyncio.gather(*starts, return_exceptions=True)

        assert isinstance(bad, StartError)
        assert isinstance(bad.__cause__, ValueError)
        assert isinstance(good, Supervisor)
        assert links() == [good.process]
        await good.stop()


class TestCall:
    async def test_that_nobody_awaits_starts_nothing_and_warns(
        self, start: Start
    ) -> None:
        with pytest.warns(RuntimeWarning, match="never awaited"):
            start()  # type: ignore[unused-coroutine]  # what is tested

        assert processes() == [self_()]

    async def test_tells_of_wrong_arguments_at_once(self) -> None:
        with pytest.raises(TypeError, match="children must be"):
            Supervisor.start_link(1)  # type: ignore[unused-coroutine]  # it raises

    async def test_is_the_function_of_a_process(self) -> None:
        function, args = STARTS["registry"]

        registry = await spawn(function, *args)

        assert isinstance(registry, Registry)
        await all_end()  # it ends with its starter
