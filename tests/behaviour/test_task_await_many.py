"""`await_many`: all results in input order, within one time for all."""

from __future__ import annotations

import time
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Down,
    Exit,
    Exited,
    Process,
    Reply,
    Task,
    TaskTimeoutError,
    async_,
    async_nolink,
    await_many,
    make_ref,
    monitor,
    process_info,
    receive,
    self_,
    send,
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


async def identity(value: Any) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


class TestSuccess:
    async def test_returns_the_results_in_input_order(self) -> None:
        """TASK 126."""
        tasks = [async_(receive_one) for _ in range(3)]
        for value, task in reversed(list(enumerate(tasks))):
            send(process_of(task), value)
            await ended(process_of(task))

        assert await await_many(tasks) == [0, 1, 2]
        assert left_behind() == NOTHING

    async def test_waits_for_tasks_that_are_not_done(self) -> None:
        """TASK 126."""
        tasks = [async_(identity, value) for value in "abc"]

        assert await await_many(tasks) == ["a", "b", "c"]
        assert left_behind() == NOTHING

    async def test_no_task_gives_no_result(self) -> None:
        assert await await_many([]) == []
        assert left_behind() == NOTHING

    async def test_none_as_the_time_waits_without_a_limit(self) -> None:
        tasks = [async_(identity, value) for value in "ab"]

        assert await await_many(tasks, None) == ["a", "b"]

    async def test_no_time_is_enough_for_queued_replies(self) -> None:
        tasks = [async_(identity, value) for value in "ab"]
        for task in tasks:
            await ended(process_of(task))

        assert await await_many(tasks, 0) == ["a", "b"]
        assert left_behind() == NOTHING

    async def test_the_same_task_twice_gives_its_value_twice(self) -> None:
        """TASK 140."""
        task = async_(identity, "a")
        other = async_(identity, "b")

        assert await await_many([task, other, task]) == ["a", "b", "a"]
        assert left_behind() == NOTHING

    async def test_messages_of_strangers_stay_in_order(self) -> None:
        """TASK 129."""
        ref = make_ref()
        strangers: list[Any] = [ref, Reply(ref, 1), (ref, 2), Down(ref, self_(), "x")]
        tasks = [async_(identity, value) for value in "ab"]
        for stranger in strangers:
            send(self_(), stranger)

        assert await await_many(tasks) == ["a", "b"]
        assert left_behind() == {
            **NOTHING,
            "messages": strangers,
            "message_queue_len": 4,
        }

    async def test_a_second_reply_to_the_same_ref_stays(self) -> None:
        task = async_nolink(receive_one)
        send(self_(), Reply(task.ref, "first"))
        send(self_(), Reply(task.ref, "second"))

        assert await await_many([task]) == ["first"]
        await kill(process_of(task))
        assert left_behind() == {
            **NOTHING,
            "messages": [Reply(task.ref, "second")],
            "message_queue_len": 1,
        }

    async def test_leaves_no_timer_message(self) -> None:
        """TASK 139."""
        await await_many([async_(identity, 1)], 0.02)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.05)


