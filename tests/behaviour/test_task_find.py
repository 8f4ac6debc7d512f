"""`find`: is this message, already received, from one of these tasks?"""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    Down,
    Exit,
    Process,
    Reply,
    Task,
    async_,
    async_nolink,
    find,
    make_ref,
    monitor,
    process_info,
    receive,
    self_,
    send,
    sleep,
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


class TestReply:
    async def test_gives_the_value_and_the_task(self) -> None:
        """TASK 190."""
        tasks = [async_(identity, 1)]

        assert find(tasks, await receive()) == (1, tasks[0])

    async def test_flushes_the_down_behind_it(self) -> None:
        """TASK 190."""
        task = async_(identity, 1)
        await ended(process_of(task))
        message = await receive()

        assert find([task], message) == (1, task)
        assert left_behind() == NOTHING

    async def test_demonitors_a_task_that_still_runs(self) -> None:
        """TASK 190."""
        task = async_nolink(receive_one)

        assert find([task], Reply(task.ref, "by hand")) == ("by hand", task)
        await kill(process_of(task))
        assert left_behind() == NOTHING

    async def test_picks_the_task_among_many(self) -> None:
        """TASK 190."""
        idle, done = async_(receive_one), async_(identity, 1)

        assert find([idle, done], await receive()) == (1, done)
        await kill(process_of(idle))

    async def test_of_another_ref_gives_none(self) -> None:
        """TASK 190."""
        task = async_(receive_one)

        assert find([task], Reply(make_ref(), 1)) is None
        await kill(process_of(task))

    async def test_of_a_task_that_is_not_listed_gives_none(self) -> None:
        """TASK 190."""
        task, other = async_(identity, 1), async_(receive_one)
        message = await receive()

        assert find([other], message) is None
        assert find([], message) is None
        assert find([task], message) == (1, task)
        await kill(process_of(other))


class TestDown:
    async def test_raises_the_exception_of_the_task(self) -> None:
        """TASK 192."""
        error = ValueError("boom")
        task = async_nolink(fail, error)
        message = await receive()

        with pytest.raises(ValueError, match="boom") as caught:
            find([task], message)
        assert caught.value is error
        assert left_behind() == NOTHING

    @pytest.mark.parametrize("reason", [NORMAL, "unknown"])
    async def test_raises_exit_for_another_reason(self, reason: object) -> None:
        """TASK 192."""
        task = async_nolink(fail, Exit(reason))
        message = await receive()

        with pytest.raises(Exit) as caught:
            find([task], message)
        assert caught.value.reason == reason
        assert left_behind() == NOTHING

    async def test_raises_killed_for_a_killed_task(self) -> None:
        """TASK 192."""
        task = async_nolink(receive_one)
        fastask.exit(process_of(task), KILL)
        message = await receive()

        with pytest.raises(Exit) as caught:
            find([task], message)
        assert caught.value.reason == KILLED

    async def test_of_another_monitor_gives_none(self) -> None:
        """TASK 192."""
        task = async_(receive_one)

        assert find([task], Down(make_ref(), process_of(task), NORMAL)) is None
        await kill(process_of(task))


class TestOtherMessages:
    @pytest.mark.parametrize("message", [None, "text", 17, (), (1, 2), [], {}])
    async def test_give_none(self, message: object) -> None:
        """TASK 192."""
        task = async_(receive_one)

        assert find([task], message) is None
        await kill(process_of(task))

    async def test_leave_the_task_as_it_was(self) -> None:
        """TASK 192."""
        task = async_(receive_one)
        find([task], "text")
        send(process_of(task), "value")

        assert await task == "value"
        assert left_behind() == NOTHING


class TestReceiveLoop:
    async def test_collects_ten_tasks_in_the_order_of_arrival(self) -> None:
        """TASK 193."""
        tasks = [async_(receive_one) for _ in range(10)]
        await sleep(0)  # each of them waits before the first is told to go on
        arrival = [7, 2, 9, 0, 4, 1, 8, 3, 6, 5]
        for number in arrival:
            send(process_of(tasks[number]), number)

        results: list[int] = []
        while tasks:
            found = find(tasks, await receive())
            assert found is not None
            value, task = found
            tasks.remove(task)
            results.append(value)
        assert results == arrival
        assert left_behind() == NOTHING

    async def test_keeps_foreign_messages_to_itself(self) -> None:
        """TASK 193."""
        tasks = [async_(identity, number) for number in range(3)]
        send(self_(), "foreign")
        foreign: list[Any] = []
        results: list[int] = []

        while tasks:
            message = await receive()
            found = find(tasks, message)
            if found is None:
                foreign.append(message)
                continue
            value, task = found
            tasks.remove(task)
            results.append(value)
        assert (sorted(results), foreign) == ([0, 1, 2], ["foreign"])
        assert left_behind() == NOTHING
