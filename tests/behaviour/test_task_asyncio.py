"""Tasks and processes among asyncio's own tools."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Failed,
    Ok,
    Process,
    Reply,
    Task,
    TaskTimeoutError,
    async_,
    async_nolink,
    await_,
    await_many,
    completed,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn_monitor,
    start,
    unlink,
    yield_,
    yield_many,
)

NOTHING: dict[str, object] = {
    "messages": [],
    "message_queue_len": 0,
    "links": [],
    "monitors": [],
}


def left_behind() -> dict[str, object]:
    """What the calling process still holds."""
    info = process_info(self_())
    assert info is not None
    return {
        "messages": list(info.messages),
        "message_queue_len": info.message_queue_len,
        "links": list(info.links),
        "monitors": list(info.monitors),
    }


def process_of(task: Task[Any]) -> Process:
    """The process of a task that has one."""
    assert task.process is not None
    return task.process


async def ended(process: Process) -> Any:
    """Wait for the end of a process and return its reason."""
    down = await receive(monitor(process))
    return down.reason


async def kill(process: Process) -> None:
    """End a process that a test leaves running on purpose."""
    unlink(process)
    fastask.exit(process, KILL)
    await ended(process)


async def receive_one() -> Any:
    """Return the first message."""
    return await receive()


async def identity(value: Any) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


async def by_expression(task: Task[Any]) -> Any:
    return await task


async def by_await(task: Task[Any]) -> Any:
    return await await_(task)


async def by_await_many(task: Task[Any]) -> Any:
    return (await await_many([task]))[0]


async def by_yield(task: Task[Any]) -> Any:
    result = await yield_(task)
    assert result is not None
    return result.unwrap()


async def by_yield_many(task: Task[Any]) -> Any:
    [(_, result)] = await yield_many([task])
    assert result is not None
    return result.unwrap()


WaitForTask = Callable[[Task[Any]], Awaitable[Any]]

each_wait = pytest.mark.parametrize(
    "wait", [by_expression, by_await, by_await_many, by_yield, by_yield_many]
)


class TestCancelledWait:
    @each_wait
    async def test_leaves_task_and_monitor_as_they_were(
        self, wait: WaitForTask
    ) -> None:
        task = async_(receive_one)
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await wait(task)

        assert not isinstance(caught.value, TaskTimeoutError)
        assert process_of(task).alive
        assert left_behind() == {
            **NOTHING,
            "links": [task.process],
            "monitors": [(task.ref, task.process)],
        }
        await kill(process_of(task))

    @each_wait
    async def test_may_be_begun_again(self, wait: WaitForTask) -> None:
        task = async_(receive_one)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await wait(task)
        send(process_of(task), "value")

        assert await wait(task) == "value"
        assert left_behind() == NOTHING

    async def test_by_cancel_of_the_owner_may_be_caught(self) -> None:
        task = async_(receive_one)
        me = asyncio.current_task()
        assert me is not None
        asyncio.get_running_loop().call_soon(me.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        me.uncancel()
        send(process_of(task), "value")

        assert await task == "value"
        assert left_behind() == NOTHING


class TestGather:
    async def test_gives_the_results_in_order(self) -> None:
        tasks: list[Any] = [async_(identity, 1), async_(identity, 2)]

        assert await asyncio.gather(*tasks) == [1, 2]

    async def test_mixes_tasks_with_coroutines(self) -> None:
        task: Any = async_(identity, 1)

        first, second = await asyncio.gather(task, identity(2))
        assert (first, second) == (1, 2)

    async def test_leaves_the_mailbox_of_the_owner_alone(self) -> None:
        task: Any = async_(identity, 1)
        await asyncio.gather(task)
        await ended(process_of(task))

        assert left_behind()["messages"] == [
            Reply(task.ref, 1),
            Down(task.ref, process_of(task), NORMAL),
        ]

    async def test_may_be_followed_by_await(self) -> None:
        task: Any = async_(identity, 1)
        await asyncio.gather(task)

        assert await task == 1
        assert left_behind() == NOTHING

    async def test_may_follow_an_await(self) -> None:
        task: Any = async_(identity, 1)
        await task

        [value] = await asyncio.gather(task)
        assert value == 1
        assert left_behind() == NOTHING

    async def test_gives_the_value_of_a_completed_task(self) -> None:
        task: Any = completed("value")

        [value] = await asyncio.gather(task)
        assert value == "value"

    async def test_raises_the_exception_of_the_task(self) -> None:
        error = ValueError("boom")
        task: Any = async_nolink(fail, error)

        with pytest.raises(ValueError, match="boom") as caught:
            await asyncio.gather(task)
        assert caught.value is error

    async def test_raises_exit_for_a_reason_that_is_no_exception(self) -> None:
        task: Any = async_nolink(fail, Exit("unknown"))

        with pytest.raises(Exit) as caught:
            await asyncio.gather(task)
        assert caught.value.reason == "unknown"

    async def test_returns_exceptions_when_asked(self) -> None:
        error = ValueError("boom")
        tasks: list[Any] = [async_nolink(fail, error), async_nolink(identity, 1)]

        assert await asyncio.gather(*tasks, return_exceptions=True) == [error, 1]

    async def test_works_in_a_process_that_is_not_the_owner(self) -> None:
        async def stranger(owner: Process, task: Any) -> None:
            send(owner, ("seen", await asyncio.gather(task)))

        task = async_(identity, 1)
        _, ref = spawn_monitor(stranger, self_(), task)
        seen = await receive(lambda message: message == ("seen", [1]))
        await receive(ref)

        assert seen == ("seen", [1])
        assert await task == 1
        assert left_behind() == NOTHING

    async def test_cancels_the_task_when_it_is_cancelled(self) -> None:
        task: Any = async_nolink(receive_one)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.gather(task)

        assert await yield_(task) == Failed(SHUTDOWN)
        assert not process_of(task).alive
        assert left_behind() == NOTHING


class TestWait:
    async def test_gives_the_tasks_that_are_done(self) -> None:
        idle: Any = async_(receive_one)
        done: Any = async_(identity, 1)

        finished, pending = await asyncio.wait(
            [idle, done], return_when=asyncio.FIRST_COMPLETED
        )
        await kill(process_of(idle))
        assert (finished, pending) == ({done}, {idle})
        assert finished.pop().result() == 1

    async def test_out_of_time_does_not_cancel(self) -> None:
        task: Any = async_(receive_one)
        finished, pending = await asyncio.wait([task], timeout=0.01)
        send(process_of(task), "value")

        assert (finished, pending) == (set(), {task})
        assert await task == "value"
        assert left_behind() == NOTHING


class TestShield:
    async def test_gives_the_result(self) -> None:
        task: Any = async_(identity, 1)

        assert await asyncio.shield(task) == 1

    async def test_keeps_a_cancellation_from_the_task(self) -> None:
        task: Any = async_(receive_one)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.shield(task)
        send(process_of(task), "value")

        assert await task == "value"
        assert left_behind() == NOTHING


class TestTaskGroup:
    async def test_a_coroutine_of_the_group_may_await_the_task(self) -> None:
        task = async_(identity, 1)
        async with asyncio.TaskGroup() as group:
            waiter = group.create_task(by_expression(task))

        assert waiter.result() == 1
        assert await task == 1
        assert left_behind() == NOTHING

    async def test_two_coroutines_may_await_the_same_task(self) -> None:
        task = async_(receive_one)
        async with asyncio.TaskGroup() as group:
            waiters = [group.create_task(by_expression(task)) for _ in range(2)]
            send(process_of(task), "value")

        assert [waiter.result() for waiter in waiters] == ["value", "value"]

    async def test_a_failure_of_the_task_fails_the_group(self) -> None:
        error = ValueError("boom")
        task = async_nolink(fail, error)

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(by_expression(task))
        assert caught.value.exceptions == (error,)


class TestTimeout:
    async def test_in_time_gives_the_result(self) -> None:
        async with asyncio.timeout(5.0):
            assert await async_(identity, 1) == 1

        assert left_behind() == NOTHING


class TestFuture:
    async def test_a_task_and_its_process_pass_for_futures(self) -> None:
        task = async_(identity, 1)
        passes = asyncio.isfuture(task), asyncio.isfuture(task.process)

        await task
        assert passes == (True, True)

    async def test_cancel_of_the_process_ends_it_with_shutdown(self) -> None:
        task = async_nolink(receive_one)
        process_of(task).cancel()

        assert await yield_(task) == Failed(SHUTDOWN)
        assert left_behind() == NOTHING

    async def test_cancel_of_the_process_may_be_caught_in_it(self) -> None:
        async def work(owner: Process) -> str:
            send(owner, "ready")
            try:
                await receive()
            except asyncio.CancelledError:
                return "caught"
            return "missed"

        task = async_nolink(work, self_())
        await receive(str)
        process_of(task).cancel()

        assert await yield_(task) == Ok("caught")
        assert left_behind() == NOTHING


class TestAwaitedProcess:
    async def test_gives_the_result_of_the_function(self) -> None:
        assert await start(identity, "value") == "value"
        assert left_behind() == NOTHING

    async def test_raises_the_exception_of_the_function(self) -> None:
        error = ValueError("boom")

        with pytest.raises(ValueError, match="boom") as caught:
            await start(fail, error)
        assert caught.value is error

    @pytest.mark.parametrize("reason", ["unknown", (SHUTDOWN, 1)])
    async def test_raises_exit_for_another_reason(self, reason: object) -> None:
        with pytest.raises(Exit) as caught:
            await start(fail, Exit(reason))
        assert caught.value.reason == reason

    async def test_raises_cancelled_error_after_cancel(self) -> None:
        process = start(receive_one)
        process.cancel()

        with pytest.raises(asyncio.CancelledError):
            await process
        assert not process.alive

    async def test_is_observed_so_that_its_crash_is_not_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(ValueError, match="boom"):
            await start(fail, ValueError("boom"))

        assert [r for r in caplog.records if r.name.startswith("fastask")] == []

    async def test_passes_through_gather(self) -> None:
        processes: list[Any] = [start(identity, 1), start(identity, 2)]

        assert await asyncio.gather(*processes) == [1, 2]

    async def test_is_cancelled_with_a_plain_await(self) -> None:
        process = start(receive_one)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await process
        await ended(process)

        assert not process.alive

    async def test_is_kept_by_shield(self) -> None:
        process: Any = start(receive_one)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.shield(process)
        alive = process.alive
        send(process, "value")

        assert alive
        assert await process == "value"
