"""Plain functions in worker processes: what goes there, and what comes back."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import threading
import traceback
from typing import Any

import pytest

import fastask.testing
from fastask import (
    Failed,
    Ok,
    TaskSupervisor,
    WorkerError,
    async_,
    async_nolink,
    async_stream,
    await_many,
    limit_executor,
    self_,
    yield_,
)
from tests.behaviour import in_worker
from tests.behaviour.in_worker import Door

pytestmark = pytest.mark.usefixtures("bare_main")


async def reason_of(fn: Any, *args: Any) -> Any:
    """What a task in a worker process ends with when it fails."""
    outcome = await yield_(async_nolink(fn, *args, executor="process"), 20.0)
    assert isinstance(outcome, Failed)
    return outcome.reason


class TestValue:
    async def test_comes_from_another_os_process(self) -> None:
        pid = await async_(os.getpid, executor="process")

        assert pid != os.getpid()

    async def test_is_that_of_the_arguments(self) -> None:
        fn = functools.partial(int, base=2)

        assert await async_(fn, "101", executor="process") == 5

    async def test_may_be_larger_than_a_pipe(self) -> None:
        data = bytes(3_000_000)

        assert await async_(bytes, data, executor="process") == data

    async def test_comes_from_the_same_worker_again(self) -> None:
        first = await async_(os.getpid, executor="process")
        second = await async_(os.getpid, executor="process")

        assert first == second

    async def test_does_not_hold_up_the_loop(self) -> None:
        with Door() as door:
            task = async_(in_worker.stay, door.port, executor="process")
            visitor = await door.opened()
            visitor.let_go()

            assert await task == visitor.pid

    async def test_of_a_task_under_a_supervisor(self) -> None:
        async with TaskSupervisor() as tasks:
            pid = await tasks.async_(os.getpid, executor="process")

        assert pid != os.getpid()

    async def test_that_cannot_be_pickled_is_a_type_error(self) -> None:
        reason = await reason_of(open, os.devnull)

        assert isinstance(reason, TypeError)
        assert "open returned one of <class '_io.TextIOWrapper'>" in str(reason)

    async def test_that_cannot_be_unpickled_is_a_type_error(self) -> None:
        reason = await reason_of(in_worker.make_unreadable)

        assert isinstance(reason, TypeError)
        assert str(reason) == "make_unreadable must return what can be unpickled: " + (
            "unreadable"
        )

    async def test_that_is_a_coroutine_is_a_type_error(self) -> None:
        reason = await reason_of(in_worker.make_coroutine)

        assert isinstance(reason, TypeError)
        assert "got the plain function make_coroutine" in str(reason)


class TestArgument:
    async def test_that_cannot_be_pickled_is_named(self) -> None:
        reason = await reason_of(max, 1, threading.Lock())

        assert isinstance(reason, TypeError)
        assert str(reason).startswith(
            "argument 2 of max must be picklable for executor='process', "
            "got <unlocked _thread.lock"
        )

    async def test_that_is_a_process_is_refused(self) -> None:
        assert isinstance(await reason_of(len, self_()), TypeError)

    async def test_for_a_function_that_cannot_be_pickled_is_named(self) -> None:
        reason = await reason_of(lambda: 1)

        assert isinstance(reason, TypeError)
        assert str(reason).startswith(
            "fn must be picklable for executor='process', got <function"
        )

    async def test_that_cannot_be_pickled_needs_no_worker(self) -> None:
        await reason_of(lambda: 1)

        assert not [t for t in threading.enumerate() if "fastask-process" in t.name]

    async def test_is_sent_without_the_context_variables(self) -> None:
        in_worker.language.set("Elixir")

        assert await async_(in_worker.read_language, executor="process") == "none"


class TestException:
    async def test_is_raised_in_the_awaiter(self) -> None:
        task = async_nolink(in_worker.fail, "boom", executor="process")

        with pytest.raises(ValueError, match="boom"):
            await task

    async def test_has_the_traceback_of_the_worker_as_its_cause(self) -> None:
        reason = await reason_of(in_worker.fail, "boom")

        cause = str(reason.__cause__)
        assert 'in_worker.py", line' in cause
        assert "in fail" in cause
        assert "ValueError: boom" in cause

    async def test_has_no_frame_of_ours_in_that_traceback(self) -> None:
        reason = await reason_of(in_worker.fail, "boom")

        assert "_core" not in str(reason.__cause__)

    async def test_has_that_traceback_in_what_is_logged(self) -> None:
        reason = await reason_of(in_worker.fail, "boom")

        assert "in_worker.py" in "".join(traceback.format_exception(reason))

    async def test_that_cannot_be_pickled_is_told_in_words(self) -> None:
        reason = await reason_of(in_worker.fail_oddly)

        assert isinstance(reason, WorkerError)
        assert reason.exitcode is None
        assert "fail_oddly raised tests.behaviour.in_worker.OddError: oddly" in str(
            reason
        )
        assert "in fail_oddly" in str(reason.__cause__)

    async def test_leaves_the_worker_alive(self) -> None:
        limit_executor("process", 1)
        before = await async_(os.getpid, executor="process")
        await reason_of(in_worker.fail, "boom")

        assert await async_(os.getpid, executor="process") == before

    async def test_of_exit_ends_the_process_with_its_reason(self) -> None:
        assert await reason_of(in_worker.leave_early) == "enough"

    async def test_of_stop_iteration_is_a_runtime_error(self) -> None:
        reason = await reason_of(next, iter([]))

        assert isinstance(reason, RuntimeError)

    async def test_of_a_function_that_the_worker_does_not_find(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def only_here() -> None: ...

        only_here.__qualname__ = "only_here"
        only_here.__module__ = in_worker.__name__
        monkeypatch.setattr(in_worker, "only_here", only_here, raising=False)
        reason = await reason_of(only_here)

        assert isinstance(reason, AttributeError)
        assert "only_here" in str(reason)


class TestStream:
    async def test_keeps_the_order_over_several_workers(self) -> None:
        limit_executor("process", 2)
        stream = async_stream(
            [-3, 2, -1, 0], abs, executor="process", max_concurrency=2, timeout=None
        )

        assert [outcome async for outcome in stream] == [Ok(3), Ok(2), Ok(1), Ok(0)]

    async def test_runs_in_workers_side_by_side(self) -> None:
        limit_executor("process", 2)
        with Door() as door:
            tasks = [
                async_(in_worker.stay, door.port, executor="process") for _ in range(2)
            ]
            visitors = [await door.opened(), await door.opened()]
            for visitor in visitors:
                visitor.let_go()

            assert {*await await_many(tasks, 20.0)} == {v.pid for v in visitors}
            assert visitors[0].pid != visitors[1].pid


class TestVirtualTime:
    def test_stands_while_a_worker_works(self) -> None:
        async def main() -> float:
            begin = asyncio.get_running_loop().time()
            async with asyncio.timeout(0.001):
                assert await async_(divmod, 7, 2, executor="process") == (3, 1)
            return asyncio.get_running_loop().time() - begin

        assert fastask.testing.run(main, seed=1) == 0

    @pytest.mark.slow
    def test_goes_on_while_a_worker_takes_long(self) -> None:
        async def main() -> None:
            with Door() as door:
                task = async_(in_worker.stay, door.port, executor="process")
                (await door.opened()).let_go()
                assert await task != os.getpid()

        fastask.testing.run(main, seed=1)


async def test_a_function_of_the_main_module_is_found(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import fastask\n\n"
        "def double(x):\n    return 2 * x\n\n"
        "async def main():\n"
        "    print(await fastask.async_(double, 21, executor='process'))\n\n"
        "if __name__ == '__main__':\n    fastask.run(main)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()

    assert out.split() == [b"42"]


async def test_a_main_module_without_a_guard_is_told_what_it_lacks(
    tmp_path: Any,
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import fastask\n\n"
        "async def main():\n"
        "    await fastask.async_(abs, -1, executor='process')\n\n"
        "fastask.run(main)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert b"if __name__ == '__main__'" in errors.splitlines()[-1]
