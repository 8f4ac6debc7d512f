"""`send` from other threads and other loops: the one verb that works from anywhere."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Process,
    Reply,
    UnknownNameError,
    alias,
    make_ref,
    monitor,
    process_info,
    receive,
    register,
    self_,
    send,
    sleep,
    spawn,
    spawn_monitor,
    unalias,
    unlink,
    unregister,
)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """Start a thread that has no event loop."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def in_threads(works: Iterable[Callable[[], object]]) -> list[threading.Thread]:
    return [in_thread(work) for work in works]


def outcome(work: Callable[[], object]) -> object:
    """Run work in a thread without a loop: its result or the exception it raised."""
    outcomes: list[object] = []

    def keep() -> None:
        try:
            outcomes.append(work())
        except Exception as error:
            outcomes.append(error)

    in_thread(keep).join()
    return outcomes[0]


class TestFromThread:
    async def test_reaches_a_process(self) -> None:
        me = self_()
        thread = in_thread(lambda: send(me, "message"))
        thread.join()

        assert await receive(timeout=5.0) == "message"

    async def test_wakes_an_idle_loop(self) -> None:
        me = self_()

        def work() -> None:
            time.sleep(0.05)
            send(me, "wake up")

        started = time.monotonic()
        thread = in_thread(work)
        message = await receive(timeout=20.0)
        elapsed = time.monotonic() - started
        thread.join()

        assert message == "wake up"
        assert elapsed < 5.0

    async def test_wakes_an_idle_loop_every_time(self) -> None:
        me, go = self_(), threading.Semaphore(0)

        def work() -> None:
            for number in range(200):
                go.acquire()
                time.sleep(0.0002)
                send(me, number)

        started = time.monotonic()
        thread = in_thread(work)
        received = []
        for _ in range(200):
            go.release()
            received.append(await receive(timeout=20.0))
        elapsed = time.monotonic() - started
        thread.join()

        assert received == list(range(200))
        assert elapsed < 15.0

    async def test_wakes_another_process_than_the_root(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            send(parent, (await receive(),))

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        thread = in_thread(lambda: send(process, "from the thread"))

        assert await receive(tuple, timeout=5.0) == ("from the thread",)
        await receive(ref)
        thread.join()

    async def test_a_process_that_has_not_run_yet_gets_it(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, (await receive(),))

        process, ref = spawn_monitor(child, self_())
        in_thread(lambda: send(process, "early")).join()

        assert await receive(tuple, timeout=5.0) == ("early",)
        await receive(ref)

    async def test_messages_of_one_thread_keep_their_order(self) -> None:
        me = self_()

        def work() -> None:
            for number in range(10_000):
                send(me, number)

        thread = in_thread(work)
        received = [await receive(int) for _ in range(10_000)]
        thread.join()

        assert received == list(range(10_000))
        assert mailbox() == []

    async def test_messages_of_many_threads_are_all_there_in_order(self) -> None:
        me, count = self_(), 2000

        def work(thread: int) -> None:
            for number in range(count):
                send(me, (thread, number))

        threads = in_threads(functools.partial(work, number) for number in range(8))
        received = [await receive(tuple) for _ in range(8 * count)]
        for thread in threads:
            thread.join()

        for thread_number in range(8):
            numbers = [number for thread, number in received if thread == thread_number]
            assert numbers == list(range(count))
        assert mailbox() == []

    async def test_many_threads_reach_many_processes(self) -> None:
        async def child(parent: Process) -> None:
            total = 0
            for _ in range(400):
                total += await receive(int)
            send(parent, ("total", total))

        children = [spawn(child, self_()) for _ in range(10)]

        def work() -> None:
            for number in range(100):
                for process in children:
                    send(process, number)

        threads = in_threads([work] * 4)
        totals = [(await receive(tuple))[1] for _ in children]
        for thread in threads:
            thread.join()

        assert totals == [4 * sum(range(100))] * 10
        await end(*children)

    async def test_while_the_loop_is_busy(self) -> None:
        me, done = self_(), threading.Event()

        def work() -> None:
            for number in range(2000):
                send(me, number)
            done.set()

        thread = in_thread(work)
        while not done.is_set():
            send(me, "busy")
            await receive(str)
        received = [await receive(int) for _ in range(2000)]
        thread.join()

        assert received == list(range(2000))

    async def test_while_the_loop_is_blocked(self) -> None:
        """The message waits; it is not lost with the wake-up."""
        me = self_()
        thread = in_thread(lambda: send(me, "message"))
        thread.join()
        time.sleep(0.02)

        assert await receive(timeout=5.0) == "message"

    async def test_a_reply_is_found_by_its_ref(self) -> None:
        me, ref = self_(), make_ref()
        send(me, "noise")
        in_thread(lambda: send(me, Reply(ref, "value"))).join()
        reply = await receive(ref, timeout=5.0)

        assert reply == (ref, "value")
        assert mailbox() == ["noise"]

    async def test_a_zero_timeout_sees_it_after_a_turn(self) -> None:
        me = self_()
        in_thread(lambda: send(me, "message")).join()
        await sleep(0.01)

        assert await receive(timeout=0) == "message"

    async def test_returns_none(self) -> None:
        me = self_()
        result = outcome(lambda: send(me, "message"))

        assert result is None
        assert await receive(timeout=5.0) == "message"

    async def test_takes_an_alias(self) -> None:
        address = alias()
        in_thread(lambda: send(address, "by alias")).join()

        assert await receive(timeout=5.0) == "by alias"
        unalias(address)

    async def test_an_alias_switched_off_drops_it(self) -> None:
        address = alias()
        unalias(address)
        in_thread(lambda: send(address, "dropped")).join()
        await sleep(0.01)

        assert mailbox() == []

    async def test_a_reply_alias_takes_one_message(self) -> None:
        address = alias("reply")

        def work() -> None:
            send(address, "first")
            send(address, "second")

        in_thread(work).join()
        message = await receive(timeout=5.0)
        await sleep(0.01)

        assert message == "first"
        assert mailbox() == []

    async def test_to_a_dead_process_is_silent(self) -> None:
        process, ref = spawn_monitor(nothing)
        await receive(ref)

        assert outcome(lambda: send(process, "dropped")) is None

    async def test_a_process_that_dies_meanwhile_is_no_trouble(self) -> None:
        stop = threading.Event()
        targets = [spawn(idle)]

        def work() -> None:
            while not stop.is_set():
                send(targets[-1], "message")

        thread = in_thread(work)
        for _ in range(100):
            targets.append(spawn(idle))
            await sleep(0)
            await end(targets[-2])
        stop.set()
        thread.join()

        assert mailbox() == []
        await end(targets[-1])

    async def test_a_name_needs_a_loop(self) -> None:
        register("root")
        error = outcome(lambda: send("root", "message"))
        unregister("root")

        assert isinstance(error, RuntimeError)
        assert mailbox() == []

    async def test_other_verbs_need_a_loop(self) -> None:
        me = self_()
        works: list[Callable[[], object]] = [
            lambda: spawn(nothing),
            lambda: monitor(me),
            lambda: fastask.exit(me, "boom"),
            lambda: fastask.link(me),
            lambda: fastask.send_after(me, "message", 1.0),
            self_,
        ]
        errors = [outcome(work) for work in works]

        assert [type(error) for error in errors] == [RuntimeError] * len(works)

    def test_works_after_the_run_has_ended(self, run: Callable[..., Any]) -> None:
        async def main() -> Process:
            return self_()

        process = run(main)

        assert outcome(lambda: send(process, "late")) is None

    def test_works_while_the_run_is_ending(self, run: Callable[..., Any]) -> None:
        stop = threading.Event()
        errors: list[object] = []

        async def main() -> threading.Thread:
            me = self_()

            def work() -> None:
                while not stop.is_set():
                    send(me, "message")

            thread = threading.Thread(target=lambda: errors.append(outcome(work)))
            thread.start()
            await receive()
            return thread

        for _ in range(20):
            stop.clear()
            thread = run(main)
            time.sleep(0.001)
            stop.set()
            thread.join()

        assert errors == [None] * 20

    async def test_a_worker_thread_of_a_plain_function_can_send(self) -> None:
        me = self_()

        def work() -> None:
            send(me, "from the worker")

        process, ref = spawn_monitor(work)

        assert await receive(str, timeout=5.0) == "from the worker"
        await receive(ref)
        assert not process.alive


class TestFromAnotherLoop:
    async def test_a_coroutine_of_another_loop_reaches_a_process(
        self, loop_factory: LoopFactory
    ) -> None:
        me = self_()

        async def other() -> None:
            await asyncio.sleep(0.01)
            send(me, "from another loop")

        def work() -> None:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(other())

        thread = in_thread(work)
        message = await receive(timeout=5.0)
        thread.join()

        assert message == "from another loop"

    async def test_two_runs_play_ping_pong(self, loop_factory: LoopFactory) -> None:
        me = self_()

        async def pong() -> None:
            send(me, self_())
            while (number := await receive(int)) < 500:
                send(me, number + 1)

        thread = in_thread(lambda: fastask.run(pong, loop_factory=loop_factory))
        other = await receive(Process, timeout=5.0)
        number = 0
        while number < 500:
            send(other, number)
            number = await receive(int, timeout=20.0)
        send(other, 500)
        thread.join()

        assert number == 500
        assert not other.alive

    async def test_names_belong_to_the_loop_of_the_caller(
        self, loop_factory: LoopFactory
    ) -> None:
        """Detail 2."""
        me = self_()
        register("root")

        async def other() -> None:
            try:
                send("root", "message")
            except UnknownNameError as error:
                send(me, error)

        thread = in_thread(lambda: fastask.run(other, loop_factory=loop_factory))
        message = await receive(timeout=5.0)
        thread.join()
        unregister("root")

        assert isinstance(message, UnknownNameError)

    async def test_processes_belong_to_the_loop_of_the_caller(
        self, loop_factory: LoopFactory
    ) -> None:
        me = self_()

        async def other() -> None:
            send(me, fastask.processes() == [self_()])

        thread = in_thread(lambda: fastask.run(other, loop_factory=loop_factory))
        alone = await receive(bool, timeout=5.0)
        thread.join()

        assert alone is True
        assert fastask.processes() == [me]

    async def test_an_alias_works_from_another_loop(
        self, loop_factory: LoopFactory
    ) -> None:
        address = alias()

        async def other() -> None:
            send(address, "by alias")

        thread = in_thread(lambda: fastask.run(other, loop_factory=loop_factory))
        message = await receive(timeout=5.0)
        thread.join()
        unalias(address)

        assert message == "by alias"


class TestFromCallbacks:
    async def test_a_callback_of_the_loop_can_send(self) -> None:
        asyncio.get_running_loop().call_soon(send, self_(), "from a callback")

        assert await receive(timeout=5.0) == "from a callback"

    async def test_a_callback_of_the_loop_can_send_to_a_name(self) -> None:
        register("root")
        asyncio.get_running_loop().call_later(0.001, send, "root", "by name")
        message = await receive(timeout=5.0)
        unregister("root")

        assert message == "by name"

    @pytest.mark.parametrize("seconds", [0.0, 0.001])
    async def test_a_callback_of_a_future_can_send(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        me = self_()
        future.add_done_callback(lambda done: send(me, done.result()))
        asyncio.get_running_loop().call_later(seconds, future.set_result, "result")

        assert await receive(timeout=5.0) == "result"
