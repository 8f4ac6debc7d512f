"""Plain functions: in a worker thread, killed on time, dropped when late."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Exit,
    Failed,
    Ok,
    Process,
    Task,
    TaskTimeoutError,
    async_,
    async_nolink,
    await_many,
    ignore,
    monitor,
    process_info,
    receive,
    self_,
    send,
    shutdown,
    spawn,
    start,
    start_link,
    yield_,
    yield_many,
)

NOTHING: dict[str, object] = {
    "messages": [],
    "message_queue_len": 0,
    "links": [],
    "monitors": [],
}

language: ContextVar[str] = ContextVar("language", default="none")


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


def block(owner: Process, gate: threading.Event, outcome: Any) -> Any:
    """Tell the owner, wait for the gate, and end with `outcome`."""
    send(owner, "inside")
    gate.wait(10.0)
    send(owner, "outside")
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a blocked thread waits for; open at the end of a test at the latest."""
    gate = threading.Event()
    yield gate
    gate.set()


async def leave(gate: threading.Event) -> None:
    """Open the gate, see the thread pass, and see that nothing else arrives."""
    gate.set()
    assert await receive(timeout=10.0) == "outside"
    with pytest.raises(TimeoutError):
        await receive(timeout=0.05)


class TestCall:
    async def test_runs_in_another_thread(self) -> None:
        thread = await async_(threading.get_ident)

        assert thread != threading.get_ident()
        assert left_behind() == NOTHING

    async def test_gets_its_arguments(self) -> None:
        assert await async_(divmod, 7, 2) == (3, 1)

    async def test_gets_keyword_arguments_by_partial(self) -> None:
        assert await async_(functools.partial(int, base=2), "101") == 5

    async def test_may_be_asked_for_by_the_name_of_the_executor(self) -> None:
        thread = await async_(threading.get_ident, executor="thread")

        assert thread != threading.get_ident()

    async def test_does_not_hold_up_the_loop(self, gate: threading.Event) -> None:
        task = async_(gate.wait, 10.0)
        gate.set()

        assert await task is True

    async def test_runs_beside_another_one(self) -> None:
        barrier = threading.Barrier(2)

        def meet() -> str:
            barrier.wait(10.0)
            return "met"

        assert await await_many([async_(meet), async_(meet)]) == ["met", "met"]

    async def test_sees_the_context_variables_of_the_caller(self) -> None:
        language.set("Elixir")

        assert await async_(language.get) == "Elixir"

    async def test_keeps_its_changes_of_context_variables(self) -> None:
        language.set("Elixir")
        await async_(language.set, "Erlang")

        assert language.get() == "Elixir"

    async def test_sees_the_variables_of_the_moment_of_its_start(self) -> None:
        language.set("Elixir")
        task = async_(language.get)
        language.set("Erlang")

        assert await task == "Elixir"

    async def test_raises_its_exception_in_the_awaiter(self) -> None:
        error = ValueError("boom")

        def fail() -> None:
            raise error

        task = async_nolink(fail)

        with pytest.raises(ValueError, match="boom") as caught:
            await task
        assert caught.value is error
        assert left_behind() == NOTHING

    async def test_ends_its_process_with_exit(self) -> None:
        def leave_early() -> None:
            raise Exit("enough")

        assert await yield_(async_nolink(leave_early)) == Failed("enough")
        assert left_behind() == NOTHING

    async def test_ends_its_process_normally(self) -> None:
        down = await receive(monitor(start(divmod, 7, 2)))

        assert down.reason == NORMAL

    @pytest.mark.parametrize("starter", [spawn, start, start_link])
    async def test_may_be_started_without_a_reply(
        self, starter: Callable[..., Process]
    ) -> None:
        def report(owner: Process) -> None:
            send(owner, threading.get_ident())

        process = starter(report, self_())
        thread = await receive(int)
        await receive(monitor(process))

        assert thread != threading.get_ident()
        assert left_behind() == NOTHING


class TestCoroutineReturned:
    async def test_is_a_type_error(self) -> None:
        task = async_nolink(lambda: asyncio.sleep(0))

        with pytest.raises(TypeError):
            await task
        assert left_behind() == NOTHING

    async def test_of_a_partial_of_an_async_function_is_none(self) -> None:
        async def double(value: int) -> int:
            return 2 * value

        task = async_(functools.partial(double, value=2))

        assert await task == 4


