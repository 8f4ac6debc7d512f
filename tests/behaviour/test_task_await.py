"""`await task` and `await_`: one result, within one time."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Exit,
    Exited,
    Ok,
    Process,
    Ref,
    Reply,
    Task,
    TaskTimeoutError,
    async_,
    async_nolink,
    await_,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn_monitor,
    trap_exit,
    unlink,
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


async def add(left: int, right: int) -> int:
    return left + right


async def fail(error: BaseException) -> None:
    raise error


async def by_expression(task: Task[Any]) -> Any:
    return await task


async def by_function(task: Task[Any]) -> Any:
    return await await_(task)


async def by_method(task: Task[Any]) -> Any:
    return await task.await_()


AwaitTask = Callable[[Task[Any]], Awaitable[Any]]

each_way = pytest.mark.parametrize("awaited", [by_expression, by_function, by_method])


class TestSuccess:
    @each_way
    async def test_returns_the_result_and_leaves_nothing(
        self, awaited: AwaitTask
    ) -> None:
        """TASK 107."""
        task = async_(add, 1, 1)

        assert await awaited(task) == 2
        assert left_behind() == NOTHING

    @each_way
    async def test_returns_a_reply_that_is_already_there(
        self, awaited: AwaitTask
    ) -> None:
        task = async_(add, 1, 1)
        await ended(process_of(task))

        assert await awaited(task) == 2
        assert left_behind() == NOTHING

    async def test_none_is_a_result_like_any_other(self) -> None:
        async def nothing() -> None:
            return None

        task: Any = async_(nothing)

        assert await task is None
        assert left_behind() == NOTHING

    async def test_an_exception_that_is_returned_is_a_result(self) -> None:
        error = ValueError("a value")

        async def give() -> ValueError:
            return error

        assert await async_(give) is error

    async def test_no_time_is_enough_for_a_queued_reply(self) -> None:
        """TASK 121."""
        task = async_(add, 1, 1)
        await ended(process_of(task))

        assert await task.await_(0) == 2
        assert left_behind() == NOTHING

    async def test_none_as_the_time_waits_without_a_limit(self) -> None:
        task = async_(add, 1, 1)

        assert await task.await_(None) == 2

    async def test_messages_before_and_after_stay_in_order(self) -> None:
        """TASK 122."""

        async def work(owner: Process) -> str:
            send(owner, "third")
            return "result"

        stranger = Reply(fastask.make_ref(), "second")
        send(self_(), "first")
        task = async_(work, self_())
        send(self_(), stranger)

        assert await task == "result"
        assert left_behind() == {
            **NOTHING,
            "messages": ["first", stranger, "third"],
            "message_queue_len": 3,
        }

    async def test_a_trapping_owner_keeps_the_normal_exit(self) -> None:
        trap_exit(True)
        task = async_(add, 1, 1)
        await ended(process_of(task))
        await task

        assert left_behind() == {
            **NOTHING,
            "messages": [Exited(process_of(task), NORMAL)],
            "message_queue_len": 1,
        }


class TestFailure:
    @each_way
    async def test_raises_the_exception_of_the_task(self, awaited: AwaitTask) -> None:
        error = ValueError("boom")
        task = async_nolink(fail, error)

        with pytest.raises(ValueError, match="boom") as caught:
            await awaited(task)
        assert caught.value is error
        assert left_behind() == NOTHING

    async def test_the_traceback_leads_into_the_task(self) -> None:
        task = async_nolink(fail, ValueError("boom"))

        with pytest.raises(ValueError, match="boom") as caught:
            await task
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert "fail" in [frame.name for frame in frames]

    async def test_a_normal_end_without_a_result_is_a_failure(self) -> None:
        """TASK 112."""
        task = async_(fail, Exit(NORMAL))

        with pytest.raises(Exit) as caught:
            await task.await_()
        assert caught.value.reason == NORMAL
        assert left_behind() == NOTHING

    @pytest.mark.parametrize("reason", ["unknown", SHUTDOWN, (SHUTDOWN, 1), 17])
    async def test_a_reason_that_is_no_exception_is_raised_as_exit(
        self, reason: object
    ) -> None:
        task = async_nolink(fail, Exit(reason))

        with pytest.raises(Exit) as caught:
            await task
        assert caught.value.reason == reason
        assert left_behind() == NOTHING

    @pytest.mark.usefixtures("crashes")
    async def test_a_reason_that_is_an_exception_is_raised_itself(self) -> None:
        error = ValueError("the reason")

        for awaited in (
            async_nolink(fail, Exit(error)),
            fastask.spawn(fail, Exit(error)),
            asyncio.gather(async_nolink(fail, Exit(error))),
        ):
            with pytest.raises(ValueError, match="the reason") as caught:
                await awaited
            assert caught.value is error

    async def test_a_killed_task_raises_killed(self) -> None:
        task = async_nolink(receive_one)
        fastask.exit(process_of(task), KILL)

        with pytest.raises(Exit) as caught:
            await task
        assert caught.value.reason == KILLED
        assert left_behind() == NOTHING

    async def test_a_trapping_owner_gets_the_reason_of_a_linked_task(self) -> None:
        """TASK 113."""
        trap_exit(True)
        task = async_(fail, Exit("unknown"))

        with pytest.raises(Exit) as caught:
            await task
        assert caught.value.reason == "unknown"
        assert await receive() == Exited(process_of(task), "unknown")
        assert left_behind() == NOTHING

    async def test_a_trapping_owner_gets_the_exception_of_a_linked_task(self) -> None:
        """TASK 114."""
        error = ValueError("boom")
        trap_exit(True)
        task = async_(fail, error)

        with pytest.raises(ValueError, match="boom") as caught:
            await task
        assert caught.value is error
        assert await receive() == Exited(process_of(task), error)
        assert left_behind() == NOTHING

    async def test_except_around_await_does_not_see_a_linked_crash(self) -> None:
        """TASK 117."""
        error = ValueError("boom")

        async def owner(parent: Process) -> None:
            try:
                await async_(fail, error)
            except Exception as seen:
                send(parent, seen)

        _, ref = spawn_monitor(owner, self_())

        assert (await receive(ref)).reason is error
        assert left_behind() == NOTHING

    async def test_swallowing_everything_does_not_save_the_owner(self) -> None:
        """TASK 117."""
        error = ValueError("boom")

        async def owner() -> str:
            with contextlib.suppress(BaseException):
                await async_(fail, error)
            return "saved"

        _, ref = spawn_monitor(owner)

        assert (await receive(ref)).reason is error


class TestTimeout:
    async def test_raises_in_time(self) -> None:
        task = async_(receive_one)
        began = time.monotonic()

        with pytest.raises(TaskTimeoutError):
            await task.await_(0.05)
        took = time.monotonic() - began
        await kill(process_of(task))
        assert 0.05 <= took < 1.0

    async def test_no_time_raises_at_once_without_a_queued_reply(self) -> None:
        task = async_(receive_one)

        with pytest.raises(TaskTimeoutError):
            await task.await_(0)
        await kill(process_of(task))
        assert left_behind() == NOTHING

    async def test_the_error_names_the_task_and_the_time(self) -> None:
        task = async_(receive_one)

        with pytest.raises(TimeoutError) as caught:
            await task.await_(0.01)
        await kill(process_of(task))
        assert isinstance(caught.value, TaskTimeoutError)
        assert isinstance(caught.value, fastask.FastaskError)
        assert caught.value.task is task
        assert caught.value.tasks == (task,)
        assert caught.value.timeout == 0.01

    async def test_messages_in_between_do_not_restart_the_clock(self) -> None:
        async def chatter(owner: Process) -> None:
            while True:
                send(owner, "noise")
                await asyncio.sleep(0.01)

        task = async_nolink(chatter, self_())
        began = time.monotonic()

        with pytest.raises(TaskTimeoutError):
            await task.await_(0.05)
        took = time.monotonic() - began
        await kill(process_of(task))
        assert 0.05 <= took < 1.0

    async def test_the_late_reply_and_the_down_are_dropped(self) -> None:
        """TASK 109."""
        task = async_(receive_one)
        with pytest.raises(TaskTimeoutError):
            await task.await_(0.01)
        send(process_of(task), "late")
        await ended(process_of(task))

        assert left_behind() == NOTHING

    async def test_a_late_failure_is_dropped(self) -> None:
        """TASK 109."""

        async def fail_when_told() -> None:
            raise await receive()

        task = async_nolink(fail_when_told)
        with pytest.raises(TaskTimeoutError):
            await task.await_(0.01)
        send(process_of(task), ValueError("late"))
        await ended(process_of(task))

        assert left_behind() == NOTHING

    async def test_an_unlinked_task_runs_on_and_finishes(self) -> None:
        """TASK 111."""

        async def work(owner: Process) -> None:
            send(owner, await receive())

        task = async_nolink(work, self_())
        with pytest.raises(TaskTimeoutError):
            await task.await_(0.01)
        down = monitor(process_of(task))
        send(process_of(task), "finished")

        assert await receive(str) == "finished"
        assert (await receive(down)).reason == NORMAL

    async def test_a_timeout_that_nobody_catches_ends_owner_and_task(self) -> None:
        async def owner(parent: Process) -> None:
            task = async_(receive_one)
            send(parent, task.process)
            await receive()
            await task.await_(0.01)

        process, ref = spawn_monitor(owner, self_())
        task_process = await receive(Process)
        task_ref = monitor(task_process)
        send(process, "go")

        reason = (await receive(ref)).reason
        assert isinstance(reason, TaskTimeoutError)
        assert (await receive(task_ref)).reason is reason

    async def test_a_second_await_waits_out_its_time(self) -> None:
        """TASK 120."""
        task = async_(add, 1, 1)
        await task
        began = time.monotonic()

        with pytest.raises(TaskTimeoutError):
            await task.await_(0.05)
        took = time.monotonic() - began
        assert 0.05 <= took < 1.0
        assert left_behind() == NOTHING

    async def test_a_time_that_suffices_leaves_no_timer_message(self) -> None:
        task = async_(add, 1, 1)
        await task.await_(0.02)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.05)


class TestRepliesOfUsers:
    @each_way
    async def test_a_reply_built_by_the_user_is_the_result(
        self, awaited: AwaitTask
    ) -> None:
        task = async_nolink(receive_one)
        send(self_(), Reply(task.ref, "from the user"))

        assert await awaited(task) == "from the user"
        await kill(process_of(task))
        assert left_behind() == NOTHING

    async def test_another_process_may_reply_to_the_ref(self) -> None:
        async def stand_in(owner: Process, ref: Ref) -> None:
            send(owner, Reply(ref, "from a stand-in"))

        task = async_nolink(receive_one)
        helper = async_nolink(stand_in, self_(), task.ref)

        assert await task == "from a stand-in"
        assert await helper.yield_() == Ok(None)
        await kill(process_of(task))
        assert left_behind() == NOTHING
