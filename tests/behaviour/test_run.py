"""`run`: the result, what it raises, signals, and what it leaves behind: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NORMAL,
    SHUTDOWN,
    Exit,
    Exited,
    Process,
    process_info,
    processes,
    receive,
    register,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_link,
    whereis,
)

Run = Callable[..., Any]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def leave(reason: object) -> None:
    raise Exit(reason)


async def crash(error: BaseException) -> None:
    raise error


async def wait_with(peer: Callable[..., Any], *args: object) -> None:
    """Wait, linked to a new process."""
    spawn_link(peer, *args)
    await idle()


class TestResult:
    def test_is_what_main_returns(self, run: Run) -> None:
        async def main() -> str:
            return "result"

        assert run(main) == "result"

    def test_main_gets_its_arguments(self, run: Run) -> None:
        async def main(*args: object) -> tuple[object, ...]:
            return args

        assert run(main, 1, "two") == (1, "two")

    def test_keyword_arguments_travel_by_partial(self, run: Run) -> None:
        async def main(*, colour: str) -> str:
            return colour

        assert run(functools.partial(main, colour="red")) == "red"

    def test_main_may_be_a_coroutine_object(self, run: Run) -> None:
        async def main(value: int) -> int:
            return value

        assert run(main(7)) == 7

    def test_it_runs_as_a_process(self, run: Run) -> None:
        async def main() -> bool:
            return bool(processes() == [self_()])

        assert run(main) is True

    def test_it_can_be_run_again(self, run: Run) -> None:
        async def main(value: int) -> int:
            await sleep(0)
            return value

        assert [run(main, value) for value in range(10)] == list(range(10))


class TestRaises:
    @pytest.mark.parametrize(
        "error",
        [ValueError("boom"), KeyboardInterrupt(), SystemExit(3), Exit("boom")],
        ids=repr,
    )
    def test_what_main_raises(self, run: Run, error: BaseException) -> None:
        with pytest.raises(type(error)) as caught:
            run(crash, error)

        assert caught.value is error

    def test_with_the_traceback_of_main(self, run: Run) -> None:
        with pytest.raises(ValueError, match="boom") as caught:
            run(crash, ValueError("boom"))

        assert caught.traceback[-1].name == "crash"

    def test_a_cancelled_error_of_main(self, run: Run) -> None:
        with pytest.raises(asyncio.CancelledError):
            run(crash, asyncio.CancelledError())

    def test_the_exception_of_a_linked_process_that_crashed(self, run: Run) -> None:
        """Detail 1."""
        error = ValueError("boom")
        with pytest.raises(ValueError, match="boom") as caught:
            run(wait_with, crash, error)

        assert caught.value is error

    @pytest.mark.parametrize("reason", ["boom", SHUTDOWN, (SHUTDOWN, 1)])
    def test_exit_with_the_reason_of_a_linked_process(
        self, run: Run, reason: object
    ) -> None:
        """Detail 1."""
        with pytest.raises(Exit) as caught:
            run(wait_with, leave, reason)

        assert caught.value.reason == reason

    def test_exit_when_the_root_ends_itself_by_a_signal(self, run: Run) -> None:
        """Detail 1."""

        async def main() -> None:
            fastask.exit(self_(), "boom")

        with pytest.raises(Exit) as caught:
            run(main)
        assert caught.value.reason == "boom"

    def test_exit_killed_when_the_root_is_killed(self, run: Run) -> None:
        """Detail 1."""

        async def main() -> None:
            root = self_()

            async def killer() -> None:
                fastask.exit(root, KILL)

            spawn(killer)
            await idle()

        with pytest.raises(Exit) as caught:
            run(main)
        assert caught.value.reason is fastask.KILLED

    def test_the_reason_though_main_swallows_the_signal(self, run: Run) -> None:
        async def main() -> str:
            spawn_link(leave, "boom")
            with contextlib.suppress(BaseException):
                await idle()
            return "survived"

        with pytest.raises(Exit) as caught:
            run(main)
        assert caught.value.reason == "boom"

    def test_a_runtime_error_inside_a_running_loop(self, run: Run) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError):
                fastask.run(nothing)

        run(main)

    def test_no_warning_for_the_coroutine_it_refused(self, run: Run) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError):
                fastask.run(nothing())

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(main)
            gc.collect()

        assert [str(warning.message) for warning in caught] == []


class TestLoop:
    def test_is_the_one_the_factory_makes(self, loop_factory: LoopFactory) -> None:
        made: list[asyncio.AbstractEventLoop] = []

        def factory() -> asyncio.AbstractEventLoop:
            made.append(loop_factory())
            return made[-1]

        async def main() -> bool:
            return asyncio.get_running_loop() is made[0]

        assert fastask.run(main, loop_factory=factory) is True
        assert len(made) == 1

    def test_is_closed_afterwards(self, run: Run) -> None:
        async def main() -> asyncio.AbstractEventLoop:
            return asyncio.get_running_loop()

        assert run(main).is_closed()

    def test_is_closed_after_a_crash(self, run: Run) -> None:
        loops: list[asyncio.AbstractEventLoop] = []

        async def main() -> None:
            loops.append(asyncio.get_running_loop())
            raise ValueError("boom")

        with pytest.raises(ValueError, match="boom"):
            run(main)
        assert loops[0].is_closed()

    def test_is_uvloop_where_it_is_installed(self) -> None:
        pytest.importorskip("uvloop")

        async def main() -> str:
            return type(asyncio.get_running_loop()).__module__

        assert fastask.run(main).split(".")[0] == "uvloop"

    @pytest.mark.parametrize("debug", [True, False])
    def test_debug_reaches_it(self, run: Run, debug: bool) -> None:
        async def main() -> bool:
            return asyncio.get_running_loop().get_debug()

        assert run(main, debug=debug) is debug

    def test_none_runs_after_the_end(self, run: Run) -> None:
        async def main() -> None:
            await sleep(0)

        run(main)

        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()

    def test_works_outside_the_main_thread(self, run: Run) -> None:
        results: list[object] = []

        async def main() -> str:
            await sleep(0)
            return "result"

        thread = threading.Thread(target=lambda: results.append(run(main)))
        thread.start()
        thread.join(10.0)

        assert results == ["result"]


class TestEnd:
    def test_processes_still_alive_get_shutdown(self, run: Run) -> None:
        """Detail 1."""
        seen: list[object] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            seen.append((await receive(Exited)).reason)

        async def main() -> None:
            spawn(child, self_(), trap_exit=True)
            await receive()

        run(main)

        assert seen == [SHUTDOWN]

    def test_their_finally_blocks_run(self, run: Run) -> None:
        log: list[str] = []

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                await asyncio.sleep(0.01)
                log.append("finally")

        async def main() -> None:
            spawn(child, self_())
            await receive()

        run(main)

        assert log == ["finally"]

    def test_they_are_killed_after_the_grace(self, run: Run) -> None:
        """Detail 1."""
        log: list[str] = []

        async def stubborn(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                log.append("finally")

        async def main() -> Process:
            process = spawn(stubborn, self_(), trap_exit=True)
            await receive()
            return process

        started = time.monotonic()
        process = run(main, grace=0.05)
        elapsed = time.monotonic() - started

        assert not process.alive
        assert log == ["finally"]
        assert 0.05 <= elapsed < 5.0

    def test_it_returns_when_the_last_has_ended(self, run: Run) -> None:
        """Detail 1."""
        log: list[str] = []

        async def child(parent: Process, seconds: float) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                await asyncio.sleep(seconds)
                log.append("child")

        async def main() -> None:
            for seconds in (0.03, 0.01, 0.02):
                spawn(child, self_(), seconds)
            for _ in range(3):
                await receive()

        run(main)
        log.append("run")

        assert log == ["child", "child", "child", "run"]

    @pytest.mark.parametrize(
        "error", [ValueError("boom"), SystemExit(3), KeyboardInterrupt()], ids=repr
    )
    def test_processes_end_though_main_raised(
        self, run: Run, error: BaseException
    ) -> None:
        left: list[Process] = []

        async def main() -> None:
            left.append(spawn(idle))
            await sleep(0)
            raise error

        with pytest.raises(type(error)):
            run(main)
        assert [process.alive for process in left] == [False]

    def test_one_that_never_ran_never_runs(self, run: Run) -> None:
        log: list[str] = []

        async def child() -> None:
            log.append("child")

        async def main() -> Process:
            return spawn(child)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            process = run(main)
            gc.collect()

        assert not process.alive
        assert log == []
        assert [str(warning.message) for warning in caught] == []

    def test_a_process_that_starts_others_while_ending_is_no_way_out(
        self, run: Run
    ) -> None:
        started: list[Process] = []

        async def hydra(parent: Process | None) -> None:
            try:
                if parent is not None:
                    send(parent, "ready")
                await idle()
            finally:
                if len(started) < 5:
                    started.append(spawn(hydra, None))

        async def main() -> None:
            spawn(hydra, self_())
            await receive()

        run(main)

        assert started
        assert [process.alive for process in started] == [False] * len(started)

    def test_linked_processes_of_a_main_that_crashed_see_its_reason(
        self, run: Run
    ) -> None:
        seen: list[object] = []
        error = ValueError("boom")

        async def child(parent: Process) -> None:
            send(parent, "ready")
            seen.append((await receive(Exited)).reason)

        async def main() -> None:
            spawn_link(child, self_(), trap_exit=True)
            await receive()
            raise error

        with pytest.raises(ValueError, match="boom"):
            run(main)
        assert seen == [error]

    def test_timers_do_not_keep_it(self, run: Run) -> None:
        async def main() -> None:
            send_after(self_(), "message", 3600.0)

        started = time.monotonic()
        run(main)

        assert time.monotonic() - started < 5.0

    def test_names_are_gone_afterwards(self, run: Run) -> None:
        async def first() -> None:
            register("root")
            spawn(idle, name="worker")

        async def second() -> list[object]:
            return [whereis("root"), whereis("worker")]

        run(first)

        assert run(second) == [None, None]

    def test_plain_asyncio_tasks_are_cancelled(self, run: Run) -> None:
        log: list[str] = []

        async def plain(started: asyncio.Event) -> None:
            try:
                started.set()
                await asyncio.sleep(3600.0)
            finally:
                log.append("finally")

        async def main() -> None:
            started = asyncio.Event()
            task = asyncio.create_task(plain(started))
            await started.wait()
            assert not task.done()

        run(main)

        assert log == ["finally"]

    def test_async_generators_are_closed(self, run: Run) -> None:
        log: list[str] = []
        held: list[AsyncIterator[int]] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                log.append("closed")

        async def main() -> None:
            held.append(numbers())
            await anext(held[0])

        run(main)

        assert log == ["closed"]

    def test_a_handle_outlives_it(self, run: Run) -> None:
        async def main() -> Process:
            return spawn(idle, name="worker")

        process = run(main)
        send(process, "message")

        assert not process.alive
        assert isinstance(hash(process), int)

    def test_100_runs_leave_no_thread_and_no_loop(self, run: Run) -> None:
        async def main() -> asyncio.AbstractEventLoop:
            spawn(nothing)
            return asyncio.get_running_loop()

        before = threading.active_count()
        loops = [run(main) for _ in range(100)]

        assert all(loop.is_closed() for loop in loops)
        assert threading.active_count() == before

    def test_a_plain_thread_that_still_runs_is_named_in_a_warning(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Detail 19."""
        started, release = threading.Event(), threading.Event()

        def slow_function() -> None:
            started.set()
            release.wait(10.0)

        async def main() -> None:
            spawn(slow_function)
            while not started.is_set():
                await asyncio.sleep(0.001)

        before = time.monotonic()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(main)
        elapsed = time.monotonic() - before
        release.set()

        said = [*(str(one.message) for one in caught), caplog.text]
        assert elapsed < 5.0
        assert "slow_function" in "\n".join(said)


