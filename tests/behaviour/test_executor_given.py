"""Plain functions in an executor of the user, and in subinterpreters."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from multiprocessing import get_context
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    Exit,
    Failed,
    async_,
    async_nolink,
    async_stream,
    ignore,
    shutdown,
    yield_,
)

language: ContextVar[str] = ContextVar("language", default="none")


class SlowExecutor(Executor):
    """It runs what it was given when it is told to, and remembers it."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []
        self.calls: list[tuple[Any, ...]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.futures.append(Future())
        self.calls.append((fn, *args))
        return self.futures[-1]


@pytest.fixture
def slow() -> SlowExecutor:
    """An executor that does nothing by itself."""
    return SlowExecutor()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What functions wait for; open at the end of a test at the latest."""
    gate = threading.Event()
    yield gate
    gate.set()


async def turn() -> None:
    """Let the others run; where all is slow, not all of them run in one go."""
    for _ in range(5):
        await asyncio.sleep(0)


def make_coroutine() -> Any:
    """Do what no plain function may."""
    return turn()


class TestExecutor:
    async def test_is_given_the_function_itself(self, slow: SlowExecutor) -> None:
        task = async_(divmod, 7, 2, executor=slow)
        await turn()
        slow.futures[0].set_result((0, 0))

        assert slow.calls == [(divmod, 7, 2)]
        assert await task == (0, 0)

    async def test_of_threads_sees_the_context_variables(self) -> None:
        language.set("Elixir")
        with ThreadPoolExecutor(1) as executor:
            assert await async_(language.get, executor=executor) == "Elixir"

    async def test_that_returns_a_coroutine_is_a_type_error(self) -> None:
        with ThreadPoolExecutor(1) as executor:
            task = async_nolink(make_coroutine, executor=executor)

            with pytest.raises(TypeError, match="got the plain function"):
                await task

    async def test_that_is_shut_down_refuses(self) -> None:
        executor = ThreadPoolExecutor(1)
        executor.shutdown()

        with pytest.raises(RuntimeError, match="cannot schedule new futures"):
            await async_nolink(len, "four", executor=executor)

    async def test_that_shuts_down_fails_what_waits(
        self, gate: threading.Event
    ) -> None:
        executor = ThreadPoolExecutor(1)
        first = async_(gate.wait, 20.0, executor=executor)
        second = async_nolink(len, "four", executor=executor)
        await turn()
        executor.shutdown(wait=False, cancel_futures=True)
        outcome = await yield_(second, 20.0)
        gate.set()

        assert await first
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.reason, RuntimeError)
        assert str(outcome.reason) == "the executor was shut down before it ran len"

    async def test_that_breaks_fails_what_waits(self) -> None:
        with ProcessPoolExecutor(1, get_context("spawn")) as executor:
            tasks = [
                async_nolink(os._exit, 1, executor=executor),
                async_nolink(len, "four", executor=executor),
            ]
            outcomes = [await yield_(task, 20.0) for task in tasks]

        for outcome in outcomes:
            assert isinstance(outcome, Failed)
            assert isinstance(outcome.reason, BrokenProcessPool)

    @pytest.mark.parametrize("reason", [KILL, "stop"])
    async def test_is_told_to_cancel_what_has_not_begun(
        self, slow: SlowExecutor, reason: object
    ) -> None:
        task = async_nolink(len, "four", executor=slow)
        await turn()
        assert task.process is not None
        fastask.exit(task.process, reason)
        await turn()

        assert slow.futures[0].cancelled()
        assert await yield_(task) is not None

    async def test_is_told_so_before_a_kill_returns(self, slow: SlowExecutor) -> None:
        task = async_nolink(len, "four", executor=slow)
        await turn()
        assert task.process is not None
        fastask.exit(task.process, KILL)

        assert slow.futures[0].cancelled()
        ignore(task)

    async def test_is_told_so_when_the_process_is_cancelled(
        self, slow: SlowExecutor
    ) -> None:
        task = async_nolink(len, "four", executor=slow)
        await turn()
        assert task.process is not None
        task.process.cancel()

        with pytest.raises(Exit):
            await task
        assert slow.futures[0].cancelled()

    async def test_frees_the_place_of_what_was_killed_before_it_began(
        self, gate: threading.Event
    ) -> None:
        with ThreadPoolExecutor(1) as executor:
            first = async_(gate.wait, 20.0, executor=executor)
            second = async_(gate.clear, executor=executor)
            third = async_(gate.is_set, executor=executor)
            await turn()
            await shutdown(second, BRUTAL_KILL)
            gate.set()

            assert await first
            assert await third

    async def test_runs_on_with_what_had_begun(
        self, slow: SlowExecutor, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = async_(len, "four", executor=slow)
        await turn()
        slow.futures[0].set_running_or_notify_cancel()

        assert await shutdown(task, BRUTAL_KILL) is None
        slow.futures[0].set_exception(ValueError("late"))
        await turn()
        await turn()
        assert caplog.records == []

    async def test_never_sees_what_is_killed_at_once(self, slow: SlowExecutor) -> None:
        await shutdown(async_(len, "four", executor=slow), BRUTAL_KILL)
        await turn()

        assert slow.calls == []

    async def test_is_used_by_a_stream(self) -> None:
        with ThreadPoolExecutor(2) as executor:
            stream = async_stream([-1, -2], abs, executor=executor)

            assert [o.unwrap() async for o in stream] == [1, 2]

    @pytest.mark.parametrize("executor", ["processes", "thread ", ""])
    async def test_that_does_not_exist_is_refused(self, executor: Any) -> None:
        with pytest.raises(
            ValueError, match=f"executor must be 'thread', .* got '{executor}'"
        ):
            async_(len, "four", executor=executor)

    async def test_that_is_none_is_refused(self) -> None:
        executor: Any = 3
        with pytest.raises(TypeError, match="got 3"):
            async_(len, "four", executor=executor)

    async def test_is_refused_for_an_async_function(self) -> None:
        start: Any = async_
        with pytest.raises(TypeError, match="executor must be None"):
            start(turn, executor="process")


class FakeInterpreters(ThreadPoolExecutor):
    """What `InterpreterPoolExecutor` is to us: a ThreadPoolExecutor in name."""

    made: list[FakeInterpreters]

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.calls: list[tuple[Any, ...]] = []
        self.ended: list[dict[str, bool]] = []
        self.made.append(self)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls.append((fn, *args))
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.ended.append({"wait": wait, "cancel_futures": cancel_futures})
        super().shutdown(wait=True)


@pytest.fixture
def interpreters(monkeypatch: pytest.MonkeyPatch) -> list[FakeInterpreters]:
    """What stands for the subinterpreters of Python 3.14, as they are made."""
    FakeInterpreters.made = []
    monkeypatch.setattr(
        concurrent.futures, "InterpreterPoolExecutor", FakeInterpreters, raising=False
    )
    return FakeInterpreters.made


class TestInterpreter:
    @pytest.mark.skipif(sys.version_info >= (3, 14), reason="it is there")
    async def test_is_refused_before_python_3_14(self) -> None:
        version = ".".join(map(str, sys.version_info[:3]))
        with pytest.raises(ValueError, match="executor") as caught:
            async_(len, "four", executor="interpreter")
        assert str(caught.value) == (
            "executor must be another than 'interpreter' before Python 3.14, "
            f"this is {version}"
        )

    async def test_runs_the_function_without_anything_of_ours(
        self, interpreters: list[FakeInterpreters]
    ) -> None:
        assert await async_(divmod, 7, 2, executor="interpreter") == (3, 1)
        assert interpreters[0].calls == [(divmod, 7, 2)]

    async def test_is_made_once(self, interpreters: list[FakeInterpreters]) -> None:
        await async_(len, "", executor="interpreter")
        await async_(len, "", executor="interpreter")

        assert len(interpreters) == 1

    def test_ends_with_the_loop(
        self, run: Callable[..., Any], interpreters: list[FakeInterpreters]
    ) -> None:
        async def main() -> None:
            ignore(async_(len, "", executor="interpreter"))
            await turn()

        run(main)

        assert interpreters[0].ended == [{"wait": False, "cancel_futures": True}]

    @pytest.mark.skipif(sys.version_info < (3, 14), reason="it comes with Python 3.14")
    async def test_runs_a_function(self) -> None:
        assert await async_(divmod, 7, 2, executor="interpreter") == (3, 1)
