"""Who may ask for a result: the owner, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    FastaskError,
    NotOwnerError,
    Process,
    Task,
    async_,
    async_nolink,
    await_,
    await_many,
    completed,
    ignore,
    monitor,
    process_info,
    receive,
    self_,
    send,
    shutdown,
    spawn_monitor,
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


async def by_expression(task: Task[Any], timeout: Any) -> Any:
    return await task


async def by_await(task: Task[Any], timeout: Any) -> Any:
    return await await_(task, timeout)


async def by_await_many(task: Task[Any], timeout: Any) -> Any:
    return await await_many([completed(1), task], timeout)


async def by_yield(task: Task[Any], timeout: Any) -> Any:
    return await yield_(task, timeout)


async def by_yield_many(task: Task[Any], timeout: Any) -> Any:
    return await yield_many([completed(1), task], timeout)


async def by_shutdown(task: Task[Any], timeout: Any) -> Any:
    return await shutdown(task, timeout)


async def by_brutal_kill(task: Task[Any], timeout: Any) -> Any:
    return await shutdown(task, BRUTAL_KILL)


async def by_ignore(task: Task[Any], timeout: Any) -> Any:
    return ignore(task)


async def by_method_await(task: Task[Any], timeout: Any) -> Any:
    return await task.await_(timeout)


async def by_method_yield(task: Task[Any], timeout: Any) -> Any:
    return await task.yield_(timeout)


async def by_method_shutdown(task: Task[Any], timeout: Any) -> Any:
    return await task.shutdown(timeout)


async def by_method_ignore(task: Task[Any], timeout: Any) -> Any:
    return task.ignore()


TIMED = [
    by_await,
    by_await_many,
    by_yield,
    by_yield_many,
    by_shutdown,
    by_method_await,
    by_method_yield,
    by_method_shutdown,
]
UNTIMED = [by_expression, by_brutal_kill, by_ignore, by_method_ignore]

Verb = Callable[[Task[Any], Any], Any]

each_verb = pytest.mark.parametrize("verb", [*TIMED, *UNTIMED])


async def refused(verb: Verb, task: Task[Any], timeout: Any) -> tuple[Process, Any]:
    """Let a stranger try a verb; return the stranger and what stopped it."""

    async def stranger(owner: Process) -> None:
        try:
            result = await verb(task, timeout)
        except Exception as error:
            send(owner, ("stopped", error))
        else:
            send(owner, ("stopped", result))

    process, ref = spawn_monitor(stranger, self_())
    _, error = await receive(
        lambda message: isinstance(message, tuple) and message[0] == "stopped"
    )
    await receive(ref)
    return process, error


class TestStranger:
    @each_verb
    async def test_is_refused(self, verb: Verb) -> None:
        """TASK 119, 137."""
        task = async_nolink(receive_one)

        _, error = await refused(verb, task, None)
        await kill(process_of(task))
        assert isinstance(error, NotOwnerError)

    @each_verb
    async def test_leaves_the_task_as_it_was(self, verb: Verb) -> None:
        task = async_(receive_one)
        await refused(verb, task, None)
        send(process_of(task), "value")

        assert await task == "value"
        assert left_behind() == NOTHING

    @each_verb
    async def test_is_refused_a_completed_task(self, verb: Verb) -> None:
        task = completed("value")

        _, error = await refused(verb, task, None)
        assert isinstance(error, NotOwnerError)
        assert await task == "value"

    @pytest.mark.parametrize("verb", TIMED)
    async def test_is_refused_before_a_bad_time_is(self, verb: Verb) -> None:
        task = async_nolink(receive_one)

        _, error = await refused(verb, task, -1.0)
        await kill(process_of(task))
        assert isinstance(error, NotOwnerError)

    async def test_is_refused_a_task_that_has_ended(self) -> None:
        task = async_(receive_one)
        send(process_of(task), "value")
        await ended(process_of(task))

        _, error = await refused(by_await, task, 0)
        assert isinstance(error, NotOwnerError)
        assert await task == "value"

    async def test_keeps_what_was_listed_before_the_foreign_task(self) -> None:
        """TASK 137."""

        async def stranger(owner: Process) -> None:
            own = completed("own")
            with pytest.raises(NotOwnerError):
                await await_many([own, foreign])
            send(owner, ("own", await own))

        foreign = async_nolink(receive_one)
        _, ref = spawn_monitor(stranger, self_())
        message = await receive(tuple)
        await receive(ref)
        await kill(process_of(foreign))

        assert message == ("own", "own")


class TestError:
    async def test_names_both_parties(self) -> None:
        """TASK 119."""
        task = async_nolink(receive_one)

        stranger, error = await refused(by_await, task, None)
        await kill(process_of(task))
        assert str(stranger.id) in str(error)
        assert str(self_().id) in str(error)

    async def test_is_a_value_error_of_fastask(self) -> None:
        assert issubclass(NotOwnerError, ValueError)
        assert issubclass(NotOwnerError, FastaskError)


class TestOwner:
    async def test_is_the_process_that_started_the_task(self) -> None:
        async def starter(parent: Process) -> None:
            task = async_nolink(receive_one)
            send(parent, task)
            await receive()

        process, ref = spawn_monitor(starter, self_())
        task = await receive(Task)
        owner = task.owner
        await kill(process_of(task))
        send(process, "go")
        await receive(ref)

        assert owner == process

    async def test_that_ends_leaves_the_task_to_nobody(self) -> None:
        async def starter(parent: Process) -> None:
            send(parent, async_nolink(receive_one))

        _, ref = spawn_monitor(starter, self_())
        task = await receive(Task)
        await receive(ref)

        with pytest.raises(NotOwnerError):
            await task.await_(0)
        await kill(process_of(task))
