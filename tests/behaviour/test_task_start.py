"""How a task starts: its struct, its links, its callers, its crash report."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    NORMAL,
    SHUTDOWN,
    ChildSpec,
    Down,
    Exit,
    Ok,
    Process,
    Reply,
    Task,
    async_,
    async_nolink,
    child_spec,
    completed,
    monitor,
    process_info,
    receive,
    register,
    self_,
    send,
    set_label,
    spawn_monitor,
    start,
    start_link,
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


async def add(left: int, right: int = 0) -> int:
    return left + right


async def fail(error: BaseException) -> None:
    raise error


class TestAsync:
    async def test_the_task_knows_its_ref_process_and_owner(self) -> None:
        """TASK 91."""
        task = async_(add, 1, 2)

        process, ref, owner = task.process, task.ref, task.owner
        await task
        assert isinstance(process, Process)
        assert isinstance(ref, fastask.Ref)
        assert owner == self_()

    async def test_the_task_is_linked_to_the_caller(self) -> None:
        """TASK 91."""
        task = async_(add, 1, 2)

        links = left_behind()["links"]
        await task
        assert links == [task.process]

    async def test_the_task_is_monitored_by_the_caller(self) -> None:
        """TASK 91."""
        task = async_(add, 1, 2)

        monitors = left_behind()["monitors"]
        await task
        assert monitors == [(task.ref, task.process)]

    async def test_a_reply_and_then_a_down_arrive_when_nobody_awaits(self) -> None:
        """TASK 91."""
        task = async_(add, 1, 2)

        assert await receive() == Reply(task.ref, 3)
        assert await receive() == Down(task.ref, process_of(task), NORMAL)
        assert left_behind() == NOTHING

    async def test_each_task_has_a_ref_and_a_process_of_its_own(self) -> None:
        first, second = async_(add, 1), async_(add, 2)

        await first
        await second
        assert first.ref != second.ref
        assert first.process != second.process

    async def test_the_function_has_not_run_when_async_returns(self) -> None:
        ran: list[str] = []

        async def run() -> None:
            ran.append("ran")

        task = async_(run)
        before = list(ran)
        await task
        assert (before, ran) == ([], ["ran"])

    async def test_positional_arguments_go_to_the_function(self) -> None:
        """TASK 93."""
        task = async_(add, 1, 2)

        assert await task == 3
        assert left_behind() == NOTHING

    async def test_keyword_arguments_travel_by_partial(self) -> None:
        task = async_(functools.partial(add, right=2), 1)

        assert await task == 3

    async def test_a_coroutine_object_runs_as_it_is(self) -> None:
        task = async_(add(1, 2))

        assert await task == 3

    async def test_other_messages_of_the_task_stay_in_the_mailbox(self) -> None:
        """TASK 93."""

        async def report(owner: Process) -> str:
            send(owner, "half way")
            return "done"

        assert await async_(report, self_()) == "done"
        assert left_behind() == {
            **NOTHING,
            "messages": ["half way"],
            "message_queue_len": 1,
        }

    async def test_the_process_tells_which_function_it_runs(self) -> None:
        """TASK 92."""
        task = async_(receive_one)

        info = process_info(process_of(task))
        send(process_of(task), "go")
        await task
        assert info is not None
        assert "receive_one" in str(info.function)

    async def test_a_crash_ends_a_caller_that_awaits_something_else(self) -> None:
        error = ValueError("boom")

        async def owner() -> None:
            async_(fail, error)
            await asyncio.get_running_loop().create_future()

        _, ref = spawn_monitor(owner)

        assert (await receive(ref)).reason is error

    async def test_a_crash_of_the_caller_ends_the_task(self) -> None:
        async def owner(parent: Process) -> None:
            send(parent, async_(receive_one).process)
            await receive()
            raise Exit("gone")

        process, ref = spawn_monitor(owner, self_())
        task_process = await receive(Process)
        task_ref = monitor(task_process)
        send(process, "go")

        assert (await receive(task_ref)).reason == "gone"
        assert (await receive(ref)).reason == "gone"

    async def test_a_normal_end_of_the_caller_leaves_the_task_running(self) -> None:
        async def owner(parent: Process) -> None:
            send(parent, async_(receive_one).process)

        _, ref = spawn_monitor(owner, self_())
        task_process = await receive(Process)
        await receive(ref)
        alive = task_process.alive

        await kill(task_process)
        assert alive


class TestAsyncNolink:
    async def test_the_task_is_monitored_and_not_linked(self) -> None:
        task = async_nolink(add, 1, 2)

        held = left_behind()
        await task
        assert held["links"] == []
        assert held["monitors"] == [(task.ref, task.process)]

    async def test_a_crash_arrives_as_a_down(self) -> None:
        error = ValueError("boom")
        task = async_nolink(fail, error)

        assert await receive() == Down(task.ref, process_of(task), error)
        assert left_behind() == NOTHING

    async def test_the_task_outlives_a_crash_of_the_caller(self) -> None:
        async def owner(parent: Process) -> None:
            send(parent, async_nolink(receive_one).process)
            raise Exit("gone")

        _, ref = spawn_monitor(owner, self_())
        task_process = await receive(Process)
        reason = (await receive(ref)).reason
        alive = task_process.alive

        await kill(task_process)
        assert (reason, alive) == ("gone", True)


class TestStart:
    async def test_the_function_runs_with_its_arguments(self) -> None:
        """TASK 95."""

        async def report(owner: Process, word: str) -> None:
            send(owner, word)

        process = start(report, self_(), "done")

        assert isinstance(process, Process)
        assert await receive() == "done"
        await ended(process)

    async def test_the_process_is_neither_linked_nor_monitored(self) -> None:
        """TASK 95."""
        process = start(receive_one)

        held = left_behind()
        await kill(process)
        assert held == NOTHING

    async def test_no_message_arrives_at_the_end(self) -> None:
        """TASK 95."""
        await ended(start(add, 1, 2))

        assert left_behind() == NOTHING

    async def test_a_crash_does_not_reach_the_caller(self) -> None:
        """TASK 95."""
        error = ValueError("boom")

        assert await ended(start(fail, error)) is error
        assert left_behind() == NOTHING


class TestStartLink:
    async def test_the_process_is_linked_and_not_monitored(self) -> None:
        """TASK 96."""
        process = start_link(receive_one)

        held = left_behind()
        await kill(process)
        assert held == {**NOTHING, "links": [process]}

    async def test_no_message_arrives_at_the_end(self) -> None:
        """TASK 96."""
        await ended(start_link(add, 1, 2))

        assert left_behind() == NOTHING

    async def test_a_crash_ends_a_caller_that_does_not_trap(self) -> None:
        """TASK 96."""
        error = ValueError("boom")

        async def caller() -> None:
            start_link(fail, error)
            await receive()

        _, ref = spawn_monitor(caller)

        assert (await receive(ref)).reason is error


class TestCompleted:
    async def test_the_task_has_an_owner_and_no_process(self) -> None:
        task = completed("value")

        assert task.process is None
        assert task.owner == self_()

    async def test_the_reply_is_in_the_mailbox_at_once(self) -> None:
        task = completed("value")

        assert left_behind() == {
            **NOTHING,
            "messages": [Reply(task.ref, "value")],
            "message_queue_len": 1,
        }

    async def test_await_returns_the_value(self) -> None:
        assert await completed("value") == "value"
        assert left_behind() == NOTHING

    async def test_await_with_no_time_returns_the_value(self) -> None:
        assert await completed("value").await_(0) == "value"
        assert left_behind() == NOTHING

    async def test_await_many_mixes_it_with_running_tasks(self) -> None:
        tasks = [completed(1), async_(add, 2)]

        assert await fastask.await_many(tasks) == [1, 2]
        assert left_behind() == NOTHING

    async def test_yield_returns_the_value(self) -> None:
        assert await completed("value").yield_() == Ok("value")
        assert left_behind() == NOTHING

    async def test_yield_many_returns_the_value(self) -> None:
        task = completed("value")

        assert await fastask.yield_many([task]) == [(task, Ok("value"))]
        assert left_behind() == NOTHING

    async def test_find_returns_the_value(self) -> None:
        task = completed("value")

        assert fastask.find([task], await receive()) == ("value", task)
        assert left_behind() == NOTHING


class TestChildSpec:
    async def test_the_child_is_a_temporary_worker(self) -> None:
        """TASK 101."""
        spec = child_spec(add, 1)

        assert isinstance(spec, ChildSpec)
        assert (spec.restart, spec.shutdown) == ("temporary", 5.0)
        assert (spec.type, spec.significant) == ("worker", False)

    async def test_the_id_is_the_name_of_the_function(self) -> None:
        """TASK 101."""
        assert child_spec(receive_one).id == "receive_one"

    async def test_options_override_the_defaults(self) -> None:
        """TASK 101."""
        spec = child_spec(add, 1, id="x", restart="permanent", shutdown=BRUTAL_KILL)

        assert (spec.id, spec.restart) == ("x", "permanent")
        assert spec.shutdown is BRUTAL_KILL

    async def test_start_starts_a_linked_process_that_runs_the_function(self) -> None:
        """TASK 101."""
        spec = child_spec(receive_one)
        process = spec.start(*spec.args)

        links = left_behind()["links"]
        await kill(process)
        assert isinstance(process, Process)
        assert links == [process]

    async def test_start_passes_the_arguments_to_the_function(self) -> None:
        """TASK 101."""

        async def report(owner: Process, word: str) -> None:
            send(owner, word)

        spec = child_spec(report, self_(), "hello")
        process = spec.start(*spec.args)

        assert await receive() == "hello"
        await ended(process)

    async def test_a_spec_is_permanent_unless_it_says_otherwise(self) -> None:
        spec = ChildSpec("x", start_link)

        assert (spec.args, spec.restart, spec.shutdown) == ((), "permanent", 5.0)
        assert (spec.type, spec.significant) == ("worker", False)

    async def test_a_spec_is_frozen(self) -> None:
        spec: Any = ChildSpec("x", start_link)

        with pytest.raises(dataclasses.FrozenInstanceError):
            spec.restart = "temporary"

    async def test_replace_overrides_a_field(self) -> None:
        spec = dataclasses.replace(child_spec(add, 1), restart="transient", shutdown=0)

        assert (spec.restart, spec.shutdown) == ("transient", 0)

    async def test_specs_are_compared_by_value(self) -> None:
        assert child_spec(add, 1) == child_spec(add, 1)
        assert child_spec(add, 1) != child_spec(add, 2)


class TestCallers:
    async def test_run_from_the_nearest_to_the_farthest(self) -> None:
        """TASK 94."""

        async def inner() -> list[Process]:
            info = process_info(self_())
            assert info is not None
            return list(info.callers)

        async def outer() -> tuple[Process, list[Process]]:
            return self_(), await async_(inner)

        middle, callers = await async_(outer)

        assert callers == [middle, self_()]

    async def test_are_set_for_async_nolink(self) -> None:
        """TASK 94."""

        async def inner() -> list[Process]:
            info = process_info(self_())
            assert info is not None
            return list(info.callers)

        assert await async_nolink(inner) == [self_()]

    @pytest.mark.parametrize("starter", [start, start_link])
    async def test_are_set_for_nested_processes_without_a_reply(
        self, starter: Any
    ) -> None:
        """TASK 97."""

        async def inner(root: Process) -> None:
            info = process_info(self_())
            assert info is not None
            send(root, list(info.callers))

        async def outer(root: Process) -> None:
            await ended(starter(inner, root))

        middle = starter(outer, self_())
        callers = await receive(list)
        await ended(middle)

        assert callers == [middle, self_()]

    async def test_ancestors_are_the_processes_that_spawned(self) -> None:
        async def inner() -> list[Process]:
            info = process_info(self_())
            assert info is not None
            return list(info.ancestors)

        async def outer() -> tuple[Process, list[Process]]:
            return self_(), await async_(inner)

        middle, ancestors = await async_(outer)

        assert ancestors[:2] == [middle, self_()]


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The errors that fastask has logged, with their tracebacks."""
    formatter = logging.Formatter("%(message)s")
    return [
        formatter.format(record)
        for record in caplog.records
        if record.name.split(".")[0] == "fastask" and record.levelno >= logging.ERROR
    ]


