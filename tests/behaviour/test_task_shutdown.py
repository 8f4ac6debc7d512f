"""`shutdown`: stop a task, and take what it has to give."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Exited,
    Failed,
    Ok,
    Process,
    Reply,
    Task,
    async_,
    async_nolink,
    completed,
    ignore,
    monitor,
    process_info,
    receive,
    self_,
    send,
    shutdown,
    spawn_monitor,
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


async def ignore_signals(owner: Process) -> None:
    """Trap and ignore every exit signal but a kill."""
    trap_exit(True)
    send(owner, "ready")
    while True:
        await receive()


async def answer_the_signal(owner: Process) -> Any:
    """Trap, and return the first exit signal as the result."""
    trap_exit(True)
    send(owner, "ready")
    return await receive(Exited)


async def exit_upon_the_signal(owner: Process, reason: object) -> None:
    """Trap, and end with `reason` upon the first exit signal."""
    trap_exit(True)
    send(owner, "ready")
    await receive(Exited)
    raise Exit(reason)


soft_and_brutal = pytest.mark.parametrize(
    "timeout", [5.0, None, 0, BRUTAL_KILL], ids=["5.0", "None", "0", "brutal"]
)


class TestRunning:
    @soft_and_brutal
    async def test_gives_none_and_leaves_nothing(self, timeout: Any) -> None:
        """TASK 166, 180."""
        task = async_(receive_one)

        assert await shutdown(task, timeout) is None
        assert not process_of(task).alive
        assert left_behind() == NOTHING

    async def test_is_the_same_through_the_method(self) -> None:
        """TASK 166."""
        task = async_nolink(receive_one)

        assert await task.shutdown() is None
        assert not process_of(task).alive
        assert left_behind() == NOTHING

    @pytest.mark.parametrize(
        ("timeout", "reason"), [(5.0, SHUTDOWN), (BRUTAL_KILL, KILLED)]
    )
    async def test_the_task_ends_with_the_reason_of_the_signal(
        self, timeout: Any, reason: object
    ) -> None:
        """TASK 166."""
        task = async_(receive_one)
        ref = monitor(process_of(task))

        await shutdown(task, timeout)
        assert await receive() == Down(ref, process_of(task), reason)

    @soft_and_brutal
    async def test_a_trapping_owner_finds_no_exit(self, timeout: Any) -> None:
        trap_exit(True)
        task = async_(receive_one)

        assert await shutdown(task, timeout) is None
        assert left_behind() == NOTHING

    async def test_a_task_that_waits_in_asyncio_is_stopped(self) -> None:
        task = async_(asyncio.sleep, 60.0)

        assert await shutdown(task) is None
        assert left_behind() == NOTHING

    async def test_the_finally_block_of_the_task_runs(self) -> None:
        async def work(owner: Process) -> None:
            send(owner, "ready")
            try:
                await receive()
            finally:
                send(owner, "cleaned up")

        task = async_(work, self_())
        await receive(str)
        await shutdown(task)

        assert await receive() == "cleaned up"
        assert left_behind() == NOTHING

    async def test_linked_children_of_the_task_end_with_it(self) -> None:
        """TASK 183."""

        async def parent(root: Process) -> None:
            send(root, async_(receive_one).process)
            await receive()

        task = async_(parent, self_())
        child = await receive(Process)
        ref = monitor(child)
        await shutdown(task)

        assert (await receive(ref)).reason == SHUTDOWN
        assert left_behind() == NOTHING

    async def test_other_messages_stay_in_order(self) -> None:
        send(self_(), "first")
        task = async_(receive_one)
        send(self_(), "second")

        await shutdown(task)
        assert left_behind() == {
            **NOTHING,
            "messages": ["first", "second"],
            "message_queue_len": 2,
        }


class TestTrapping:
    async def test_a_value_returned_upon_the_signal_is_the_result(self) -> None:
        """TASK 177."""
        task = async_(answer_the_signal, self_())
        await receive(str)

        assert await shutdown(task) == Ok(Exited(self_(), SHUTDOWN))
        assert left_behind() == NOTHING

    @pytest.mark.parametrize("reason", ["other", (SHUTDOWN, "x"), NORMAL])
    async def test_another_reason_is_a_failure(self, reason: object) -> None:
        task = async_(exit_upon_the_signal, self_(), reason)
        await receive(str)

        assert await shutdown(task) == Failed(reason)
        assert left_behind() == NOTHING

    async def test_the_reason_of_the_signal_gives_none(self) -> None:
        task = async_(exit_upon_the_signal, self_(), SHUTDOWN)
        await receive(str)

        assert await shutdown(task) is None
        assert left_behind() == NOTHING

    async def test_a_task_that_ignores_the_signal_is_killed_in_time(self) -> None:
        """TASK 176."""
        task = async_(ignore_signals, self_())
        await receive(str)
        began = time.monotonic()

        assert await shutdown(task, 0.05) == Failed(KILLED)
        assert 0.05 <= time.monotonic() - began < 1.0
        assert not process_of(task).alive
        assert left_behind() == NOTHING

    async def test_a_brutal_kill_gives_none(self) -> None:
        """TASK 171."""
        task = async_(ignore_signals, self_())
        await receive(str)

        assert await shutdown(task, BRUTAL_KILL) is None
        assert not process_of(task).alive
        assert left_behind() == NOTHING


class TestReplyInTheMailbox:
    @soft_and_brutal
    async def test_is_the_result_of_a_task_that_has_ended(self, timeout: Any) -> None:
        """TASK 165, 173."""
        task = async_(identity, "result")
        await ended(process_of(task))

        assert await shutdown(task, timeout) == Ok("result")
        assert left_behind() == NOTHING

    @soft_and_brutal
    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "abnormal"])
    async def test_is_the_result_whatever_the_reason_behind_it(
        self, timeout: Any, reason: object
    ) -> None:
        """TASK 165, 173."""
        task = async_nolink(reply_then_exit, self_(), reason)
        send(process_of(task), task.ref)
        await ended(process_of(task))

        assert await shutdown(task, timeout) == Ok("result")
        assert left_behind() == NOTHING

    async def test_may_arrive_between_yield_and_shutdown(self) -> None:
        """TASK 182."""
        task = async_(receive_one)
        nothing = await yield_(task, 0)
        send(process_of(task), "just in time")
        await ended(process_of(task))

        assert (nothing or await shutdown(task)) == Ok("just in time")
        assert left_behind() == NOTHING

    async def test_a_false_value_is_not_mistaken_for_none(self) -> None:
        """TASK 182."""
        task = async_(identity, 0)

        assert (await yield_(task) or await shutdown(task)) == Ok(0)
        assert left_behind() == NOTHING

    async def test_a_trapping_owner_keeps_the_normal_exit(self) -> None:
        trap_exit(True)
        task = async_(identity, "result")
        await ended(process_of(task))
        await shutdown(task)

        assert left_behind() == {
            **NOTHING,
            "messages": [Exited(process_of(task), NORMAL)],
            "message_queue_len": 1,
        }


class TestDownInTheMailbox:
    @pytest.mark.parametrize(
        ("timeout", "reason", "expected"),
        [
            (5.0, "abnormal", Failed("abnormal")),
            (5.0, NORMAL, Failed(NORMAL)),
            (5.0, (SHUTDOWN, 1), Failed((SHUTDOWN, 1))),
            (5.0, SHUTDOWN, None),
            (BRUTAL_KILL, "abnormal", Failed("abnormal")),
            (BRUTAL_KILL, NORMAL, Failed(NORMAL)),
            (BRUTAL_KILL, (SHUTDOWN, 1), Failed((SHUTDOWN, 1))),
            (BRUTAL_KILL, SHUTDOWN, Failed(SHUTDOWN)),
        ],
    )
    async def test_gives_its_reason_besides_that_of_the_signal(
        self, timeout: Any, reason: object, expected: Failed | None
    ) -> None:
        """TASK 167, 168, 175."""
        task = async_nolink(fail, Exit(reason))
        await ended(process_of(task))

        assert await shutdown(task, timeout) == expected
        assert left_behind() == NOTHING

    @pytest.mark.parametrize(
        ("timeout", "expected"), [(5.0, Failed(KILLED)), (BRUTAL_KILL, None)]
    )
    async def test_of_a_killed_task_is_no_failure_for_a_brutal_kill(
        self, timeout: Any, expected: Failed | None
    ) -> None:
        """TASK 169, 174."""
        task = async_nolink(receive_one)
        fastask.exit(process_of(task), KILL)
        await ended(process_of(task))

        assert await shutdown(task, timeout) == expected
        assert left_behind() == NOTHING

    async def test_gives_the_exception_of_a_crash(self) -> None:
        """TASK 167."""
        error = ValueError("boom")
        task = async_nolink(fail, error)
        await ended(process_of(task))

        assert await shutdown(task) == Failed(error)
        assert left_behind() == NOTHING


class TestHandled:
    @soft_and_brutal
    async def test_a_task_whose_result_was_taken_is_gone(self, timeout: Any) -> None:
        """TASK 172."""
        task = async_(identity, "result")
        await task

        assert await shutdown(task, timeout) == Failed(NOPROC)
        assert left_behind() == NOTHING

    @soft_and_brutal
    async def test_a_task_whose_failure_was_taken_is_gone(self, timeout: Any) -> None:
        """TASK 172."""
        task = async_nolink(fail, Exit("unknown"))
        await yield_(task)

        assert await shutdown(task, timeout) == Failed(NOPROC)
        assert left_behind() == NOTHING

    async def test_a_task_that_is_ignored_is_still_stopped(self) -> None:
        """TASK 189."""
        task = async_(receive_one)
        ignore(task)

        assert await shutdown(task) is None
        assert not process_of(task).alive
        assert left_behind() == NOTHING


class TestCompleted:
    @soft_and_brutal
    async def test_gives_its_value(self, timeout: Any) -> None:
        """TASK 170."""
        assert await shutdown(completed("value"), timeout) == Ok("value")
        assert left_behind() == NOTHING

    async def test_gives_the_reason_of_a_queued_down(self) -> None:
        """TASK 170."""
        task = completed("value")
        await receive(task.ref)
        send(self_(), Down(task.ref, self_(), "abnormal"))

        assert await shutdown(task) == Failed("abnormal")
        assert left_behind() == NOTHING

    async def test_gives_none_when_the_value_was_taken(self) -> None:
        task = completed("value")
        await task

        assert await shutdown(task) is None


class TestKilledCaller:
    async def test_leaves_no_orphan(self) -> None:
        """TASK 181."""

        async def work(root: Process) -> None:
            try:
                await receive()
            finally:
                send(root, "unwinding")
                await asyncio.sleep(0.02)

        async def owner(root: Process) -> None:
            task = async_(work, root)
            send(root, task.process)
            await receive()
            await shutdown(task, None)

        process, ref = spawn_monitor(owner, self_())
        task_process = await receive(Process)
        task_ref = monitor(task_process)
        send(process, "go")
        await receive(str)
        fastask.exit(process, KILL)

        assert (await receive(ref)).reason == KILLED
        assert (await receive(task_ref)).reason == SHUTDOWN
