"""Corners where one act meets another: each of these has gone wrong once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    Ok,
    Process,
    async_,
    async_nolink,
    async_stream,
    await_many,
    completed,
    processes,
    receive,
    self_,
    send,
    send_after,
    shutdown,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    yield_many,
)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

PATIENCE = 2.0
"""Seconds after which a test says that what it waits for never comes."""


class Thing:
    """Something that a weak reference can watch."""


async def idle(*_: object) -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def same(item: Any) -> Any:
    return item


async def tell(to: Process, act: Callable[[], Awaitable[Any]]) -> None:
    """Say that the process runs, then act."""
    send(to, "ready")
    await act()


async def reason_of(function: Callable[..., Any], *arguments: Any) -> object:
    """The reason with which a process ends, or an error if it hangs."""
    process, ref = spawn_monitor(function, *arguments)
    try:
        return (await receive(ref, timeout=PATIENCE)).reason
    finally:
        fastask.exit(process, KILL)


async def ended(process: Process[Any] | None) -> None:
    """Step aside until a process that ends by itself is dead."""
    while process is not None and process.alive:
        await sleep(0)


async def all_of(stream: Any) -> list[Any]:
    return [item async for item in stream]


def run_alone(program: str) -> str:
    """The output of a program in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


class TestPoll:
    async def test_a_predicate_that_dooms_its_process_ends_it(self) -> None:
        async def victim() -> None:
            child = spawn_link(idle)

            def matches(message: object) -> bool:
                fastask.exit(child, "boom")
                fastask.exit(child, KILL)
                return False

            send(self_(), 1)
            await receive(matches)

        assert await reason_of(victim) == "boom"

    async def test_an_input_that_dooms_its_consumer_ends_it(self) -> None:
        async def victim() -> None:
            child = spawn_link(idle)

            def items() -> Iterator[int]:
                yield 0
                fastask.exit(child, KILL)

            stream = async_stream(items(), lambda item: idle(item), max_concurrency=2)
            async for _ in stream:
                pass

        assert await reason_of(victim) is KILLED

    async def test_a_message_taken_by_hand_is_not_held(self) -> None:
        message = Thing()
        before = sys.getrefcount(message)
        for _ in range(100):
            send(self_(), message)
            wait: Any = receive()
            with pytest.raises(StopIteration) as caught:
                wait.send(None)
            assert caught.value.value is message
            del caught, wait
        gc.collect()

        assert sys.getrefcount(message) == before

    async def test_a_busy_process_leaves_the_loop_its_turns(self) -> None:
        steps = 0

        async def busy() -> None:
            nonlocal steps
            while True:
                end = time.perf_counter() + 0.01
                while time.perf_counter() < end:
                    pass
                steps += 1
                await sleep(0)

        hogs = [spawn(busy) for _ in range(3)]
        most = 0
        for _ in range(3):
            before = steps
            await asyncio.sleep(0)
            most = max(most, steps - before)
        for hog in hogs:
            fastask.exit(hog, KILL)

        assert most < 16


