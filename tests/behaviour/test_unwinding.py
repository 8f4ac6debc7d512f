"""What the code of a process may still do once a signal has ended it: nothing much."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Exited,
    Process,
    monitor,
    process_info,
    receive,
    self_,
    send,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    whereis,
)


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def leave(reason: object) -> None:
    raise Exit(reason)


async def forever() -> None:
    """Wait for ever on something that is not fastask's."""
    await asyncio.get_running_loop().create_future()


def equals(wanted: object) -> Callable[[object], bool]:
    return lambda message: bool(message == wanted)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


class TestFinally:
    @pytest.mark.parametrize("wait", [idle, forever])
    async def test_runs_when_a_signal_ends_the_process(self, wait: Any) -> None:
        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await wait()
            finally:
                send(parent, "finally")

        process, ref = spawn_monitor(child, self_())
        await receive(equals("ready"))
        fastask.exit(process, "boom")

        assert await receive() == "finally"
        assert (await receive(ref)).reason == "boom"

    async def test_runs_after_the_callbacks_of_the_future_that_was_awaited(
        self,
    ) -> None:
        future = asyncio.get_running_loop().create_future()

        async def child(parent: Process) -> None:
            future.add_done_callback(lambda future: send(parent, "callback"))
            try:
                send(parent, "ready")
                await future
            finally:
                send(parent, "finally")

        process, ref = spawn_monitor(child, self_())
        await receive(equals("ready"))
        fastask.exit(process, "boom")

        assert await receive() == "callback"
        assert await receive() == "finally"
        assert (await receive(ref)).reason == "boom"
        assert future.cancelled()

    async def test_runs_when_the_process_is_killed(self) -> None:
        ran: list[str] = []

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                ran.append("finally")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, KILL)
        await receive(ref)

        assert ran == ["finally"]

    async def test_runs_when_a_linked_peer_crashes(self) -> None:
        async def child(parent: Process) -> None:
            spawn_link(leave, "boom")
            try:
                await idle()
            finally:
                send(parent, "finally")

        process, ref = spawn_monitor(child, self_())

        assert await receive() == "finally"
        assert (await receive(ref)).reason == "boom"

    async def test_runs_when_the_process_ends_itself(self) -> None:
        async def child(parent: Process) -> None:
            try:
                fastask.exit(self_(), "boom")
            finally:
                send(parent, "finally")

        process, ref = spawn_monitor(child, self_())

        assert await receive() == "finally"
        assert (await receive(ref)).reason == "boom"

    async def test_what_it_sends_arrives_before_the_down(self) -> None:
        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                send(parent, 1)
                send(parent, 2)

        for _ in range(200):
            process, ref = spawn_monitor(child, self_())
            await receive(str)
            fastask.exit(process, "boom")
            first, second, down = [await receive() for _ in range(3)]

            assert (first, second) == (1, 2)
            assert isinstance(down, Down)
            assert down.ref == ref

    async def test_context_managers_are_left_in_order(self) -> None:
        log: list[str] = []

        @contextlib.contextmanager
        def plain() -> Iterator[None]:
            try:
                yield
            finally:
                log.append("plain")

        @contextlib.asynccontextmanager
        async def waiting() -> AsyncIterator[None]:
            try:
                yield
            finally:
                await asyncio.sleep(0)
                log.append("waiting")

        async def child(parent: Process) -> None:
            with plain():
                async with waiting():
                    send(parent, "ready")
                    await idle()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")
        await receive(ref)

        assert log == ["waiting", "plain"]


