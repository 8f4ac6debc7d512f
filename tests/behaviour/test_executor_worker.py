"""Worker processes end when they should, and take nobody with them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]  # where no stubs are
import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    KILL,
    KILLED,
    TIMEOUT,
    Exit,
    Failed,
    Ok,
    Process,
    TaskTimeoutError,
    WorkerError,
    async_,
    async_nolink,
    async_stream,
    limit_executor,
    shutdown,
    yield_,
    yield_many,
)
from fastask._core.scheduler import scheduler_for
from fastask._core.worker import PATIENCE
from tests.behaviour import in_worker
from tests.behaviour.in_worker import WAIT, Door

pytestmark = pytest.mark.usefixtures("bare_main")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def door() -> Iterator[Door]:
    """Where functions knock that have begun."""
    with Door() as door:
        yield door


def workers() -> list[int]:
    """The worker processes of this program.

    The first program of a container also has the orphans of all others as children.
    """
    return [
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE
        and "resource_tracker" not in " ".join(child.cmdline())
    ]


def process_of(task: fastask.Task[Any]) -> Process[Any]:
    """The process of a task that has one."""
    assert task.process is not None
    return task.process


class TestDeath:
    @pytest.mark.parametrize(
        ("fn", "args", "exitcode", "words"),
        [
            (os._exit, (7,), 7, "ended with exit code 7 while it ran _exit"),
            (os._exit, (0,), 0, "ended with exit code 0 while it ran _exit"),
            pytest.param(
                signal.raise_signal,
                (getattr(signal, "SIGKILL", 9),),
                -9,
                "was ended by SIGKILL while it ran raise_signal",
                marks=pytest.mark.skipif(sys.platform == "win32", reason="no signals"),
            ),
        ],
        ids=["exit", "exit without an error", "signal"],
    )
    async def test_is_the_crash_of_the_task(
        self, fn: Callable[[int], None], args: Any, exitcode: int, words: str
    ) -> None:
        outcome = await yield_(async_nolink(fn, *args, executor="process"), WAIT)

        assert isinstance(outcome, Failed)
        assert isinstance(outcome.reason, WorkerError)
        assert outcome.reason.exitcode == exitcode
        assert words in str(outcome.reason)

    async def test_by_a_stranger_is_the_crash_of_the_task(self, door: Door) -> None:
        task = async_nolink(in_worker.stay, door.port, executor="process")
        psutil.Process((await door.opened()).pid).kill()

        with pytest.raises(WorkerError, match="while it ran stay"):
            await task

    async def test_leaves_the_other_workers_alone(self, door: Door) -> None:
        limit_executor("process", 2)
        other = async_(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()
        with pytest.raises(WorkerError):
            await async_nolink(os._exit, 1, executor="process")
        visitor.let_go()

        assert await other == visitor.pid

    async def test_is_followed_by_another_worker(self) -> None:
        limit_executor("process", 1)
        first = await async_(os.getpid, executor="process")
        with pytest.raises(WorkerError):
            await async_nolink(os._exit, 1, executor="process")

        assert await async_(os.getpid, executor="process") != first
        assert not psutil.pid_exists(first)

    async def test_while_idle_harms_nobody(self, door: Door) -> None:
        limit_executor("process", 1)
        task = async_(in_worker.knock_and_return, door.port, executor="process")
        visitor = await door.opened()
        first = await task
        psutil.Process(first).kill()
        await visitor.gone()

        assert await async_(os.getpid, executor="process") != first

    async def test_fails_its_element_of_a_stream(self) -> None:
        limit_executor("process", 1)
        fastask.trap_exit(True)
        stream = async_stream(
            [1, 2, 3], in_worker.die_for_item, executor="process", max_concurrency=2
        )
        first, second, third = [outcome async for outcome in stream]

        assert (first, third) == (Ok(1), Ok(3))
        assert isinstance(second, Failed)
        assert isinstance(second.reason, WorkerError)

    @pytest.mark.skipif(
        not hasattr(os, "pidfd_open"), reason="only Linux tells of it without a pipe"
    )
    async def test_is_seen_though_a_fork_holds_the_pipe(self, door: Door) -> None:
        task = async_nolink(in_worker.fork_and_die, door.port, executor="process")
        fork = await door.opened()
        async with asyncio.timeout(WAIT):
            with pytest.raises(WorkerError, match="exit code 3"):
                await task
        fork.let_go()


class TestKill:
    @pytest.mark.parametrize("reason", [KILL, "stop"])
    async def test_ends_the_worker(self, door: Door, reason: object) -> None:
        task = async_nolink(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()
        fastask.exit(process_of(task), reason)

        expected = KILLED if reason == KILL else reason
        assert await yield_(task, 1.0) == Failed(expected)
        await visitor.gone()

    @pytest.mark.parametrize("timeout", [5.0, BRUTAL_KILL])
    async def test_of_a_shutdown_ends_the_worker(
        self, door: Door, timeout: Any
    ) -> None:
        task = async_(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()

        assert await shutdown(task, timeout) is None
        await visitor.gone()

    async def test_of_a_late_task_ends_the_worker(self, door: Door) -> None:
        task = async_(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()

        assert await yield_many([task], 0.0, on_timeout="kill_task") == [(task, None)]
        await visitor.gone()

    async def test_by_a_cancellation_ends_the_worker(self, door: Door) -> None:
        task = async_nolink(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()
        process_of(task).cancel()

        with pytest.raises(Exit):
            await task
        await visitor.gone()

    async def test_frees_the_slot_and_the_pid(self, door: Door) -> None:
        limit_executor("process", 1)
        task = async_(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()
        waiting = async_(os.getpid, executor="process")
        await shutdown(task, BRUTAL_KILL)

        assert await waiting != visitor.pid
        assert not psutil.pid_exists(visitor.pid)

    async def test_logs_nothing(
        self, door: Door, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = async_(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()
        await shutdown(task, BRUTAL_KILL)
        await visitor.gone()
        await async_(os.getpid, executor="process")

        assert caplog.records == []

    async def test_before_the_worker_is_ready_ends_the_task(self) -> None:
        limit_executor("process", 1)
        task = async_(time.sleep, 60, executor="process")
        await fastask.sleep(0)

        assert await shutdown(task, BRUTAL_KILL) is None
        assert await async_(abs, -1, executor="process") == 1

    async def test_of_a_waiting_task_does_not_begin_it(self, door: Door) -> None:
        limit_executor("process", 1)
        first = async_(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()
        second = async_(in_worker.stay, door.port, executor="process")
        third = async_(abs, -3, executor="process")
        await fastask.sleep(0)
        await shutdown(second, BRUTAL_KILL)
        visitor.let_go()

        assert await first == visitor.pid
        assert await third == 3

    async def test_of_a_late_item_frees_its_slot(self, door: Door) -> None:
        limit_executor("process", 1)
        await async_(
            abs, 1, executor="process"
        )  # the time of an item is from its start
        stream = async_stream(
            [0, 1],
            in_worker.stay_for_item,
            door.port,
            executor="process",
            max_concurrency=1,
            timeout=0.5,
            on_timeout="kill_task",
        )

        assert [outcome async for outcome in stream] == [Ok(0), Failed(TIMEOUT)]
        await (await door.opened()).gone()
        assert await async_(abs, -2, executor="process") == 2

    async def test_by_await_leaves_none_behind(self, door: Door) -> None:
        task = async_nolink(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()

        with pytest.raises(TaskTimeoutError):
            await task.await_(0.01)
        await shutdown(task, BRUTAL_KILL)
        await visitor.gone()


class TestIdleness:
    async def test_ends_a_worker_after_a_while(self, door: Door) -> None:
        limit_executor("process", 1)
        pools = scheduler_for(asyncio.get_running_loop()).pools
        assert pools is not None
        pool = pools.pool("process")
        assert pool.patience == PATIENCE
        pool.patience = 0.01
        task = async_(in_worker.knock_and_return, door.port, executor="process")
        visitor = await door.opened()
        first = await task
        await visitor.gone()

        assert await async_(os.getpid, executor="process") != first


class TestEndOfRun:
    def test_leaves_no_idle_worker(self, run: Callable[..., Any]) -> None:
        pid = run(call_one)

        assert not psutil.pid_exists(pid)
        assert workers() == []

    def test_leaves_no_busy_worker(self, run: Callable[..., Any]) -> None:
        async def main() -> int:
            with Door() as door:
                fastask.ignore(
                    async_nolink(in_worker.stay, door.port, executor="process")
                )
                return (await door.opened()).pid

        began = time.monotonic()
        pid = run(main)

        assert not psutil.pid_exists(pid)
        assert workers() == []
        assert time.monotonic() - began < 5.0

    def test_lets_an_idle_worker_end_in_order(
        self, run: Callable[..., Any], tmp_path: Path
    ) -> None:
        async def main() -> None:
            await async_(
                in_worker.touch_at_exit, str(tmp_path / "ended"), executor="process"
            )

        run(main)

        assert (tmp_path / "ended").exists()

    def test_of_asyncio_leaves_no_worker(self) -> None:
        pid = asyncio.run(call_one())

        assert not psutil.pid_exists(pid)
        assert workers() == []

    def test_leaves_no_thread(self, run: Callable[..., Any]) -> None:
        run(call_one)

        assert [t for t in threading.enumerate() if "fastask" in t.name] == []


async def call_one() -> int:
    """Have a worker."""
    return await async_(os.getpid, executor="process")


PARENT = """
import sys, time, fastask
from tests.behaviour import in_worker