class TestFailure:
    async def test_raises_at_once_what_one_task_raised(self) -> None:
        """TASK 133, 134."""
        error = ValueError("boom")
        idle = [async_nolink(receive_one) for _ in range(2)]
        tasks = [idle[0], async_nolink(fail, error), idle[1]]

        with pytest.raises(ValueError, match="boom") as caught:
            await await_many(tasks, None)
        assert caught.value is error
        assert left_behind() == NOTHING
        for task in idle:
            await kill(process_of(task))

    async def test_raises_exit_for_a_reason_that_is_no_exception(self) -> None:
        """TASK 133."""
        tasks = [async_nolink(fail, Exit("unknown"))]

        with pytest.raises(Exit) as caught:
            await await_many(tasks)
        assert caught.value.reason == "unknown"
        assert left_behind() == NOTHING

    async def test_a_trapping_owner_survives_a_linked_crash(self) -> None:
        """TASK 133."""
        trap_exit(True)
        idle = async_(receive_one)
        crash = async_(fail, Exit("unknown"))

        with pytest.raises(Exit) as caught:
            await await_many([idle, crash], None)
        assert caught.value.reason == "unknown"
        assert await receive() == Exited(process_of(crash), "unknown")
        await kill(process_of(idle))
        assert left_behind() == NOTHING

    async def test_no_down_of_the_others_follows(self) -> None:
        """TASK 133."""
        idle = async_nolink(receive_one)
        crash = async_nolink(fail, Exit("unknown"))
        with pytest.raises(Exit):
            await await_many([idle, crash])
        await kill(process_of(idle))

        assert left_behind() == NOTHING

    async def test_no_reply_of_the_others_follows(self) -> None:
        """TASK 133."""
        idle = async_nolink(receive_one)
        crash = async_nolink(fail, Exit("unknown"))
        with pytest.raises(Exit):
            await await_many([idle, crash])
        send(process_of(idle), "late")
        await ended(process_of(idle))

        assert left_behind() == NOTHING

    async def test_leaves_no_timer_message(self) -> None:
        """TASK 139."""
        with pytest.raises(Exit):
            await await_many([async_nolink(fail, Exit("unknown"))], 0.02)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.05)


class TestTimeout:
    async def test_raises_and_leaves_nothing(self) -> None:
        """TASK 131."""
        tasks = [async_nolink(receive_one) for _ in range(2)]

        with pytest.raises(TaskTimeoutError):
            await await_many(tasks, 0)
        assert left_behind() == NOTHING
        for task in tasks:
            await kill(process_of(task))

    async def test_the_error_names_the_tasks_and_the_time(self) -> None:
        """TASK 131."""
        tasks = [async_nolink(receive_one) for _ in range(2)]

        with pytest.raises(TaskTimeoutError) as caught:
            await await_many(tasks, 0.01)
        for task in tasks:
            await kill(process_of(task))
        assert caught.value.tasks == tuple(tasks)
        assert caught.value.task is None
        assert caught.value.timeout == 0.01

    async def test_one_task_in_time_does_not_save_the_others(self) -> None:
        """TASK 131."""
        idle = async_nolink(receive_one)

        with pytest.raises(TaskTimeoutError):
            await await_many([async_(identity, 1), idle], 0.02)
        await kill(process_of(idle))
        assert left_behind() == NOTHING

    async def test_the_time_is_one_for_all(self) -> None:
        """TASK 138."""
        tasks = [async_nolink(receive_one) for _ in range(3)]
        began = time.monotonic()

        with pytest.raises(TaskTimeoutError):
            await await_many(tasks, 0.05)
        took = time.monotonic() - began
        for task in tasks:
            await kill(process_of(task))
        assert 0.05 <= took < 0.15

    async def test_awaiting_one_by_one_adds_the_times_up(self) -> None:
        """TASK 138."""
        tasks = [async_nolink(receive_one) for _ in range(3)]
        began = time.monotonic()

        for task in tasks:
            with pytest.raises(TaskTimeoutError):
                await task.await_(0.03)
        took = time.monotonic() - began
        for task in tasks:
            await kill(process_of(task))
        assert 0.09 <= took < 1.0

    async def test_unlinked_tasks_run_on_and_their_replies_are_dropped(self) -> None:
        """TASK 141."""
        tasks = [async_nolink(receive_one) for _ in range(2)]
        with pytest.raises(TaskTimeoutError):
            await await_many(tasks, 0.01)
        alive = [process_of(task).alive for task in tasks]
        for task in tasks:
            send(process_of(task), "late")
            await ended(process_of(task))

        assert alive == [True, True]
        assert left_behind() == NOTHING

    async def test_leaves_no_timer_message(self) -> None:
        """TASK 139."""
        task = async_nolink(receive_one)
        with pytest.raises(TaskTimeoutError):
            await await_many([task], 0.01)
        await kill(process_of(task))

        with pytest.raises(TimeoutError):
            await receive(timeout=0.03)
