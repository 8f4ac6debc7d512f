"""`ignore`: let a task go without ever hearing of it again."""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    Exit,
    Failed,
    Ok,
    Process,
    Task,
    TaskTimeoutError,
    async_,
    async_nolink,
    completed,
    ignore,
    monitor,
    process_info,
    receive,
    self_,
    send,
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


async def identity(value: Any) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


async def fail_when_told() -> None:
    """Raise the first message."""
    raise await receive()


class TestFinished:
    async def test_gives_the_reply_in_the_mailbox(self) -> None:
        """TASK 184."""
        task = async_(identity, "value")
        await ended(process_of(task))

        assert ignore(task) == Ok("value")
        assert left_behind() == NOTHING

    async def test_is_the_same_through_the_method(self) -> None:
        """TASK 184."""
        task = async_(identity, "value")
        await ended(process_of(task))

        assert task.ignore() == Ok("value")
        assert left_behind() == NOTHING

    async def test_leaves_nothing_to_await(self) -> None:
        """TASK 184."""
        task = async_(identity, "value")
        await ended(process_of(task))
        ignore(task)

        with pytest.raises(TaskTimeoutError):
            await task.await_(0)

    @pytest.mark.parametrize("reason", [NORMAL, "unknown"])
    async def test_gives_the_reason_in_the_mailbox(self, reason: object) -> None:
        task = async_nolink(fail, Exit(reason))
        await ended(process_of(task))

        assert ignore(task) == Failed(reason)
        assert left_behind() == NOTHING

    async def test_gives_the_value_of_a_completed_task(self) -> None:
        """TASK 188."""
        assert ignore(completed("value")) == Ok("value")
        assert left_behind() == NOTHING

    async def test_gives_none_the_second_time(self) -> None:
        task = completed("value")
        ignore(task)

        assert ignore(task) is None


class TestRunning:
    async def test_gives_none_and_unlinks(self) -> None:
        """TASK 185."""
        task = async_(receive_one)

        assert ignore(task) is None
        assert left_behind() == NOTHING
        await kill(process_of(task))

    async def test_lets_the_task_run_on(self) -> None:
        """TASK 185."""

        async def work(owner: Process) -> None:
            send(owner, await receive())

        task = async_(work, self_())
        ignore(task)
        down = monitor(process_of(task))
        send(process_of(task), "finished")

        assert await receive(str) == "finished"
        assert (await receive(down)).reason == NORMAL

    async def test_drops_the_late_reply(self) -> None:
        """TASK 185."""
        task = async_(receive_one)
        ignore(task)
        send(process_of(task), "late")
        await ended(process_of(task))

        assert left_behind() == NOTHING
        with pytest.raises(TaskTimeoutError):
            await task.await_(0)

    async def test_keeps_a_late_crash_from_the_caller(self) -> None:
        """TASK 187."""
        error = ValueError("late")
        task = async_(fail_when_told)
        ignore(task)
        send(process_of(task), error)

        assert await ended(process_of(task)) is error
        assert left_behind() == NOTHING

    async def test_leaves_nothing_to_yield(self) -> None:
        task = async_(receive_one)
        ignore(task)
        send(process_of(task), "late")
        await ended(process_of(task))

        assert await task.yield_(0) is None

    async def test_other_messages_stay(self) -> None:
        send(self_(), "message")
        task = async_(receive_one)
        ignore(task)
        await kill(process_of(task))

        assert left_behind() == {
            **NOTHING,
            "messages": ["message"],
            "message_queue_len": 1,
        }