async def main():
    await fastask.async_(in_worker.{fn}, {port}, executor="process")
    print("returned", flush=True)
    {then}

{run}
"""


@contextlib.asynccontextmanager
async def program(
    door: Door, fn: str, then: str, run: str = "fastask.run(main)"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run another program whose worker calls `fn`."""
    text = PARENT.format(fn=fn, port=door.port, then=then, run=run)
    package = Path(fastask.__file__).resolve().parents[1]  # installed, or a checkout
    paths = os.pathsep.join([str(ROOT), str(package)])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        text,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


class TestParentKilled:
    async def test_ends_a_worker_that_works(self, door: Door) -> None:
        async with program(door, "stay", "") as parent:
            visitor = await door.opened()
            parent.kill()
            await visitor.gone()

    async def test_ends_a_worker_that_is_idle(self, door: Door) -> None:
        then = "await fastask.sleep(None)"
        async with program(door, "knock_and_return", then) as parent:
            visitor = await door.opened()
            assert parent.stdout is not None
            assert await parent.stdout.readline() == b"returned" + os.linesep.encode()
            parent.kill()
            await visitor.gone()


class TestExitOfTheProgram:
    async def test_does_not_wait_for_the_worker_of_a_loop_left_open(
        self, door: Door
    ) -> None:
        run = "import asyncio; asyncio.new_event_loop().run_until_complete(main())"
        async with program(door, "knock_and_return", "", run) as parent:
            visitor = await door.opened()
            async with asyncio.timeout(WAIT):
                assert await parent.wait() == 0
            await visitor.gone()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise")
class TestInterrupt:
    async def test_is_left_to_the_parent(self, door: Door) -> None:
        task = async_(in_worker.stay, door.port, executor="process")
        visitor = await door.opened()
        os.kill(visitor.pid, signal.SIGINT)
        visitor.let_go()

        assert await task == visitor.pid

    async def test_of_the_parent_ends_the_worker(self, door: Door) -> None:
        async with program(door, "stay", "") as parent:
            visitor = await door.opened()
            parent.send_signal(signal.SIGINT)
            await visitor.gone()
            async with asyncio.timeout(WAIT):
                assert await parent.wait() != 0
