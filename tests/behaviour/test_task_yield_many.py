"""`yield_many`: what there is of many tasks, by number and by time."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    Down,
    Exit,
    Failed,
    Ok,
    Process,
    Reply,
    Task,
    async_,
    async_nolink,
    make_ref,
    monitor,
    process_info,
    receive,
    self_,
    send,
    trap_exit,
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


async def finish(task: Task[Any], value: object) -> None:
    """Let a task that waits in `receive_one` end with `value`."""
    send(process_of(task), value)
    await ended(process_of(task))


async def receive_one() -> Any:
    """Return the first message."""
    return await receive()


async def trap_and_wait(owner: Process) -> None:
    """Ignore every exit signal but a kill."""
    trap_exit(True)
    send(owner, "ready")
    while True:
        await receive()


async def identity(value: Any) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


class TestResults:
    async def test_come_in_input_order(self) -> None:
        first, second = async_(receive_one), async_(receive_one)
        await finish(second, 2)
        await finish(first, 1)

        assert await yield_many([first, second]) == [(first, Ok(1)), (second, Ok(2))]
        assert left_behind() == NOTHING

    async def test_no_task_gives_no_result(self) -> None:
        assert await yield_many([]) == []

    async def test_a_down_behind_the_reply_is_flushed(self) -> None:
        """TASK 149."""
        task = async_(identity, "value")
        await ended(process_of(task))

        assert await yield_many([task]) == [(task, Ok("value"))]
        assert left_behind() == NOTHING

    async def test_a_failure_is_one_of_them(self) -> None:
        error = ValueError("boom")
        crash, leave = async_nolink(fail, error), async_nolink(fail, Exit(NORMAL))
        good = async_nolink(identity, 1)

        assert await yield_many([crash, good, leave]) == [
            (crash, Failed(error)),
            (good, Ok(1)),
            (leave, Failed(NORMAL)),
        ]
        assert left_behind() == NOTHING

    async def test_no_limit_of_time_waits_for_all(self) -> None:
        """TASK 158."""
        tasks = [async_(identity, 1), async_nolink(fail, Exit("x"))]

        results = await yield_many(tasks, None)
        assert results == [(tasks[0], Ok(1)), (tasks[1], Failed("x"))]
        assert left_behind() == NOTHING

    async def test_no_time_is_enough_for_queued_replies(self) -> None:
        """TASK 162."""
        done, idle = async_(identity, 1), async_nolink(receive_one)
        await ended(process_of(done))

        assert await yield_many([idle, done], 0) == [(idle, None), (done, Ok(1))]
        await kill(process_of(idle))

    async def test_the_same_task_twice_has_its_result_twice(self) -> None:
        """TASK 160."""
        task, other = async_(identity, 1), async_(identity, 2)

        assert await yield_many([task, other, task], None) == [
            (task, Ok(1)),
            (other, Ok(2)),
            (task, Ok(1)),
        ]
        assert left_behind() == NOTHING

    async def test_messages_of_strangers_stay_in_order(self) -> None:
        ref = make_ref()
        strangers: list[Any] = [ref, Reply(ref, 1), "x", Down(ref, self_(), "y")]
        for stranger in strangers:
            send(self_(), stranger)

        await yield_many([async_(identity, 1)])
        assert left_behind() == {
            **NOTHING,
            "messages": strangers,
            "message_queue_len": 4,
        }


class TestTimeout:
    async def test_gives_none_by_default(self) -> None:
        """TASK 150."""
        task = async_(receive_one)

        assert await yield_many([task], 0.01) == [(task, None)]
        assert left_behind() == {
            **NOTHING,
            "links": [task.process],
            "monitors": [(task.ref, task.process)],
        }
        await kill(process_of(task))

    async def test_leaves_the_task_usable(self) -> None:
        """TASK 150."""
        task = async_(receive_one)
        await yield_many([task], 0.01, on_timeout="nothing")
        send(process_of(task), "value")

        assert await yield_many([task]) == [(task, Ok("value"))]
        assert left_behind() == NOTHING

    async def test_is_one_for_all(self) -> None:
        tasks = [async_nolink(receive_one) for _ in range(3)]
        began = time.monotonic()

        await yield_many(tasks, 0.05)
        took = time.monotonic() - began
        for task in tasks:
            await kill(process_of(task))
        assert 0.05 <= took < 0.15

    @pytest.mark.parametrize("on_timeout", ["nothing", "ignore", "kill_task"])
    async def test_leaves_no_timer_message(
        self, on_timeout: Literal["nothing", "ignore", "kill_task"]
    ) -> None:
        """TASK 163."""
        task = async_nolink(receive_one)
        await yield_many([task], 0.01, on_timeout=on_timeout)
        await yield_many([async_(identity, 1)], 0.02, on_timeout=on_timeout)
        await kill(process_of(task))
        await yield_(task, 0)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.05)
        assert left_behind() == NOTHING


class TestKillTask:
    async def test_kills_what_has_no_result(self) -> None:
        """TASK 151."""
        task = async_(receive_one)

        result = await yield_many([task], 0, on_timeout="kill_task")
        assert result == [(task, None)]
        assert not process_of(task).alive
        assert left_behind() == NOTHING

    async def test_kills_a_task_that_traps_exits(self) -> None:
        """TASK 161."""
        task = async_(trap_and_wait, self_())
        await receive(str)

        result = await yield_many([task], 0.01, on_timeout="kill_task")
        assert result == [(task, None)]
        assert not process_of(task).alive
        assert left_behind() == NOTHING

    async def test_keeps_the_results_that_came_in_time(self) -> None:
        done, idle = async_(identity, 1), async_(receive_one)

        result = await yield_many([done, idle], 0.02, on_timeout="kill_task")
        assert result == [(done, Ok(1)), (idle, None)]
        assert left_behind() == NOTHING

    async def test_copes_with_the_same_task_twice(self) -> None:
        task = async_(receive_one)

        result = await yield_many([task, task], 0.01, on_timeout="kill_task")
        assert [found for found, _ in result] == [task, task]
        assert result[0][1] is None
        assert not process_of(task).alive
        assert left_behind() == NOTHING


class TestIgnore:
    async def test_lets_the_task_run_on_unseen(self) -> None:
        """TASK 152."""
        task = async_(receive_one)

        result = await yield_many([task], 0, on_timeout="ignore")
        alive = process_of(task).alive
        await finish(task, "late")
        assert (result, alive) == ([(task, None)], True)
        assert left_behind() == NOTHING
        assert await yield_(task, 0) is None

    async def test_keeps_a_late_crash_from_the_owner(self) -> None:
        """TASK 152."""

        async def fail_when_told() -> None:
            raise await receive()

        task = async_(fail_when_told)
        await yield_many([task], 0, on_timeout="ignore")
        await finish(task, ValueError("late"))

        assert left_behind() == NOTHING


class TestLimit:
    async def test_takes_only_the_first_that_arrived(self) -> None:
        """TASK 155."""
        first, second = async_(receive_one), async_(receive_one)
        await finish(second, 2)
        await finish(first, 1)

        result = await yield_many([first, second], limit=1)
        assert result == [(first, None), (second, Ok(2))]
        assert left_behind() == {
            **NOTHING,
            "messages": [Reply(first.ref, 1), Down(first.ref, first.process, NORMAL)],
            "message_queue_len": 2,
        }

    async def test_the_rest_is_there_for_the_next_call(self) -> None:
        """TASK 155."""
        first, second = async_(receive_one), async_(receive_one)
        await finish(second, 2)
        await finish(first, 1)
        await yield_many([first, second], limit=1)

        assert await yield_many([first], limit=1) == [(first, Ok(1))]
        assert left_behind() == NOTHING

    async def test_returns_as_soon_as_it_is_reached(self) -> None:
        """TASK 155."""
        idle, done = async_(receive_one), async_(identity, 1)

        result = await yield_many([idle, done], None, limit=1)
        assert result == [(idle, None), (done, Ok(1))]
        await kill(process_of(idle))

    async def test_a_failure_counts(self) -> None:
        idle, crash = async_nolink(receive_one), async_nolink(fail, Exit("x"))

        result = await yield_many([idle, crash], None, limit=1)
        assert result == [(idle, None), (crash, Failed("x"))]
        await kill(process_of(idle))

    async def test_of_none_at_all_returns_at_once(self) -> None:
        task = async_(identity, 1)
        await ended(process_of(task))

        assert await yield_many([task], None, limit=0) == [(task, None)]
        assert await task == 1

    async def test_above_the_number_of_tasks_means_all(self) -> None:
        """TASK 156."""
        tasks = [async_(identity, value) for value in range(2)]

        result = await yield_many(tasks, None, limit=5)
        assert result == [(tasks[0], Ok(0)), (tasks[1], Ok(1))]
        assert left_behind() == NOTHING

    async def test_above_the_number_of_distinct_tasks_ends(self) -> None:
        task = async_(identity, 1)

        result = await yield_many([task, task], None, limit=2)
        assert result == [(task, Ok(1)), (task, Ok(1))]
        assert left_behind() == NOTHING

    @pytest.mark.parametrize("on_timeout", ["ignore", "kill_task"])
    async def test_reached_does_not_touch_the_rest(
        self, on_timeout: Literal["ignore", "kill_task"]
    ) -> None:
        """TASK 157."""
        idle, done = async_(receive_one), async_(identity, 1)

        result = await yield_many([idle, done], limit=1, on_timeout=on_timeout)
        alive = process_of(idle).alive
        send(process_of(idle), "still here")
        assert (result, alive) == ([(idle, None), (done, Ok(1))], True)
        assert await idle == "still here"
        assert left_behind() == NOTHING

    async def test_missed_in_time_kills_the_rest(self) -> None:
        """TASK 157."""
        idle, other = async_(receive_one), async_(receive_one)
        done = async_(identity, 1)

        result = await yield_many(
            [idle, done, other], 0.02, limit=2, on_timeout="kill_task"
        )
        assert result == [(idle, None), (done, Ok(1)), (other, None)]
        assert not process_of(idle).alive
        assert not process_of(other).alive
        assert left_behind() == NOTHING

    async def test_reached_leaves_no_timer_message(self) -> None:
        """TASK 163."""
        idle, done = async_(receive_one), async_(identity, 1)
        await yield_many([idle, done], 0.02, limit=1)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.05)
        await kill(process_of(idle))