class TestSignalIsNotCatchable:
    async def test_code_sees_a_cancelled_error(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            except asyncio.CancelledError as caught:
                send(parent, caught)
                raise

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert isinstance(await receive(), asyncio.CancelledError)
        assert (await receive(ref)).reason == "boom"

    async def test_except_exception_does_not_catch_it(self) -> None:
        caught: list[Exception] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            except Exception as error:
                caught.append(error)

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert caught == []

    @pytest.mark.parametrize("signal", ["boom", SHUTDOWN, KILL])
    async def test_swallowing_it_changes_nothing(self, signal: object) -> None:
        """PROC 50, PROC 52."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            with contextlib.suppress(BaseException):
                await idle()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, signal)

        assert (await receive(ref)).reason == (KILLED if signal is KILL else signal)
        assert mailbox() == []

    @pytest.mark.parametrize("signal", ["boom", SHUTDOWN, KILL])
    async def test_raising_something_else_changes_nothing(self, signal: object) -> None:
        """PROC 52."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                raise ValueError("from the finally block")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, signal)

        assert (await receive(ref)).reason == (KILLED if signal is KILL else signal)
        assert mailbox() == []

    async def test_raising_exit_changes_nothing(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                raise Exit("another reason")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    @pytest.mark.parametrize("signal", ["boom", SHUTDOWN, KILL])
    async def test_returning_changes_nothing(self, signal: object) -> None:
        """PROC 52."""

        async def child(parent: Process) -> str:
            send(parent, "ready")
            try:
                await idle()
            except BaseException:
                return "a result"
            return "not reached"

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, signal)

        assert (await receive(ref)).reason == (KILLED if signal is KILL else signal)
        assert mailbox() == []

    async def test_who_awaits_sees_the_reason_not_the_result(self) -> None:
        async def child(parent: Process) -> str:
            send(parent, "ready")
            try:
                await idle()
            except BaseException:
                return "a result"
            return "not reached"

        process = spawn(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        with pytest.raises(Exit) as caught:
            await process
        assert caught.value.reason == "boom"

    async def test_exit_in_a_finally_block_changes_nothing(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                fastask.exit(self_(), "another reason")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_trapping_too_late_changes_nothing(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            except BaseException:
                trap_exit(True)
                with contextlib.suppress(BaseException):
                    await receive()
            send(parent, "survived")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_every_observer_sees_the_reason_exactly_once(self) -> None:
        """PROC 52."""
        trap_exit(True)

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                with contextlib.suppress(BaseException):
                    await asyncio.sleep(0.001)
                raise ValueError("from the finally block")

        process, ref = spawn_monitor(child, self_())
        second = monitor(process)
        fastask.link(process)
        await receive(str)
        fastask.exit(process, "boom")
        exited, downs = await receive(Exited), [await receive(Down) for _ in range(2)]

        assert exited.reason == "boom"
        assert {down.ref for down in downs} == {ref, second}
        assert [down.reason for down in downs] == ["boom", "boom"]
        assert mailbox() == []

    async def test_asyncio_timeout_cannot_turn_it_into_something_else(self) -> None:
        """Gotcha 56."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30.0):
                    await idle()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_asyncio_wait_for_cannot_turn_it_into_something_else(self) -> None:
        """Gotcha 56."""

        async def child(parent: Process) -> None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            send(parent, future)
            with contextlib.suppress(BaseException):
                await asyncio.wait_for(future, 30.0)

        process, ref = spawn_monitor(child, self_())
        future = await receive()
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert future.cancelled()

    async def test_a_task_group_cannot_turn_it_into_something_else(self) -> None:
        """Gotcha 56."""
        cleaned: list[str] = []

        async def part() -> None:
            try:
                await asyncio.sleep(30.0)
            finally:
                cleaned.append("part")

        async def child(parent: Process) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(part())
                group.create_task(part())
                await asyncio.sleep(0)
                send(parent, "ready")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert cleaned == ["part", "part"]

    async def test_a_failing_task_group_cannot_hide_it(self) -> None:
        async def part() -> None:
            try:
                await asyncio.sleep(30.0)
            finally:
                raise ValueError("from the part")

        async def child(parent: Process) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(part())
                await asyncio.sleep(0)
                send(parent, "ready")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_uncancel_does_not_save_the_process(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await forever()
            except asyncio.CancelledError:
                me = asyncio.current_task()
                assert me is not None
                while me.cancelling():
                    me.uncancel()
            await receive()
            send(parent, "survived")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"


class TestForeignWaits:
    async def test_are_honoured_while_unwinding(self) -> None:
        log: list[str] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                await asyncio.sleep(0.01)
                log.append("cleaned up")
                await asyncio.sleep(0.01)
                log.append("twice")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert log == ["cleaned up", "twice"]

    async def test_give_their_results_while_unwinding(self) -> None:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                send(parent, "unwinding")
                send(parent, await answer)

        process, ref = spawn_monitor(child, self_())
        await receive(equals("ready"))
        fastask.exit(process, "boom")
        await receive(equals("unwinding"))
        answer.set_result("the answer")

        assert await receive() == "the answer"
        assert (await receive(ref)).reason == "boom"

    async def test_a_process_is_alive_until_unwinding_has_ended(self) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                send(parent, "unwinding")
                await answer

        process, ref = spawn_monitor(child, self_(), name="worker")
        await receive(equals("ready"))
        fastask.exit(process, "boom")
        await receive(equals("unwinding"))
        before = (process.alive, whereis("worker"), mailbox())
        answer.set_result(None)
        await receive(ref)

        assert before == (True, process, [])
        assert (process.alive, whereis("worker")) == (False, None)

    @pytest.mark.parametrize("grace", [0, 0.02])
    async def test_are_cut_off_when_the_grace_is_over(self, grace: float) -> None:
        log: list[str] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                await asyncio.sleep(30.0)
                log.append("cleaned up")

        process, ref = spawn_monitor(child, self_(), grace=grace)
        await receive(str)
        started = time.monotonic()
        fastask.exit(process, "boom")
        down = await receive(ref)
        elapsed = time.monotonic() - started

        assert down.reason == "boom"
        assert log == []
        assert grace <= elapsed < 5.0

    async def test_the_grace_of_run_counts_without_one_of_its_own(self) -> None:
        """The tests run with `fastask.run(..., grace=1.0)`."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                await asyncio.sleep(30.0)

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        started = time.monotonic()
        fastask.exit(process, "boom")
        await receive(ref)

        assert 1.0 <= time.monotonic() - started < 5.0

    async def test_a_loop_that_swallows_everything_ends_with_the_grace(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            while self_().alive:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.001)

        process, ref = spawn_monitor(child, self_(), grace=0.02)
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert not process.alive


class TestAsyncGenerators:
    async def test_one_that_is_being_read_is_closed(self) -> None:
        log: list[str] = []

        async def numbers() -> AsyncGenerator[int, None]:
            try:
                number = 0
                while True:
                    yield number
                    number += 1
                    await asyncio.sleep(0)
            finally:
                log.append("closed")

        async def child(parent: Process) -> None:
            async with contextlib.aclosing(numbers()) as source:
                async for number in source:
                    if number == 3:
                        send(parent, "ready")
                        await idle()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")
        await receive(ref)

        assert log == ["closed"]

    async def test_one_that_swallows_the_signal_does_not_save_the_process(self) -> None:
        async def numbers() -> AsyncIterator[int]:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await forever()
                yield 0

        async def child(parent: Process) -> None:
            send(parent, "ready")
            async for _ in numbers():
                await receive()

        process, ref = spawn_monitor(child, self_(), grace=0.05)
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"


class TestOwnExit:
    async def test_its_cleanup_may_still_wait_and_receive(self) -> None:
        """`Exit` is an exception like others: nothing is being unwound by force."""

        async def child(parent: Process) -> None:
            try:
                raise Exit("boom")
            finally:
                send(parent, "what now?")
                send(parent, await receive())

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        send(process, "an answer")

        assert await receive() == "an answer"
        assert (await receive(ref)).reason == "boom"

    async def test_swallowed_it_is_forgotten(self) -> None:
        async def child() -> None:
            with contextlib.suppress(Exit):
                await leave("boom")
            await sleep(0)

        process, ref = spawn_monitor(child)

        assert (await receive(ref)).reason is NORMAL