class TestNoLoop:
    @pytest.mark.parametrize(
        ("name", "args"),
        [
            ("self_", ()),
            ("spawn", (nothing,)),
            ("spawn_link", (nothing,)),
            ("spawn_monitor", (nothing,)),
            ("processes", ()),
            ("registered", ()),
            ("whereis", ("name",)),
            ("register", ("name",)),
            ("unregister", ("name",)),
            ("monitor", ("name",)),
            ("send", ("name", "message")),
            ("exit", ("name", "reason")),
            ("send_after", ("name", "message", 1.0)),
            ("start_timer", (1.0, "name", "message")),
            ("trap_exit", (True,)),
            ("alias", ()),
            ("receive_nowait", ()),
            ("set_label", ("label",)),
        ],
    )
    def test_every_verb_needs_a_running_loop(
        self, name: str, args: tuple[Any, ...]
    ) -> None:
        with pytest.raises(RuntimeError, match="loop"):
            getattr(fastask, name)(*args)

    def test_a_refused_coroutine_object_gives_no_warning(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with pytest.raises(RuntimeError):
                spawn(nothing())
            gc.collect()

        assert [str(warning.message) for warning in caught] == []

    def test_send_to_the_process_of_an_ended_run_is_silent(self, run: Run) -> None:
        async def main() -> tuple[Process, fastask.Ref]:
            return self_(), fastask.alias()

        process, address = run(main)
        send(process, "message")
        send(address, "message")

        assert not process.alive


class TestProcessRoot:
    def test_root_has_a_clean_mailbox_in_each_run(self, run: Run) -> None:
        async def main() -> list[object]:
            info = process_info(self_())
            assert info is not None
            seen = [*info.messages, *info.links, *info.monitored_by]
            send(self_(), "left over")
            return seen

        assert [run(main), run(main)] == [[], []]

    def test_awaiting_a_child_gives_its_result(self, run: Run) -> None:
        async def child() -> str:
            return "result"

        async def main() -> str:
            result: str = await spawn(child)
            return result

        assert run(main) == "result"

    def test_normal_end_of_a_linked_child_goes_unnoticed(self, run: Run) -> None:
        async def main() -> object:
            process = spawn_link(nothing)
            ref = fastask.monitor(process)
            down = await receive(ref)
            return down.reason

        assert run(main) is NORMAL
