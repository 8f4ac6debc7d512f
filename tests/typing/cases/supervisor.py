"""Supervisors, registries, the TaskRunner and periodic work."""

from __future__ import annotations

from typing import Any, assert_type

import fastask
from fastask import (
    ChildCount,
    ChildInfo,
    Cron,
    DynamicSupervisor,
    Every,
    Failed,
    Ok,
    PartitionSupervisor,
    Process,
    Registry,
    Stream,
    Supervisor,
    Task,
    TaskRunner,
    TaskSupervisor,
    Via,
)


async def double(x: int) -> int:
    return 2 * x


def plain(x: int) -> str:
    return str(x)


async def task_supervisor() -> None:
    async with TaskSupervisor(name="tasks", max_children=3) as tasks:
        assert_type(tasks, TaskSupervisor)
        assert_type(tasks.async_(double, 1), Task[int])
        assert_type(tasks.async_(plain, 1), Task[str])
        assert_type(
            tasks.async_nolink(double, 1, shutdown=fastask.BRUTAL_KILL), Task[int]
        )
        assert_type(tasks.async_stream([1], double), Stream[int])
        assert_type(tasks.async_stream_nolink([1], plain), Stream[str])
        assert_type(tasks.start_child(double, 1, restart="transient"), Process[int])
        assert_type(tasks.children(), list[Process[Any]])
    assert_type(TaskSupervisor.ref("tasks"), TaskSupervisor)
    assert_type(await TaskSupervisor.start_link(), TaskSupervisor)


async def supervisors(counter: type[fastask.GenServer]) -> None:
    children = [counter, (counter, 1), Every(1, double, 2), Cron("* * * * *", plain, 3)]
    async with Supervisor(children, strategy="rest_for_one") as supervisor:
        assert_type(await supervisor.start_child(counter), Process[Any] | None)
        assert_type(await supervisor.restart_child("id"), Process[Any] | None)
        assert_type(supervisor.which_children(), list[ChildInfo])
        assert_type(supervisor.count_children(), ChildCount)
        assert_type(supervisor.process, Process[None] | None)
        await supervisor.stop("enough", timeout=1.0)
    async with DynamicSupervisor(max_children=1) as dynamic:
        assert_type(await dynamic.start_child(counter), Process[Any] | None)
    async with PartitionSupervisor(counter, name="all", partitions=2) as partitions:
        assert_type(partitions.via("key"), Via)
        assert_type(await partitions.resize(1), int)
    fastask.run(Supervisor(children))


async def registry(process: Process[Any]) -> None:
    async with Registry(keys="duplicate", name="topics", listeners=["me"]) as topics:
        topics.register("news", 1)
        assert_type(topics.lookup("news"), list[tuple[Process[Any], Any]])
        assert_type(topics.update_value("news", plain), tuple[Any, Any])
        assert_type(topics.count(), int)
        topics.dispatch("news", lambda entries: entries.clear())


async def task_runner(supervisor: TaskSupervisor) -> None:
    runner = TaskRunner.run([(supervisor, double, 1), ("tasks", plain, 2)], timeout=0.4)
    match runner.handle_message(await fastask.receive()):
        case Ok(value):
            assert_type(value, Any)
        case Failed(reason):
            assert_type(reason, Any)
        case TaskRunner.TIMEOUT:
            runner.stop(kill=True)
        case None:
            assert_type(runner.done, bool)
    async for event in runner:
        match event:
            case Ok():
                assert_type(event.index, int)
                assert_type(event.task, Task[Any])