class TestCrashReport:
    async def import_rows(self, parent: Process) -> None:
        register("the importer")
        set_label("row 17")
        send(parent, "about to fail")
        raise ValueError("bad row")

    async def test_one_error_is_logged_at_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """TASK 102."""
        start(self.import_rows, self_())
        await receive(str)

        assert len(errors_in(caplog)) == 1

    @pytest.mark.parametrize(
        "part",
        [
            "ValueError: bad row",
            "Traceback (most recent call last)",
            "import_rows",
            "the importer",
            "row 17",
        ],
    )
    async def test_it_tells_reason_function_name_and_label(
        self, caplog: pytest.LogCaptureFixture, part: str
    ) -> None:
        """TASK 102."""
        start(self.import_rows, self_())
        await receive(str)

        assert part in "\n".join(errors_in(caplog))

    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, (SHUTDOWN, "moved")])
    async def test_an_expected_end_is_not_logged(
        self, caplog: pytest.LogCaptureFixture, reason: object
    ) -> None:
        """TASK 104."""

        async def leave(parent: Process) -> None:
            send(parent, "about to leave")
            raise Exit(reason)

        start(leave, self_())
        await receive(str)

        assert errors_in(caplog) == []

    async def test_a_crash_that_the_owner_observes_is_not_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = async_nolink(fail, ValueError("boom"))
        with pytest.raises(ValueError, match="boom"):
            await task

        assert errors_in(caplog) == []
