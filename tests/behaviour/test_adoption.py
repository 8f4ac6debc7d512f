"""Adoption: any coroutine of an asyncio program may use fastask as it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Exited,
    Ok,
    Process,
    Ref,
    TaskTimeoutError,
    async_,
    async_stream,
    await_,
    exit,
    link,
    make_ref,
    monitor,
    process_info,
    processes,
    receive,
    receive_nowait,
    register,
    registered,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    whereis,
)

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment,unused-ignore]  # Windows has no uvloop

T = TypeVar("T")
Main = Callable[[], Coroutine[Any, Any, T]]

WAIT = 5.0


class TaskError(Exception):
    """What a failing process raises."""


class Adopt:
    """Runs a main coroutine as `asyncio.run` does, on the loop under test."""

    def __init__(
        self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
    ) -> None:
        self.loop_factory = loop_factory

    def __call__(self, main: Main[T]) -> T:
        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            return runner.run(main())


@pytest.fixture
def adopt(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Adopt:
    """A stand-in for `asyncio.run` on the loop under test."""
    return Adopt(loop_factory)


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [result async for result in stream]


async def double(item: int) -> int:
    return item * 2


async def forever() -> None:
    await asyncio.Event().wait()


async def echo() -> None:
    while True:
        sender, message = await receive()
        send(sender, message)


async def fail(error: Exception) -> None:
    raise error


async def start(
    body: Main[T],
) -> tuple[asyncio.Task[T], Process, asyncio.Event]:
    """Start a plain task that is a process; it runs `body` when the event is set."""

    async def work() -> T:
        told.set_result(self_())
        await gate.wait()
        return await body()

    told: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
    gate = asyncio.Event()
    task = asyncio.create_task(work())
    return task, await told, gate


async def reason_of(ref: Ref) -> object:
    down = await receive(ref, timeout=WAIT)
    assert isinstance(down, Down)
    return down.reason


class TestWhere:
    def test_under_asyncio_run(self) -> None:
        async def main() -> int:
            return await async_(double, 2)

        assert asyncio.run(main()) == 4

    @pytest.mark.skipif(uvloop is None, reason="there is no uvloop here")
    def test_under_uvloop_run(self) -> None:
        async def main() -> int:
            return await async_(double, 2)

        assert uvloop is not None
        assert uvloop.run(main()) == 4

    def test_in_a_task_beside_the_main_one(self, adopt: Adopt) -> None:
        async def work() -> int:
            return await async_(double, 2)

        async def main() -> list[int]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work()) for _ in range(3)]
            return [task.result() for task in tasks]

        assert adopt(main) == [4, 4, 4]

    def test_in_an_eager_task(self, adopt: Adopt) -> None:
        if sys.version_info < (3, 12):
            pytest.skip("no eager tasks yet")
        if sys.version_info[:3] == (3, 13, 0):
            pytest.skip("uvloop passes eager_start, which 3.13.0's factory refuses")

        async def work() -> tuple[Process, int]:
            return self_(), await async_(double, 2)

        async def main() -> bool:
            loop = asyncio.get_running_loop()
            eager = asyncio.eager_task_factory  # pyright: ignore[reportAttributeAccessIssue]
            loop.set_task_factory(eager)
            process, value = await asyncio.create_task(work())
            return process != self_() and value == 4

        assert adopt(main) is True


class TestIdentity:
    def test_a_task_is_the_same_process_each_time(self, adopt: Adopt) -> None:
        async def main() -> bool:
            before = self_()
            await asyncio.sleep(0)
            await sleep(0)
            return self_() is before

        assert adopt(main) is True

    def test_functions_that_it_calls_are_in_the_same_process(
        self, adopt: Adopt
    ) -> None:
        async def inner() -> Process:
            await asyncio.sleep(0)
            return self_()

        async def main() -> bool:
            return await inner() is self_()

        assert adopt(main) is True

    def test_each_task_is_a_process_of_its_own(self, adopt: Adopt) -> None:
        async def me() -> Process:
            return self_()

        async def main() -> int:
            found = await asyncio.gather(*(asyncio.create_task(me()) for _ in "abc"))
            return len({*found, self_()})

        assert adopt(main) == 4

    def test_a_task_that_never_calls_is_no_process(self, adopt: Adopt) -> None:
        async def main() -> bool:
            other = asyncio.create_task(forever())
            await asyncio.sleep(0)
            found = processes()
            other.cancel()
            return found == [self_()]

        assert adopt(main) is True

    def test_adoption_does_not_replace_the_task(self, adopt: Adopt) -> None:
        async def main() -> bool:
            before = asyncio.current_task()
            self_()
            return asyncio.current_task() is before

        assert adopt(main) is True

    def test_an_adopted_task_is_listed(self, adopt: Adopt) -> None:
        async def main() -> bool:
            me = self_()
            return me.alive and processes() == [me] and process_info(me) is not None

        assert adopt(main) is True


class TestMailbox:
    def test_it_gets_messages_of_processes(self, adopt: Adopt) -> None:
        async def main() -> object:
            server = spawn(echo)
            send(server, (self_(), "hello"))
            return await receive(timeout=WAIT)

        assert adopt(main) == "hello"

    def test_it_gets_messages_of_other_tasks_in_order(self, adopt: Adopt) -> None:
        async def tell(process: Process) -> None:
            for number in range(3):
                send(process, number)
                await asyncio.sleep(0)

        async def main() -> list[object]:
            async with asyncio.TaskGroup() as group:
                group.create_task(tell(self_()))
                return [await receive(timeout=WAIT) for _ in range(3)]

        assert adopt(main) == [0, 1, 2]

    def test_it_gets_messages_of_other_threads(self, adopt: Adopt) -> None:
        async def main() -> object:
            thread = threading.Thread(target=send, args=(self_(), "from afar"))
            thread.start()
            try:
                return await receive(timeout=WAIT)
            finally:
                thread.join()

        assert adopt(main) == "from afar"

    def test_it_gets_messages_of_timers(self, adopt: Adopt) -> None:
        async def main() -> object:
            send_after(self_(), "tick", 0.01)
            return await receive(timeout=WAIT)

        assert adopt(main) == "tick"

    def test_it_may_have_a_name(self, adopt: Adopt) -> None:
        async def main() -> object:
            register("main")
            send("main", "by name")
            return await receive(timeout=WAIT)

        assert adopt(main) == "by name"

    def test_receive_takes_the_oldest_that_matches(self, adopt: Adopt) -> None:
        async def main() -> list[object]:
            for message in (1, "one", 2, "two"):
                send(self_(), message)
            first = await receive(str)
            return [first, *[await receive(timeout=0) for _ in range(3)]]

        assert adopt(main) == ["one", 1, 2, "two"]

    def test_receive_gives_up_when_time_has_passed(self, adopt: Adopt) -> None:
        async def main() -> None:
            await receive(timeout=0.01)

        with pytest.raises(TimeoutError):
            adopt(main)


class TestWaits:
    def test_sleep(self, adopt: Adopt) -> None:
        async def main() -> float:
            loop = asyncio.get_running_loop()
            start = loop.time()
            await sleep(0.02)
            return loop.time() - start

        assert adopt(main) >= 0.019

    def test_await(self, adopt: Adopt) -> None:
        async def main() -> int:
            return await await_(async_(double, 2))

        assert adopt(main) == 4

    def test_await_that_runs_out_of_time(self, adopt: Adopt) -> None:
        async def main() -> None:
            task = async_(forever)
            try:
                await await_(task, timeout=0.01)
            finally:
                await task.shutdown()

        with pytest.raises(TaskTimeoutError):
            adopt(main)

    def test_stream(self, adopt: Adopt) -> None:
        async def main() -> list[object]:
            return [*await collect(async_stream([1, 2], double))]

        assert adopt(main) == [Ok(2), Ok(4)]

    def test_two_tasks_wait_side_by_side(self, adopt: Adopt) -> None:
        async def ping(rounds: int) -> int:
            for _ in range(rounds):
                partner = await receive(Process, timeout=WAIT)
                send(partner, self_())
            return rounds

        async def serve(partner: Process) -> int:
            send(partner, self_())
            return await ping(10)

        async def main() -> int:
            server = asyncio.create_task(serve(self_()))
            await ping(10)
            await receive(Process, timeout=WAIT)
            return await server

        assert adopt(main) == 10


class TestWaitFor:
    def test_takes_a_message_that_is_there(self, adopt: Adopt) -> None:
        async def main() -> object:
            send(self_(), "there")
            return await asyncio.wait_for(receive(), WAIT)

        assert adopt(main) == "there"

    def test_takes_a_message_that_comes_later(self, adopt: Adopt) -> None:
        async def main() -> object:
            send_after(self_(), "later", 0.01)
            return await asyncio.wait_for(receive(), WAIT)

        assert adopt(main) == "later"

    def test_takes_the_message_that_matches(self, adopt: Adopt) -> None:
        async def main() -> list[object]:
            send(self_(), 1)
            send(self_(), "one")
            matching = await asyncio.wait_for(receive(str), WAIT)
            return [matching, receive_nowait()]

        assert adopt(main) == ["one", 1]

    def test_gives_up_when_time_has_passed(self, adopt: Adopt) -> None:
        async def main() -> None:
            await asyncio.wait_for(receive(), 0.01)

        with pytest.raises(TimeoutError):
            adopt(main)

    def test_loses_no_message_when_it_gives_up(self, adopt: Adopt) -> None:
        async def main() -> list[object]:
            send(self_(), 1)
            try:
                await asyncio.wait_for(receive(str), 0.01)
            except TimeoutError:
                send(self_(), "late")
            return [await receive(timeout=0), await receive(timeout=0)]

        assert adopt(main) == [1, "late"]

    def test_waits_for_a_task(self, adopt: Adopt) -> None:
        async def main() -> int:
            return await asyncio.wait_for(await_(async_(double, 2)), WAIT)

        assert adopt(main) == 4

    def test_makes_no_process_that_stays(self, adopt: Adopt) -> None:
        async def main() -> bool:
            send(self_(), "there")
            await asyncio.wait_for(receive(), WAIT)
            return processes() == [self_()]

        assert adopt(main) is True


class TestLinksAndMonitors:
    def test_it_may_monitor(self, adopt: Adopt) -> None:
        async def main() -> object:
            _, ref = spawn_monitor(fail, error)
            return await reason_of(ref)

        error = TaskError("boom")

        assert adopt(main) is error

    def test_it_may_trap_exits(self, adopt: Adopt) -> None:
        async def main() -> tuple[object, Process]:
            trap_exit(True)
            process = spawn_link(fail, error)
            return await receive(timeout=WAIT), process

        error = TaskError("boom")
        message, process = adopt(main)

        assert message == Exited(process, error)

    def test_its_crash_reaches_the_processes_linked_to_it(self, adopt: Adopt) -> None:
        error = TaskError("boom")

        async def main() -> object:
            async def crash() -> None:
                link(other)
                raise error

            other, ref = spawn_monitor(forever)
            task, _, gate = await start(crash)
            gate.set()
            await asyncio.wait([task])
            assert task.exception() is error
            return await reason_of(ref)

        assert adopt(main) is error

    def test_a_linked_crash_cancels_it(self, adopt: Adopt) -> None:
        async def work() -> None:
            link(spawn(fail, TaskError("boom")))
            await forever()

        async def main() -> bool:
            task = asyncio.create_task(work())
            await asyncio.wait([task])
            return task.cancelled()

        assert adopt(main) is True

    def test_monitors_see_the_reason_of_a_linked_crash(self, adopt: Adopt) -> None:
        error = TaskError("boom")

        async def work() -> None:
            spawn_link(fail, error)
            await forever()

        async def main() -> object:
            task, process, gate = await start(work)
            ref = monitor(process)
            gate.set()
            await asyncio.wait([task])
            return await reason_of(ref)

        assert adopt(main) is error

    def test_the_report_has_the_reason_of_a_linked_crash(
        self, adopt: Adopt, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def work() -> None:
            spawn_link(fail, TaskError("the reason of it all"))
            await forever()

        async def main() -> None:
            await asyncio.wait([asyncio.create_task(work())])

        with caplog.at_level(logging.ERROR, logger="fastask"):
            adopt(main)

        assert "the reason of it all" in caplog.text

    def test_a_linked_crash_ends_the_main_task(self, adopt: Adopt) -> None:
        async def main() -> None:
            spawn_link(fail, TaskError("boom"))
            await forever()

        with pytest.raises(asyncio.CancelledError):
            adopt(main)

    def test_a_linked_crash_runs_its_finally_blocks(self, adopt: Adopt) -> None:
        unwound: list[str] = []

        async def work() -> None:
            spawn_link(fail, TaskError("boom"))
            try:
                await receive()
            finally:
                await asyncio.sleep(0)
                unwound.append("finally")

        async def main() -> None:
            await asyncio.wait([asyncio.create_task(work())])

        adopt(main)

        assert unwound == ["finally"]

    @pytest.mark.parametrize(
        ("signal", "reason"), [("enough", "enough"), (KILL, KILLED)]
    )
    def test_an_exit_signal_ends_it(
        self, adopt: Adopt, signal: object, reason: object
    ) -> None:
        async def main() -> tuple[object, bool]:
            task, process, _ = await start(forever)
            ref = monitor(process)
            exit(process, signal)
            await asyncio.wait([task])
            return await reason_of(ref), task.cancelled()

        assert adopt(main) == (reason, True)


class TestSwallowedCancellation:
    def test_the_process_is_dead_although_the_task_runs_on(self, adopt: Adopt) -> None:
        async def work(told: asyncio.Future[Process], gate: asyncio.Event) -> str:
            told.set_result(self_())
            with contextlib.suppress(asyncio.CancelledError):
                await forever()
            await gate.wait()
            return "ran on"

        async def main() -> tuple[object, bool, bool, str]:
            told: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
            gate = asyncio.Event()
            task = asyncio.create_task(work(told, gate))
            process = await told
            ref = monitor(process)
            exit(process, "enough")
            reason = await reason_of(ref)
            alive, done = process.alive, task.done()
            gate.set()
            return reason, alive, done, await task

        assert adopt(main) == ("enough", False, False, "ran on")

    @pytest.mark.parametrize(
        "wait",
        [lambda: receive(), lambda: sleep(0.01)],
        ids=["receive", "sleep"],
    )
    def test_later_waits_in_it_raise(
        self, adopt: Adopt, wait: Callable[[], Any]
    ) -> None:
        async def work(told: asyncio.Future[Process]) -> str:
            told.set_result(self_())
            with contextlib.suppress(asyncio.CancelledError):
                await forever()
            await asyncio.sleep(0.01)
            try:
                await wait()
            except asyncio.CancelledError:
                return "raised"
            return "waited"

        async def main() -> str:
            told: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(work(told))
            exit(await told, "enough")
            return await task

        assert adopt(main) == "raised"

    def test_a_linked_crash_it_swallows_is_its_reason(self, adopt: Adopt) -> None:
        error = TaskError("boom")

        async def work() -> None:
            spawn_link(fail, error)
            with contextlib.suppress(asyncio.CancelledError):
                await forever()

        async def main() -> object:
            task, process, gate = await start(work)
            ref = monitor(process)
            gate.set()
            await task
            return await reason_of(ref)

        assert adopt(main) is error


class TestEnd:
    def test_it_is_gone_when_the_task_has_returned(self, adopt: Adopt) -> None:
        async def work() -> Process:
            register("worker")
            return self_()

        async def main() -> tuple[bool, object, bool]:
            process = await asyncio.create_task(work())
            await sleep(0)
            return process.alive, whereis("worker"), process in processes()

        assert adopt(main) == (False, None, False)

    def test_it_ends_normally_when_the_task_returns(self, adopt: Adopt) -> None:
        async def main() -> tuple[int, object]:
            task, process, gate = await start(lambda: double(2))
            ref = monitor(process)
            gate.set()
            return await task, await reason_of(ref)

        assert adopt(main) == (4, NORMAL)

    def test_it_ends_with_the_exception_of_the_task(self, adopt: Adopt) -> None:
        error = TaskError("boom")

        async def main() -> tuple[object, object]:
            task, process, gate = await start(lambda: fail(error))
            ref = monitor(process)
            gate.set()
            await asyncio.wait([task])
            return task.exception(), await reason_of(ref)

        assert adopt(main) == (error, error)

    def test_it_ends_with_the_reason_that_it_raises(self, adopt: Adopt) -> None:
        async def main() -> tuple[object, object]:
            task, process, gate = await start(lambda: fail(Exit("enough")))
            ref = monitor(process)
            gate.set()
            await asyncio.wait([task])
            return type(task.exception()), await reason_of(ref)

        assert adopt(main) == (Exit, "enough")

    def test_it_ends_with_shutdown_when_the_task_is_cancelled(
        self, adopt: Adopt
    ) -> None:
        async def main() -> tuple[object, bool]:
            task, process, _ = await start(forever)
            ref = monitor(process)
            task.cancel()
            return await reason_of(ref), task.cancelled()

        assert adopt(main) == (SHUTDOWN, True)

    def test_a_cancellation_that_is_caught_does_not_end_it(self, adopt: Adopt) -> None:
        async def main() -> object:
            async def work() -> object:
                inside.set()
                try:
                    await receive()
                except asyncio.CancelledError:
                    caught.set()
                return await receive(timeout=WAIT)

            inside, caught = asyncio.Event(), asyncio.Event()
            task, process, gate = await start(work)
            gate.set()
            await inside.wait()
            task.cancel()
            await caught.wait()
            send(process, "still here")
            return await task

        assert adopt(main) == "still here"


class TestEndOfTheLoop:
    def test_processes_that_are_alive_are_stopped(self, adopt: Adopt) -> None:
        unwound: list[str] = []

        async def work() -> None:
            try:
                await forever()
            finally:
                unwound.append("finally")

        async def main() -> list[Process]:
            started = [spawn(work), spawn(work)]
            await sleep(0.01)
            return started

        started = adopt(main)

        assert unwound == ["finally", "finally"]
        assert [process.alive for process in started] == [False, False]

    def test_their_finally_blocks_may_wait(self, adopt: Adopt) -> None:
        unwound: list[str] = []

        async def work() -> None:
            try:
                await receive()
            finally:
                await asyncio.sleep(0.01)
                unwound.append("finally")

        async def main() -> None:
            spawn(work)
            await sleep(0.01)

        adopt(main)

        assert unwound == ["finally"]

    def test_a_message_to_a_process_of_a_closed_loop_is_dropped(
        self, adopt: Adopt
    ) -> None:
        async def main() -> Process:
            return self_()

        process = adopt(main)
        send(process, "too late")

        assert process.alive is False

    def test_the_next_loop_begins_with_nothing(self, adopt: Adopt) -> None:
        async def first() -> Process:
            register("main")
            return self_()

        async def second() -> tuple[object, list[Process]]:
            return whereis("main"), [p for p in processes() if p is not self_()]

        process = adopt(first)
        found = adopt(second)

        assert found == (None, [])
        assert process.alive is False


class TestWithoutALoop:
    @pytest.mark.parametrize(
        "call",
        [
            lambda: self_(),
            lambda: spawn(forever),
            lambda: async_(double, 1),
            lambda: send("name", 1),
            lambda: send_after("name", 1, 0.1),
            lambda: receive_nowait(),
            lambda: register("name"),
            lambda: whereis("name"),
            lambda: registered(),
            lambda: processes(),
            lambda: trap_exit(True),
        ],
        ids=[
            "self_",
            "spawn",
            "async_",
            "send to a name",
            "send_after",
            "receive_nowait",
            "register",
            "whereis",
            "registered",
            "processes",
            "trap_exit",
        ],
    )
    def test_a_call_raises(self, call: Callable[[], object]) -> None:
        with pytest.raises(RuntimeError):
            call()

    def test_send_to_a_process_does_not(self, adopt: Adopt) -> None:
        async def main() -> tuple[object, object]:
            me, ref = self_(), make_ref()

            def tell() -> object:
                send(me, (ref, "from a thread"))
                with pytest.raises(RuntimeError):
                    self_()
                return "told"

            told = await asyncio.to_thread(tell)
            return told, await receive(ref, timeout=WAIT)

        told, message = adopt(main)

        assert told == "told"
        assert isinstance(message, tuple)
        assert message[1] == "from a thread"


class TestAsyncioAsItIs:
    def test_the_loop_keeps_its_settings(self, adopt: Adopt) -> None:
        async def main() -> tuple[object, object]:
            await async_(double, 2)
            loop = asyncio.get_running_loop()
            return loop.get_task_factory(), loop.get_exception_handler()

        assert adopt(main) == (None, None)

    def test_tasks_are_still_of_asyncio(self, adopt: Adopt) -> None:
        async def main() -> bool:
            await async_(double, 2)
            task = asyncio.create_task(double(2))
            await task
            return type(task) is asyncio.Task

        assert adopt(main) is True