class TestUnwinding:
    async def test_a_timeout_in_a_finally_ends_its_block(self) -> None:
        seen: list[str] = []

        async def child(parent: Process) -> None:
            try:
                await tell(parent, idle)
            finally:
                try:
                    async with asyncio.timeout(0.01):
                        await asyncio.sleep(100)
                except TimeoutError:
                    seen.append("timeout")

        process, ref = spawn_monitor(child, self_(), grace=PATIENCE)
        await receive(str)
        fastask.exit(process, "x")

        assert (await receive(ref)).reason == "x"
        assert seen == ["timeout"]

    async def test_a_task_group_in_a_finally_fails_as_a_whole(self) -> None:
        seen: list[str] = []

        async def fail() -> None:
            raise ValueError

        async def child(parent: Process) -> None:
            try:
                await tell(parent, idle)
            finally:
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(fail())
                        await asyncio.sleep(100)
                except* ValueError:
                    seen.append("group")

        process, ref = spawn_monitor(child, self_(), grace=PATIENCE)
        await receive(str)
        fastask.exit(process, "x")

        assert (await receive(ref)).reason == "x"
        assert seen == ["group"]

    @pytest.mark.parametrize("wait", [0, 0.001])
    async def test_code_that_swallows_everything_ends_after_its_grace(
        self, wait: float
    ) -> None:
        async def stubborn(parent: Process) -> None:
            send(parent, "ready")
            while True:
                with contextlib.suppress(BaseException):
                    await asyncio.sleep(wait)

        process, ref = spawn_monitor(stubborn, self_(), grace=0.02)
        await receive(str)
        fastask.exit(process, "x")

        assert (await receive(ref, timeout=PATIENCE)).reason == "x"

    async def test_a_future_that_cannot_be_cancelled_holds_nobody(self) -> None:
        class Rude(asyncio.Future[None]):
            def cancel(self, msg: object = None) -> bool:
                raise ValueError("no")

        async def wait() -> None:
            await Rude()

        process, ref = spawn_monitor(tell, self_(), wait)
        await receive(str)
        fastask.exit(process, "x")

        assert (await receive(ref, timeout=PATIENCE)).reason == "x"
        assert not process.alive

    async def test_a_task_in_the_context_of_a_process_may_kill_it(self) -> None:
        victim, ref = spawn_monitor(tell, self_(), idle)
        await receive(str)

        async def kill() -> None:
            fastask.exit(victim, KILL)

        loop = asyncio.get_running_loop()
        await loop.create_task(kill(), context=victim.get_context())

        assert (await receive(ref, timeout=PATIENCE)).reason is KILLED

    @pytest.mark.parametrize("awaited", [False, True])
    def test_system_exit_in_a_process_leaves_run(
        self, run: Callable[..., Any], awaited: bool
    ) -> None:
        async def leave() -> None:
            raise SystemExit(3)

        async def main() -> None:
            if not awaited:
                spawn(leave)
                await idle()
            with pytest.raises(SystemExit):
                await async_nolink(leave)

        with pytest.raises(SystemExit) as caught:
            run(main)

        assert caught.value.code == 3


class TestStreamSource:
    async def test_may_yield_its_turn(self) -> None:
        async def source() -> AsyncIterator[int]:
            for i in range(3):
                await sleep(0)
                yield i

        assert await all_of(async_stream(source(), same)) == [Ok(0), Ok(1), Ok(2)]

    async def test_may_take_many_messages_that_wait_already(self) -> None:
        async def source() -> AsyncIterator[Any]:
            for _ in range(300):
                yield await receive(int)

        for i in range(300):
            send(self_(), i)
        got = await all_of(async_stream(source(), same, max_concurrency=400))

        assert got == [Ok(i) for i in range(300)]

    async def test_may_hand_out_processes_as_its_steps(self) -> None:
        class Source:
            count = 0

            def __aiter__(self) -> Source:
                return self

            def __anext__(self) -> Any:
                self.count += 1
                return spawn(same, self.count)

        got: list[Any] = []
        async with async_stream(Source(), same, max_concurrency=2) as stream:
            async for item in stream:
                got.append(item)
                if len(got) == 3:
                    break

        assert got == [Ok(1), Ok(2), Ok(3)]
        for process in processes():
            if process is not self_():
                await process

    async def test_may_use_a_timeout_of_its_own(self) -> None:
        async def source() -> AsyncIterator[int]:
            for i in range(3):
                try:
                    async with asyncio.timeout(0.005):
                        await asyncio.sleep(100)
                except TimeoutError:
                    yield i

        async def use() -> list[Any]:
            return await all_of(async_stream(source(), same, max_concurrency=2))

        assert await spawn(use) == [Ok(0), Ok(1), Ok(2)]

    async def test_may_use_a_task_group_that_fails(self) -> None:
        async def fail() -> None:
            raise ValueError("in the source")

        async def source() -> AsyncIterator[int]:
            yield 0
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail())
                    await asyncio.sleep(100)
            except* ValueError:
                pass
            yield 1

        async def use() -> list[Any]:
            return await all_of(async_stream(source(), same, max_concurrency=2))

        assert await spawn(use) == [Ok(0), Ok(1)]

    async def test_second_wait_fails_and_leaves_the_first_alone(self) -> None:
        async def use() -> list[Any]:
            iterator = async_stream(range(4), same, max_concurrency=2).__aiter__()
            waits = [iterator.__anext__(), iterator.__anext__()]
            return list(await asyncio.gather(*waits, return_exceptions=True))

        first, second = await spawn(use)

        assert first == Ok(0)
        assert isinstance(second, RuntimeError)

    async def test_items_may_be_waited_for_one_by_one_in_tasks(self) -> None:
        iterator = async_stream(range(4), same, max_concurrency=2).__aiter__()
        got = [await asyncio.ensure_future(iterator.__anext__()) for _ in range(4)]

        assert got == [Ok(i) for i in range(4)]
        with pytest.raises(StopAsyncIteration):
            await iterator.__anext__()


