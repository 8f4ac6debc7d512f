"""The verbs that collect what tasks owe."""

from __future__ import annotations

import asyncio
from typing import Any, Never, assert_never, assert_type

import fastask
from fastask import BRUTAL_KILL, Failed, Ok, Process, Ref, Reply, Task


async def verbs(task: Task[int], tasks: list[Task[int]], message: object) -> None:
    assert_type(await task, int)
    assert_type(await fastask.await_(task), int)
    assert_type(await fastask.await_(task, timeout=None), int)
    assert_type(await fastask.await_many(tasks), list[int])
    assert_type(await fastask.await_many({task}, timeout=1), list[int])
    assert_type(await fastask.yield_(task, 0), Ok[int] | Failed | None)
    assert_type(
        await fastask.yield_many(tasks, limit=1, on_timeout="kill_task"),
        list[tuple[Task[int], Ok[int] | Failed | None]],
    )
    assert_type(await fastask.shutdown(task), Ok[int] | Failed | None)
    assert_type(await fastask.shutdown(task, BRUTAL_KILL), Ok[int] | Failed | None)
    assert_type(fastask.ignore(task), Ok[int] | Failed | None)
    assert_type(fastask.find(tasks, message), tuple[int, Task[int]] | None)


async def methods(task: Task[int]) -> None:
    assert_type(await task.await_(), int)
    assert_type(await task.yield_(timeout=0), Ok[int] | Failed | None)
    assert_type(await task.shutdown(timeout=BRUTAL_KILL), Ok[int] | Failed | None)
    assert_type(task.ignore(), Ok[int] | Failed | None)
    assert_type(task.ref, Ref)
    assert_type(task.owner, Process[Any])
    assert_type(task.process, Process[int] | None)
    assert_type(task.result(), int)
    assert_type(task.exception(), BaseException | None)
    assert_type(task.done(), bool)
    assert_type(task.cancelled(), bool)
    assert_type(task.cancel("why"), bool)


async def asyncio_takes_them(task: Task[int], process: Process[str]) -> None:
    assert_type(await asyncio.gather(task, process), tuple[int, str])
    assert_type(await asyncio.shield(task), int)
    assert_type(await asyncio.wait_for(process, 1.0), str)
    assert_type(await asyncio.wait_for(fastask.await_(task), 1.0), int)
    assert_type(await asyncio.create_task(fastask.receive(int)), int)


def take(task: Task[int], process: Process[object], outcome: Ok[float]) -> None: ...


def covariant(task: Task[bool], process: Process[bool], unsaid: Task) -> None:
    take(task, process, Ok(True))
    assert_type(unsaid, Task[Any])


def outcomes(outcome: Ok[int] | Failed | None) -> str:
    match outcome:
        case Ok(value):
            assert_type(value, int)
            return str(value)
        case Failed(reason=ValueError() as error):
            assert_type(error, ValueError)
            return "bad value"
        case Failed(reason):
            assert_type(reason, Any)
            return "failed"
        case None:
            return "nothing"
        case _:
            assert_never(outcome)


def unwrap(one: Ok[int] | Failed, ok: Ok[str], failed: Failed) -> None:
    assert_type(one.unwrap(), int)
    assert_type(ok.unwrap(), str)
    assert_type(ok.value, str)
    assert_type(Ok(1), Ok[int])
    assert_type(failed.reason, Any)
    assert_type(failed.unwrap(), Never)


async def messages(task: Task[int]) -> None:
    match await fastask.receive(task.ref):
        case Reply(ref, value):
            assert_type(ref, Ref)
            assert_type(value, Any)
        case fastask.Down(_, _, reason):
            assert_type(reason, Any)
