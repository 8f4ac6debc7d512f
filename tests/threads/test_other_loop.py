"""What works between two event loops, and what says that it does not."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    Down,
    Exited,
    GenServer,
    NotOwnerError,
    Process,
    Task,
    monitor,
    receive,
    self_,
    send,
    spawn,
    spawn_monitor,
)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Other:
    """A second loop in a thread of its own, and its root process."""

    def __init__(self, loop: asyncio.AbstractEventLoop, root: Process) -> None:
        self.loop = loop
        self.root = root

    async def do(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine there, as a process, and return what it returns."""
        future = asyncio.run_coroutine_threadsafe(work(), self.loop)
        return await asyncio.wrap_future(future)


@contextlib.asynccontextmanager
async def another_loop(factory: LoopFactory) -> AsyncIterator[Other]:
    me = self_()

    async def root() -> None:
        send(me, Other(asyncio.get_running_loop(), self_()))
        await receive(lambda message: message == "end")

    thread = threading.Thread(target=lambda: fastask.run(root, loop_factory=factory))
    thread.start()
    other = await receive(Other, timeout=20.0)
    try:
        yield other
    finally:
        send(other.root, "end")
        await asyncio.to_thread(thread.join)


async def idle() -> None:
    await receive(lambda message: False)


async def end(process: Process) -> object:
    """Kill a process of this loop and return the reason of its end."""
    ref = monitor(process)
    fastask.exit(process, KILL)
    return (await receive(ref)).reason


class Echo(GenServer):
    @fastask.call
    def say(self, word: str) -> str:
        return word

    @fastask.cast
    def tell(self, word: str, to: Process) -> None:
        send(to, word)


class TestExit:
    @pytest.mark.parametrize(
        ("sent", "seen"), [("reason", "reason"), (KILL, KILLED)], ids=["exit", "kill"]
    )
    async def test_ends_a_process_once(
        self, loop_factory: LoopFactory, sent: object, seen: object
    ) -> None:
        process, ref = spawn_monitor(idle)

        async def work() -> None:
            fastask.exit(process, sent)
            fastask.exit(process, "another")

        async with another_loop(loop_factory) as other:
            await other.do(work)
            down = await receive(ref)

        assert down == Down(ref, process, seen)
        assert fastask.receive_nowait(Down, default=None) is None

    async def test_comes_to_one_that_traps_without_a_sender(
        self, loop_factory: LoopFactory
    ) -> None:
        me = self_()
        fastask.trap_exit(True)

        async def work() -> None:
            fastask.exit(me, "reason")

        async with another_loop(loop_factory) as other:
            await other.do(work)
            exited = await receive(Exited)

        assert exited == Exited(None, "reason")

    @pytest.mark.usefixtures("crashes")
    async def test_does_not_overtake_a_message(self, loop_factory: LoopFactory) -> None:
        async def tells(parent: Process) -> None:
            try:
                await receive(lambda message: False)
            finally:
                info = fastask.process_info(self_())
                assert info is not None
                send(parent, info.messages)

        me = self_()
        process = spawn(tells, me)
        await fastask.sleep(0)

        async def work() -> None:
            send(process, "message")
            fastask.exit(process, "reason")

        async with another_loop(loop_factory) as other:
            await other.do(work)
            messages = await receive(list)

        assert messages == ["message"]


class TestTimer:
    async def test_sends_to_another_loop(self, loop_factory: LoopFactory) -> None:
        me = self_()

        async def work() -> None:
            fastask.send_after(me, "message", 0.001)

        async with another_loop(loop_factory) as other:
            await other.do(work)

            assert await receive(str, timeout=20.0) == "message"

    async def test_is_tagged_in_another_loop_too(
        self, loop_factory: LoopFactory
    ) -> None:
        me = self_()

        async def work() -> fastask.Ref:
            return fastask.start_timer(0.001, me, "message").ref

        async with another_loop(loop_factory) as other:
            ref = await other.do(work)
            timeout = await receive(ref, timeout=20.0)

        assert timeout == fastask.Timeout(ref, "message")

    async def test_that_is_cancelled_sends_nothing(
        self, loop_factory: LoopFactory
    ) -> None:
        me = self_()

        async def work() -> float | None:
            timer = fastask.send_after(me, "cancelled", 0.001)
            left = timer.cancel()
            fastask.send_after(me, "later", 0.002)
            return left

        async with another_loop(loop_factory) as other:
            left = await other.do(work)
            message = await receive(str, timeout=20.0)

        assert left is not None
        assert message == "later"