class TestTimer:
    def test_of_a_task_that_outlives_the_closing_of_the_loop_is_harmless(self) -> None:
        program = """
import asyncio, fastask as f
loop = asyncio.new_event_loop()
done = asyncio.Event()
async def owner():
    for i in range(1000):
        f.send_after(f.self_(), "m%d" % i, 100)
    started.set()
    await done.wait()
started = asyncio.Event()
async def start():
    global task
    task = loop.create_task(owner())
    await started.wait()
async def finish():
    done.set()
    await task
loop.run_until_complete(start())
loop.run_until_complete(loop.shutdown_asyncgens())
sizes = (96, 112, 128, 144, 160, 176, 192, 208)
junk = [bytearray(b"\\xff" * n) for n in sizes for _ in range(2000)]
loop.run_until_complete(finish())
loop.close()
print("survived")
"""
        assert run_alone(program) == "survived"


class TestAdopted:
    def test_consumer_wakes_for_a_message_to_its_source(
        self, loop_factory: LoopFactory
    ) -> None:
        async def source() -> AsyncIterator[Any]:
            yield 0
            for _ in range(3):
                yield await receive(int)

        async def main() -> list[Any]:
            me = self_()

            async def feed() -> None:
                for i in range(3):
                    send_after(me, i, 0.01)

            spawn(feed)
            async with asyncio.timeout(PATIENCE):
                return await all_of(async_stream(source(), same, max_concurrency=4))

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(main()) == [Ok(0), Ok(0), Ok(1), Ok(2)]

    async def test_task_that_is_dead_starts_nothing(self) -> None:
        root = self_()
        errors: list[BaseException] = []

        async def guest() -> None:
            send(root, self_())
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
            for start in (spawn_link, async_):
                try:
                    start(idle)
                except BaseException as error:
                    errors.append(error)

        task = asyncio.create_task(guest())
        fastask.exit(await receive(Process), KILL)
        await asyncio.wait([task])

        assert len(errors) == 2
        assert processes() == [root]

    @pytest.mark.parametrize("on_timeout", ["kill_task", "ignore"])
    async def test_guest_may_yield_many(self, on_timeout: Any) -> None:
        task = async_nolink(idle)
        wait = yield_many([task], timeout=0.005, on_timeout=on_timeout)
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.ensure_future(wait) == [(task, None)]
        fastask.exit(task.process, KILL)

    async def test_guest_may_shut_down_and_await_many(self) -> None:
        async with asyncio.timeout(PATIENCE):
            done = await asyncio.ensure_future(shutdown(completed(1)))
            ended = await asyncio.ensure_future(shutdown(async_(idle)))
            values = await asyncio.ensure_future(await_many([async_(same, 1)]))

        assert (done, ended, values) == (Ok(1), None, [1])


class TestLeaks:
    async def test_the_ref_of_a_task_of_a_dead_owner_keeps_no_value(self) -> None:
        watches: list[weakref.ref[Thing]] = []
        tasks: list[Any] = []

        async def work() -> Thing:
            thing = Thing()
            watches.append(weakref.ref(thing))
            return thing

        async def owner() -> None:
            task = async_nolink(work)
            tasks.append(task)
            await ended(task.process)

        await spawn(owner)
        assert tasks.pop().ref is not None
        gc.collect()

        assert [watch() for watch in watches] == [None]

    async def test_a_wait_that_nobody_waits_for_keeps_no_input(self) -> None:
        class Input(list[int]):
            """A list that a weak reference can watch."""

        items = Input()
        watch = weakref.ref(items)
        async_stream(items, same).__aiter__().__anext__()
        del items
        gc.collect()

        assert watch() is None


class TestGuest:
    async def test_a_wait_that_another_task_drives_ends_with_its_process(self) -> None:
        waits: list[asyncio.Future[object]] = []

        async def owner() -> None:
            waits.append(asyncio.ensure_future(fastask.receive()))
            await asyncio.sleep(0)

        await fastask.spawn(owner)

        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waits[0], 1.0)
