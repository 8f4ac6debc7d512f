"""Nodes: a task of another node has the type of one of this."""

from __future__ import annotations

from typing import Any, assert_type

import fastask
from fastask import (
    Failed,
    Node,
    NodeDown,
    NodeUp,
    Ok,
    Process,
    RemoteTaskSupervisor,
    Task,
    TaskSupervisor,
    connect,
    monitor_nodes,
)


async def double(x: int) -> int:
    return 2 * x


async def connected() -> None:
    assert_type(await connect("local", workers=2), Node)
    async with connect(engine="local", name="a@b", app="module:function") as node:
        assert_type(node, Node)
        await node.stop()
    monitor_nodes(True)


async def heard(message: NodeUp | NodeDown) -> str:
    match message:
        case NodeUp(name):
            return assert_type(name, str)
        case NodeDown(name):
            return assert_type(name, str)


async def remote() -> None:
    assert_type(TaskSupervisor.ref("tasks"), TaskSupervisor)
    tasks = TaskSupervisor.ref("tasks", fastask.node())
    assert_type(tasks, RemoteTaskSupervisor)
    task = tasks.async_(double, 1)
    assert_type(task, Task[int])
    assert_type(await task, int)
    assert_type(await task.yield_(), Ok[int] | Failed | None)
    async for outcome in tasks.async_stream([1], double):
        assert_type(outcome, Ok[int] | Failed)
    child = await tasks.start_child(double, 1)
    assert_type(child, Process[Any])
    assert_type(await tasks.children(), list[Process[Any]])