class TestLateThread:
    async def test_is_left_behind_by_await(self, gate: threading.Event) -> None:
        task = async_nolink(block, self_(), gate, "late")
        await receive(str)

        with pytest.raises(TaskTimeoutError):
            await task.await_(0.01)
        assert await shutdown(task, BRUTAL_KILL) is None
        await leave(gate)

    @pytest.mark.parametrize("timeout", [5.0, None, 0, BRUTAL_KILL])
    async def test_does_not_hold_up_shutdown(
        self, gate: threading.Event, timeout: Any
    ) -> None:
        task = async_(block, self_(), gate, "late")
        await receive(str)
        began = time.monotonic()

        assert await shutdown(task, timeout) is None
        assert time.monotonic() - began < 1.0
        assert not process_of(task).alive
        assert left_behind() == NOTHING
        await leave(gate)

    async def test_does_not_hold_up_a_kill(self, gate: threading.Event) -> None:
        task = async_nolink(block, self_(), gate, "late")
        await receive(str)
        fastask.exit(process_of(task), KILL)

        assert not process_of(task).alive
        assert await yield_(task, 1.0) == Failed(KILLED)
        await leave(gate)

    @pytest.mark.parametrize("reason", [SHUTDOWN, "stop"])
    async def test_does_not_hold_up_an_exit_signal(
        self, gate: threading.Event, reason: object
    ) -> None:
        task = async_nolink(block, self_(), gate, "late")
        await receive(str)
        fastask.exit(process_of(task), reason)

        assert await yield_(task, 1.0) == Failed(reason)
        assert not process_of(task).alive
        await leave(gate)

    async def test_does_not_hold_up_yield_many(self, gate: threading.Event) -> None:
        task = async_(block, self_(), gate, "late")
        await receive(str)

        result = await yield_many([task], 0.01, on_timeout="kill_task")
        assert result == [(task, None)]
        assert not process_of(task).alive
        assert left_behind() == NOTHING
        await leave(gate)

    async def test_raises_into_the_void(
        self, gate: threading.Event, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = async_(block, self_(), gate, ValueError("late"))
        await receive(str)
        await shutdown(task)
        await leave(gate)

        assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []

    async def test_of_an_ignored_task_is_dropped(self, gate: threading.Event) -> None:
        task = async_(block, self_(), gate, "late")
        await receive(str)

        assert ignore(task) is None
        await leave(gate)

    async def test_that_is_in_time_is_a_result(self, gate: threading.Event) -> None:
        task = async_(block, self_(), gate, "in time")
        await receive(str)
        nothing = await yield_(task, 0.01)
        gate.set()

        assert nothing is None
        assert await yield_(task) == Ok("in time")
        assert left_behind()["messages"] == ["outside"]


class TestInline:
    async def test_a_receive_predicate_runs_in_the_thread_of_the_loop(self) -> None:
        threads: list[int] = []

        def any_message(message: object) -> bool:
            threads.append(threading.get_ident())
            return True

        send(self_(), "message")
        await receive(any_message)

        assert set(threads) == {threading.get_ident()}


def stuck_in_a_driver(owner: Process, gate: threading.Event) -> None:
    """A call that no signal can interrupt."""
    send(owner, "inside")
    gate.wait(10.0)


def blocks_the_loop(seconds: float) -> None:
    """What no coroutine should call."""
    time.sleep(seconds)


class TestRun:
    def run_with_a_stuck_thread(
        self, run: Callable[..., Any], gate: threading.Event
    ) -> tuple[Any, float, list[str]]:
        async def main() -> str:
            start(stuck_in_a_driver, self_(), gate)
            await receive(str)
            return "result"

        began = time.monotonic()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = run(main)
        took = time.monotonic() - began
        gate.set()
        return result, took, [str(warning.message) for warning in caught]

    def test_does_not_wait_for_a_stuck_thread(
        self, run: Callable[..., Any], gate: threading.Event
    ) -> None:
        result, took, _ = self.run_with_a_stuck_thread(run, gate)

        assert result == "result"
        assert took < 3.0

    def test_warns_and_names_a_stuck_thread(
        self,
        run: Callable[..., Any],
        gate: threading.Event,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        _, _, warned = self.run_with_a_stuck_thread(run, gate)

        logged = [record.getMessage() for record in caplog.records]
        assert "stuck_in_a_driver" in "\n".join([*warned, *logged])

    def test_says_nothing_when_all_threads_are_done(
        self, run: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = run(divide)

        assert result == (3, 1)
        assert [w for w in caught if "divmod" in str(w.message)] == []
        assert [r for r in caplog.records if r.name.startswith("fastask")] == []

    @pytest.mark.slow
    def test_reports_a_blocked_loop_with_its_stack_in_debug_mode(
        self, run: Callable[..., Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            blocks_the_loop(0.5)

        with caplog.at_level(logging.DEBUG, logger="fastask"):
            run(main, debug=True)

        formatter = logging.Formatter("%(message)s")
        reports = [
            formatter.format(record)
            for record in caplog.records
            if record.name.split(".")[0] == "fastask"
        ]
        assert "blocks_the_loop" in "\n".join(reports)


async def divide() -> tuple[int, int]:
    return await async_(divmod, 7, 2)