class TestTask:
    async def test_a_coroutine_is_handed_over(self, loop_factory: LoopFactory) -> None:
        async def loop_of() -> asyncio.AbstractEventLoop:
            return asyncio.get_running_loop()

        async def work() -> asyncio.AbstractEventLoop:
            return await fastask.async_(loop_of)

        async with another_loop(loop_factory) as other:
            assert await other.do(work) is other.loop

    async def test_a_crash_is_handed_back(self, loop_factory: LoopFactory) -> None:
        async def crash() -> None:
            raise ValueError("boom")

        async def work() -> None:
            await fastask.async_nolink(crash)

        async with another_loop(loop_factory) as other:
            with pytest.raises(ValueError, match="boom"):
                await other.do(work)

    async def test_a_task_is_awaited_in_its_own_loop(
        self, loop_factory: LoopFactory
    ) -> None:
        """As a future, on behalf of a coroutine of another loop."""

        async def answer() -> int:
            await fastask.sleep(0.001)
            return 42

        task = fastask.async_nolink(answer)
        own = asyncio.get_running_loop()

        async def wait() -> int:
            return await asyncio.shield(task)

        async def work() -> int:
            future = asyncio.run_coroutine_threadsafe(wait(), own)
            return await asyncio.wrap_future(future)

        async with another_loop(loop_factory) as other:
            assert await other.do(work) == 42
        assert await task == 42

    @pytest.mark.parametrize("verb", [fastask.await_, fastask.yield_, fastask.shutdown])
    async def test_verbs_are_the_owners(
        self, loop_factory: LoopFactory, verb: Callable[[Task], Any]
    ) -> None:
        task = fastask.async_nolink(idle)

        async def work() -> None:
            await verb(task)

        async with another_loop(loop_factory) as other:
            with pytest.raises(NotOwnerError):
                await other.do(work)
        await fastask.shutdown(task)

    async def test_a_process_is_not_awaited_from_another_loop(
        self, loop_factory: LoopFactory
    ) -> None:
        """As no future of asyncio is."""
        process = spawn(idle)

        async def work() -> None:
            await process

        async with another_loop(loop_factory) as other:
            with pytest.raises(RuntimeError, match="loop"):
                await other.do(work)
        assert await end(process) == KILLED


class TestTies:
    @pytest.mark.parametrize("verb", [fastask.link, fastask.unlink, fastask.monitor])
    async def test_join_processes_of_one_loop(
        self, loop_factory: LoopFactory, verb: Callable[[Process], Any]
    ) -> None:
        process = spawn(idle)

        async def work() -> None:
            verb(process)

        async with another_loop(loop_factory) as other:
            with pytest.raises(ValueError, match="another event loop"):
                await other.do(work)
        assert await end(process) == KILLED


class TestServer:
    async def test_is_not_called_from_another_loop(
        self, loop_factory: LoopFactory
    ) -> None:
        server = await Echo.start()
        assert server is not None

        async def work() -> None:
            await Echo.say(server, "word")

        async with another_loop(loop_factory) as other:
            with pytest.raises(ValueError, match="another event loop"):
                await other.do(work)
        await GenServer.stop(server)

    async def test_takes_a_cast_of_another_loop(
        self, loop_factory: LoopFactory
    ) -> None:
        me = self_()
        server = await Echo.start()
        assert server is not None

        async def work() -> None:
            Echo.tell(server, "word", me)

        async with another_loop(loop_factory) as other:
            await other.do(work)

            assert await receive(str, timeout=20.0) == "word"
        await GenServer.stop(server)


class TestName:
    async def test_means_another_process_in_each_loop(
        self, loop_factory: LoopFactory
    ) -> None:
        process = spawn(idle, name="name")

        async def work() -> tuple[object, object, object]:
            before = fastask.whereis("name")
            own = spawn(idle, name="name")
            found = fastask.whereis("name")
            await end(own)
            return before, found is own, fastask.whereis("name")

        async with another_loop(loop_factory) as other:
            assert await other.do(work) == (None, True, None)
        assert fastask.whereis("name") is process
        assert await end(process) == KILLED

    async def test_is_not_given_to_a_process_of_another_loop(
        self, loop_factory: LoopFactory
    ) -> None:
        me = self_()

        async def work() -> None:
            fastask.register("name", me)

        async with another_loop(loop_factory) as other:
            with pytest.raises(ValueError, match="another event loop"):
                await other.do(work)


MESSAGES: list[Callable[[], object]] = [
    lambda: fastask.Ok(1),
    lambda: fastask.Failed("reason"),
    lambda: Down(fastask.make_ref(), "name", "reason"),
    lambda: Exited(None, "reason"),
    lambda: fastask.Timeout(fastask.make_ref(), "message"),
    lambda: fastask.Continue("argument"),
]


@pytest.mark.parametrize("make", MESSAGES, ids=lambda make: type(make()).__name__)
def test_a_message_can_be_printed_in_every_thread(make: Callable[[], object]) -> None:
    message, printed = make(), list[str]()

    def work() -> None:
        with contextlib.suppress(AttributeError):
            printed.append(repr(message))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert printed == [repr(message)]
