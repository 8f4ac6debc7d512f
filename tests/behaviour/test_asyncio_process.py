"""A process is an asyncio future and the current task of the code it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    SHUTDOWN,
    Exit,
    Exited,
    Process,
    async_,
    await_many,
    exit,
    link,
    monitor,
    process_info,
    receive,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    unlink,
)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


def is_current(process: Process) -> bool:
    task: object = asyncio.current_task()
    return task is process


async def give(value: object) -> object:
    """Return a value after a turn."""
    await sleep(0)
    return value


async def leave(reason: object) -> None:
    raise Exit(reason)


async def crash(error: BaseException) -> None:
    raise error


async def answer_when_told() -> object:
    """Wait for a message and return it."""
    return await receive()


def equals(wanted: object) -> Callable[[object], bool]:
    return lambda message: bool(message == wanted)


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


async def wait_for_process(process: Process) -> object:
    """Await a process in whatever task this runs."""
    return await process


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


def monitors() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.monitors)


class TestCurrentTask:
    async def test_is_the_process(self) -> None:
        task: object = asyncio.current_task()

        assert task is self_()

    async def test_is_the_process_in_a_child(self) -> None:
        async def child() -> bool:
            task: object = asyncio.current_task()
            return task is self_()

        assert await spawn(child) is True

    async def test_is_the_same_after_every_kind_of_wait(self) -> None:
        async def child() -> list[bool]:
            seen = []
            for seconds in (0, 0.001):
                await sleep(seconds)
                seen.append(is_current(self_()))
                await asyncio.sleep(seconds)
                seen.append(is_current(self_()))
            return seen

        children = [spawn(child) for _ in range(5)]

        assert [await process for process in children] == [[True] * 4] * 5

    async def test_is_right_in_a_function_called_by_the_process(self) -> None:
        def deep() -> object:
            return asyncio.current_task()

        assert deep() is self_()

    async def test_is_none_in_a_callback_of_the_loop(self) -> None:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def callback() -> None:
            future.set_result(asyncio.current_task())

        asyncio.get_running_loop().call_soon(callback)

        assert await future is None

    async def test_is_put_back_when_a_kill_closes_another_process(self) -> None:
        seen: list[object] = []

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                seen.append("closed")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, KILL)
        task: object = asyncio.current_task()
        await receive(ref)

        assert task is self_()
        assert seen == ["closed"]


class TestFuture:
    async def test_a_process_is_one(self) -> None:
        process = spawn(idle)

        assert asyncio.isfuture(process)
        assert asyncio.ensure_future(process) is process
        await end(process)

    async def test_done_tells_whether_it_has_ended(self) -> None:
        process, ref = spawn_monitor(nothing)
        before = process.done()
        await receive(ref)

        assert (before, process.done()) == (False, True)

    async def test_result_is_what_the_function_returned(self) -> None:
        process, ref = spawn_monitor(give, "result")
        await receive(ref)

        assert process.result() == "result"

    async def test_result_before_the_end_is_an_invalid_state(self) -> None:
        process = spawn(idle)
        with pytest.raises(asyncio.InvalidStateError):
            process.result()
        await end(process)

    async def test_exception_is_what_the_function_raised(self) -> None:
        error = ValueError("boom")
        process, ref = spawn_monitor(crash, error)
        await receive(ref)

        assert process.exception() is error

    async def test_a_done_callback_is_called(self) -> None:
        seen: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        process = spawn(give, "result")
        process.add_done_callback(seen.set_result)

        assert await seen is process

    async def test_a_done_callback_of_an_ended_process_is_called(self) -> None:
        seen: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        process, ref = spawn_monitor(nothing)
        await receive(ref)
        process.add_done_callback(seen.set_result)

        assert await seen is process

    async def test_a_removed_done_callback_is_not_called(self) -> None:
        seen: list[object] = []
        process, ref = spawn_monitor(answer_when_told)
        process.add_done_callback(seen.append)
        removed = process.remove_done_callback(seen.append)
        send(process, "go")
        await receive(ref)
        await asyncio.sleep(0)

        assert removed == 1
        assert seen == []


class TestAwait:
    async def test_gives_the_result(self) -> None:
        """Detail 10."""
        assert await spawn(give, "result") == "result"

    async def test_gives_the_result_of_an_ended_process(self) -> None:
        process, ref = spawn_monitor(give, "result")
        await receive(ref)

        assert await process == "result"

    async def test_gives_the_result_again_and_again(self) -> None:
        process = spawn(give, "result")

        assert [await process, await process] == ["result", "result"]

    async def test_raises_its_exception(self) -> None:
        """Detail 10."""
        error = ValueError("boom")
        with pytest.raises(ValueError, match="boom") as caught:
            await spawn(crash, error)

        assert caught.value is error

    async def test_raises_its_exception_after_its_end(self) -> None:
        error = ValueError("boom")
        process, ref = spawn_monitor(crash, error)
        await receive(ref)

        with pytest.raises(ValueError, match="boom") as caught:
            await process
        assert caught.value is error

    @pytest.mark.parametrize("reason", ["boom", SHUTDOWN, (SHUTDOWN, 1), None])
    async def test_raises_exit_for_another_reason(self, reason: object) -> None:
        """Detail 10."""
        with pytest.raises(Exit) as caught:
            await spawn(leave, reason)

        assert caught.value.reason == reason

    async def test_raises_exit_killed_for_a_killed_process(self) -> None:
        process = spawn(idle)
        fastask.exit(process, KILL)

        with pytest.raises(Exit) as caught:
            await process
        assert caught.value.reason is fastask.KILLED

    async def test_raises_the_exception_of_an_exit_signal(self) -> None:
        error = ValueError("boom")
        process = spawn(idle)
        fastask.exit(process, error)

        with pytest.raises(ValueError, match="boom") as caught:
            await process
        assert caught.value is error

    async def test_raises_cancelled_error_after_cancel(self) -> None:
        """Detail 10."""
        process = spawn(idle)
        await sleep(0)
        process.cancel()

        with pytest.raises(asyncio.CancelledError):
            await process
        assert process.cancelled()

    async def test_by_many_gives_each_the_result(self) -> None:
        process = spawn(answer_when_told)
        waiters = [spawn(wait_for_process, process) for _ in range(10)]
        await sleep(0)
        send(process, "result")

        assert [await waiter for waiter in waiters] == ["result"] * 10

    async def test_leaves_the_mailbox_alone(self) -> None:
        send(self_(), "message")
        await spawn(give, "result")

        assert mailbox() == ["message"]

    async def test_messages_come_in_meanwhile(self) -> None:
        async def child(parent: Process) -> str:
            send(parent, "message")
            return "result"

        result = await spawn(child, self_())

        assert (result, mailbox()) == ("result", ["message"])

    async def test_an_exit_signal_ends_a_process_that_awaits_another(self) -> None:
        process = spawn(idle)
        waiter, ref = spawn_monitor(wait_for_process, process)
        await sleep(0)
        fastask.exit(waiter, "boom")

        assert (await receive(ref)).reason == "boom"
        await end(process)

    async def test_of_oneself_is_an_error(self) -> None:
        async def child() -> None:
            await self_()

        with pytest.raises(RuntimeError):
            await asyncio.wait_for(spawn(child), 5.0)


class TestAwaitFromPlainTask:
    async def test_gives_the_result(self) -> None:
        process = spawn(give, "result")
        task = asyncio.create_task(wait_for_process(process))

        assert await task == "result"

    @pytest.mark.usefixtures("crashes")
    async def test_raises_its_exception(self) -> None:
        process = spawn(crash, ValueError("boom"))
        task = asyncio.create_task(wait_for_process(process))

        with pytest.raises(ValueError, match="boom"):
            await task

    async def test_a_cancelled_plain_await_cancels_the_process(self) -> None:
        """Detail 7."""
        process, ref = spawn_monitor(idle)
        task = asyncio.create_task(wait_for_process(process))
        await asyncio.sleep(0)
        task.cancel()

        assert (await receive(ref)).reason is SHUTDOWN
        with pytest.raises(asyncio.CancelledError):
            await task

    def test_from_asyncio_run_alone(self, loop_factory: LoopFactory) -> None:
        async def main() -> list[object]:
            return [await spawn(give, 1), await asyncio.gather(spawn(give, 2))]

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(main()) == [1, [2]]


class TestGather:
    async def test_collects_results_in_order(self) -> None:
        results = await asyncio.gather(*(spawn(give, n) for n in range(10)))

        assert results == list(range(10))

    async def test_mixes_with_coroutines_and_futures(self) -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_result("future")
        results = await asyncio.gather(spawn(give, "process"), give("task"), future)

        assert list(results) == ["process", "task", "future"]

    async def test_raises_the_first_exception(self) -> None:
        process = spawn(idle)
        with pytest.raises(ValueError, match="boom"):
            await asyncio.gather(process, spawn(crash, ValueError("boom")))

        assert process.alive
        await end(process)

    async def test_returns_exceptions_when_asked(self) -> None:
        error = ValueError("boom")
        results = await asyncio.gather(
            spawn(give, 1), spawn(crash, error), return_exceptions=True
        )

        assert list(results) == [1, error]

    async def test_cancelled_it_cancels_the_processes(self) -> None:
        """Detail 7."""
        first, first_ref = spawn_monitor(idle)
        second, second_ref = spawn_monitor(idle)
        gathered = asyncio.gather(first, second)
        await sleep(0)
        gathered.cancel()

        assert (await receive(first_ref)).reason is SHUTDOWN
        assert (await receive(second_ref)).reason is SHUTDOWN
        with pytest.raises(asyncio.CancelledError):
            await gathered


class TestShield:
    async def test_gives_the_result(self) -> None:
        assert await asyncio.shield(spawn(give, "result")) == "result"

    async def test_keeps_the_process_when_the_wait_is_cancelled(self) -> None:
        """Detail 7."""
        process = spawn(answer_when_told)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process), 0.01)
        alive = process.alive
        send(process, "result")

        assert alive
        assert await process == "result"


class TestWait:
    async def test_tells_done_from_pending(self) -> None:
        quick, slow = spawn(give, "result"), spawn(idle)
        both: set[Any] = {quick, slow}
        done, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)

        assert (done, pending) == ({quick}, {slow})
        await end(slow)

    async def test_a_timeout_cancels_nothing(self) -> None:
        process = spawn(idle)
        one: set[Any] = {process}
        done, pending = await asyncio.wait(one, timeout=0.01)

        assert (done, pending) == (set(), {process})
        assert process.alive
        await end(process)

    async def test_as_completed_gives_results_as_they_come(self) -> None:
        slow, quick = spawn(answer_when_told), spawn(give, "quick")
        results = []
        for first in asyncio.as_completed([slow, quick], timeout=5.0):
            results.append(await first)
            if slow.alive:
                send(slow, "slow")

        assert results == ["quick", "slow"]


class TestWaitFor:
    async def test_gives_the_result(self) -> None:
        assert await asyncio.wait_for(spawn(give, "result"), 5.0) == "result"

    async def test_cancels_the_process_when_time_runs_out(self) -> None:
        """Detail 7."""
        process, ref = spawn_monitor(idle)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process, 0.01)

        assert (await receive(ref)).reason is SHUTDOWN

    async def test_takes_a_foreign_future_in_a_process(self) -> None:
        async def child() -> str:
            future = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(future, 0.01)
            except TimeoutError:
                return "timeout"
            return "result"

        assert await spawn(child) == "timeout"


class TestAsyncioTimeout:
    async def test_ends_a_receive(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await receive()

    async def test_ends_a_sleep(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await sleep(60.0)

    async def test_ends_a_foreign_wait(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.get_running_loop().create_future()

    async def test_the_process_goes_on_afterwards(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await receive()
        send_after(self_(), "message", 0.001)

        assert await receive() == "message"
        assert self_().cancelling() == 0

    async def test_a_receive_it_ended_takes_no_later_message(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await receive(int)
        send(self_(), 1)

        assert mailbox() == [1]

    async def test_in_time_it_does_nothing(self) -> None:
        send_after(self_(), "message", 0.001)
        async with asyncio.timeout(30.0):
            message = await receive()

        assert message == "message"

    async def test_nested_ones_fire_where_they_belong(self) -> None:
        where = []
        try:
            async with asyncio.timeout(30.0):
                try:
                    async with asyncio.timeout(0.01):
                        await receive()
                except TimeoutError:
                    where.append("inner")
        except TimeoutError:
            where.append("outer")

        assert where == ["inner"]

    async def test_ends_an_await_of_a_process_and_cancels_it(self) -> None:
        """Detail 7."""
        process, ref = spawn_monitor(idle)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await process

        assert (await receive(ref)).reason is SHUTDOWN


class TestTaskGroup:
    async def test_runs_its_tasks_in_a_process(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(give(number)) for number in range(5)]

        assert [task.result() for task in tasks] == list(range(5))

    async def test_one_that_fails_cancels_the_others(self) -> None:
        cancelled: list[str] = []

        async def waiter() -> None:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                cancelled.append("waiter")
                raise

        async def failing() -> None:
            await asyncio.sleep(0)
            raise ValueError("boom")

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(waiter())
                group.create_task(failing())
                await receive()

        assert [str(error) for error in caught.value.exceptions] == ["boom"]
        assert cancelled == ["waiter"]
        assert self_().cancelling() == 0

    async def test_its_tasks_can_await_processes(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(wait_for_process(spawn(give, number)))
                for number in range(5)
            ]

        assert [task.result() for task in tasks] == list(range(5))

    async def test_an_end_by_group_failure_cancels_awaited_processes(self) -> None:
        process, ref = spawn_monitor(idle)

        async def failing() -> None:
            await asyncio.sleep(0.001)
            raise ValueError("boom")

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(wait_for_process(process))
                group.create_task(failing())

        assert (await receive(ref)).reason is SHUTDOWN


class TestCancel:
    async def test_ends_the_process_with_shutdown(self) -> None:
        process, ref = spawn_monitor(idle)
        await sleep(0)
        cancelled = process.cancel()

        assert cancelled is True
        assert (await receive(ref)).reason is SHUTDOWN

    async def test_before_the_first_run_the_function_never_runs(self) -> None:
        ran: list[str] = []

        async def child() -> None:
            ran.append("child")

        process, ref = spawn_monitor(child)
        process.cancel()

        assert (await receive(ref)).reason is SHUTDOWN
        assert ran == []

    async def test_of_an_ended_process_is_false(self) -> None:
        process, ref = spawn_monitor(nothing)
        await receive(ref)

        assert process.cancel() is False
        assert not process.cancelled()

    async def test_reaches_linked_peers_as_shutdown(self) -> None:
        trap_exit(True)
        process = spawn_link(idle)
        await sleep(0)
        process.cancel()
        message = await receive(Exited)

        assert (message.process, message.reason) == (process, SHUTDOWN)

    async def test_does_not_ask_whether_the_process_traps(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            await receive()

        process, ref = spawn_monitor(child, self_(), trap_exit=True)
        await receive(str)
        process.cancel()

        assert (await receive(ref)).reason is SHUTDOWN

    async def test_brings_its_message(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await receive()
            except asyncio.CancelledError as caught:
                send(parent, caught.args)
                raise

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        process.cancel("why")

        assert await receive(tuple) == ("why",)
        await receive(ref)

    async def test_caught_the_process_lives_on(self) -> None:
        async def child(parent: Process) -> str:
            send(parent, "ready")
            with contextlib.suppress(asyncio.CancelledError):
                await receive()
            send(parent, "caught")
            message: str = await receive()
            return message

        process = spawn(child, self_())
        await receive(str)
        process.cancel()
        await receive(str)
        send(process, "result")

        assert await process == "result"
        assert not process.cancelled()

    async def test_may_await_while_it_cleans_up(self) -> None:
        """Asyncio's cancellation is no exit signal: own waits work as ever."""
        log: list[str] = []

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                await sleep(0.001)
                log.append(await receive(str))

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        process.cancel()
        send(process, "farewell")

        assert (await receive(ref)).reason is SHUTDOWN
        assert log == ["farewell"]

    async def test_raising_something_else_is_that_reason(self) -> None:
        error = ValueError("boom")

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            except asyncio.CancelledError:
                raise error from None

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        process.cancel()

        assert (await receive(ref)).reason is error

    async def test_an_exit_signal_after_it_has_the_last_word(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                send(parent, "cleaning up")
                await asyncio.get_running_loop().create_future()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        process.cancel()
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"

    async def test_cancelling_counts_and_uncancel_counts_back(self) -> None:
        async def child(parent: Process) -> list[int]:
            me = self_()
            counts = [me.cancelling()]
            send(parent, "ready")
            with contextlib.suppress(asyncio.CancelledError):
                await receive()
            counts.append(me.cancelling())
            counts.append(me.uncancel())
            counts.append(me.cancelling())
            return counts

        process = spawn(child, self_())
        await receive(str)
        process.cancel()

        assert await process == [0, 1, 0, 0]

    async def test_of_oneself_takes_effect_at_the_next_wait(self) -> None:
        log: list[str] = []

        async def child() -> None:
            self_().cancel()
            log.append("still here")
            await sleep(0)
            log.append("not here")

        process, ref = spawn_monitor(child)

        assert (await receive(ref)).reason is SHUTDOWN
        assert log == ["still here"]

    async def test_an_own_cancelled_error_ends_it_like_cancel(self) -> None:
        process, ref = spawn_monitor(crash, asyncio.CancelledError())

        assert (await receive(ref)).reason is SHUTDOWN
        with pytest.raises(asyncio.CancelledError):
            await process


class TestForeignWait:
    async def test_a_message_does_not_end_a_foreign_wait(self) -> None:
        future = asyncio.get_running_loop().create_future()

        async def child(parent: Process) -> list[object]:
            send(parent, "ready")
            return [await future, await receive()]

        process = spawn(child, self_())
        await receive()
        send(process, "message")
        await sleep(0)
        future.set_result("future")

        assert await process == ["future", "message"]

    async def test_linking_while_the_peer_is_in_a_foreign_wait(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            await asyncio.sleep(60.0)

        trap_exit(True)
        process = spawn(child, self_())
        await receive()
        link(process)
        fastask.exit(process, "boom")

        assert (await receive(Exited)).reason == "boom"


class TestATurnOfTheLoop:
    async def test_lets_what_the_loop_was_told_before_go_first(self) -> None:
        told: list[str] = []
        loop = asyncio.get_running_loop()

        async def gives_turns(name: str) -> None:
            for number in range(3):
                loop.call_soon(told.append, f"{name} {number} is called")
                await asyncio.sleep(0)
                told.append(f"{name} {number} goes on")

        await await_many([async_(gives_turns, name) for name in "abc"])

        for name in "abc":
            for number in range(3):
                called = told.index(f"{name} {number} is called")
                assert called < told.index(f"{name} {number} goes on")

    async def test_is_given_in_the_order_in_which_they_asked(self) -> None:
        told: list[int] = []

        async def gives_a_turn(number: int) -> None:
            await asyncio.sleep(0)
            told.append(number)

        await await_many([async_(gives_a_turn, number) for number in range(200)])

        assert told == list(range(200))

    async def test_is_over_for_who_was_killed_meanwhile(self) -> None:
        told: list[int] = []

        async def gives_a_turn(number: int) -> None:
            await asyncio.sleep(0)
            told.append(number)

        processes = [spawn(gives_a_turn, number) for number in range(3)]
        asyncio.get_running_loop().call_soon(exit, processes[1], KILL)
        await await_many([async_(gives_a_turn, 3)])

        assert told == [0, 2, 3]
