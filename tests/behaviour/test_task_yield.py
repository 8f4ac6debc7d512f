"""`yield_`: a look at a task that may be repeated."""

from __future__ import annotations

import time
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
    Failed,
    Ok,
    Process,
    Reply,
    Task,
    async_,
    async_nolink,
    monitor,
    process_info,
    receive,
    self_,
    send,
    trap_exit,
    unlink,
    yield_,
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


async def reply_then_exit(owner: Process, reason: object) -> Any:
    """Reply by hand to the ref that arrives, then end with `reason`."""
    send(owner, Reply(await receive(), "result"))
    raise Exit(reason)


class TestResult:
    async def test_is_ok_with_the_value(self) -> None:
        task = async_(identity, "value")

        assert await yield_(task) == Ok("value")
        assert left_behind() == NOTHING

    async def test_is_the_same_through_the_method(self) -> None:
        task = async_(identity, "value")

        assert await task.yield_(None) == Ok("value")
        assert left_behind() == NOTHING

    async def test_no_time_is_enough_for_a_queued_reply(self) -> None:
        task = async_(identity, "value")
        await ended(process_of(task))

        assert await yield_(task, 0) == Ok("value")
        assert left_behind() == NOTHING

    async def test_a_value_that_is_false_is_still_a_true_result(self) -> None:
        result = await yield_(async_(identity, None))

        assert result == Ok(None)
        assert result

    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "abnormal"])
    async def test_a_reply_beats_the_down_behind_it(self, reason: object) -> None:
        task = async_nolink(reply_then_exit, self_(), reason)
        send(process_of(task), task.ref)
        await ended(process_of(task))

        assert await yield_(task) == Ok("result")
        assert left_behind() == NOTHING

    async def test_a_reply_built_by_the_user_is_the_result(self) -> None:
        task = async_nolink(receive_one)
        send(self_(), Reply(task.ref, "from the user"))

        assert await yield_(task) == Ok("from the user")
        await kill(process_of(task))
        assert left_behind() == NOTHING


class TestTimeout:
    async def test_gives_none_and_keeps_the_monitor(self) -> None:
        """TASK 143."""
        task = async_(receive_one)

        assert await yield_(task, 0.01) is None
        assert left_behind() == {
            **NOTHING,
            "links": [task.process],
            "monitors": [(task.ref, task.process)],
        }
        await kill(process_of(task))

    async def test_takes_its_time(self) -> None:
        task = async_(receive_one)
        began = time.monotonic()

        await yield_(task, 0.05)
        took = time.monotonic() - began
        await kill(process_of(task))
        assert 0.05 <= took < 1.0

    async def test_may_be_followed_by_another_yield(self) -> None:
        """TASK 143."""
        task = async_(receive_one)
        before = [await yield_(task, 0), await yield_(task, 0.01)]
        send(process_of(task), "value")

        assert await yield_(task) == Ok("value")
        assert before == [None, None]
        assert left_behind() == NOTHING

    async def test_may_be_followed_by_await(self) -> None:
        task = async_(receive_one)
        await yield_(task, 0.01)
        send(process_of(task), "value")

        assert await task == "value"
        assert left_behind() == NOTHING

    async def test_a_result_is_given_once(self) -> None:
        task = async_(identity, "value")
        await yield_(task)
        began = time.monotonic()

        assert await yield_(task, 0.05) is None
        assert 0.05 <= time.monotonic() - began < 1.0
        assert left_behind() == NOTHING

    async def test_a_failure_is_given_once(self) -> None:
        task = async_nolink(fail, Exit("unknown"))
        await yield_(task)

        assert await yield_(task, 0.01) is None
        assert left_behind() == NOTHING

    async def test_leaves_no_timer_message(self) -> None:
        await yield_(async_(identity, "value"), 0.02)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.05)


class TestFailure:
    async def test_a_normal_end_without_a_result_is_a_failure(self) -> None:
        """TASK 145."""
        task = async_(fail, Exit(NORMAL))

        assert await yield_(task) == Failed(NORMAL)
        assert left_behind() == NOTHING

    async def test_an_exit_gives_its_reason(self) -> None:
        """TASK 146."""
        task = async_nolink(fail, Exit("unknown"))

        assert await yield_(task) == Failed("unknown")
        assert left_behind() == NOTHING

    async def test_an_exception_is_the_reason(self) -> None:
        """TASK 146."""
        error = ValueError("boom")
        task = async_nolink(fail, error)

        assert await yield_(task) == Failed(error)
        assert left_behind() == NOTHING

    async def test_a_kill_gives_killed(self) -> None:
        """TASK 146."""
        task = async_nolink(receive_one)
        fastask.exit(process_of(task), KILL)

        assert await yield_(task) == Failed(KILLED)
        assert left_behind() == NOTHING

    async def test_no_time_is_enough_for_a_queued_down(self) -> None:
        task = async_nolink(fail, Exit("unknown"))
        await ended(process_of(task))

        assert await yield_(task, 0) == Failed("unknown")
        assert left_behind() == NOTHING

    async def test_a_trapping_owner_gets_it_from_a_linked_task(self) -> None:
        trap_exit(True)
        task = async_(fail, Exit("unknown"))

        assert await yield_(task) == Failed("unknown")
        assert await receive() == Exited(process_of(task), "unknown")
        assert left_behind() == NOTHING
