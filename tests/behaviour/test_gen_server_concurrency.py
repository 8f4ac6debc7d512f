"""Many callers of one server: order, asyncio's tasks, circles, and the cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    CallError,
    CallTimeoutError,
    GenCall,
    GenServer,
    NoReply,
    Process,
    async_,
    await_many,
    monitor,
    process_info,
    receive,
    self_,
    send,
)


def messages() -> list[Any]:
    """What lies in the mailbox of the calling process."""
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


async def running(start: Awaitable[Process[None] | None]) -> Process[None]:
    """Wait for a start that must succeed."""
    process = await start
    assert process is not None
    return process


async def ask(server: Process[Any], request: Any) -> Any:
    """What a task or a process runs that only calls."""
    return await GenServer.call(server, request)


class Recorder(GenServer):
    """Answers with the double, and keeps what it got in order."""

    def init(self) -> None:
        self.seen: list[Any] = []

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        if request == "seen":
            return list(self.seen)
        self.seen.append(request)
        return request * 2

    def handle_cast(self, request: Any) -> None:
        self.seen.append(("cast", request))

    def handle_info(self, message: Any) -> None:
        self.seen.append(("info", message))


class Forwarder(GenServer):
    """Passes a call on to the next server, whose name it is given."""

    def init(self, following: str | None) -> None:
        self.following = following

    async def handle_call(self, request: Any, from_: GenCall) -> Any:
        if self.following is None:
            return request
        return await GenServer.call(self.following, request, timeout=0.2)


class TestOrder:
    async def test_of_one_client_is_kept_over_all_kinds(self) -> None:
        """GENS 345."""
        server = await running(Recorder.start_link())
        expected: list[Any] = []
        for number in range(50):
            GenServer.cast(server, number)
            send(server, number)
            GenServer.cast(server, "again")
            assert await GenServer.call(server, number) == number * 2
            expected += [("cast", number), ("info", number), ("cast", "again"), number]

        assert await GenServer.call(server, "seen") == expected
        await GenServer.stop(server)

    async def test_what_a_server_sent_before_its_reply_is_there_first(self) -> None:
        """GENS 345."""

        class Talker(GenServer):
            def handle_call(self, request: Any, from_: GenCall) -> str:
                send(from_.process, "one")
                send(from_.process, "two")
                return "reply"

        server = await running(Talker.start_link())

        assert await GenServer.call(server, None) == "reply"
        assert messages() == ["one", "two"]
        await GenServer.stop(server)

    async def test_further_messages_wait_while_a_callback_waits(self) -> None:
        log: list[str] = []

        class Slow(GenServer):
            async def handle_call(self, request: str, from_: GenCall) -> None:
                log.append(f"begin {request}")
                await asyncio.sleep(0.005)
                log.append(f"end {request}")

        server = await running(Slow.start_link())
        await asyncio.gather(*(GenServer.call(server, name) for name in "ab"))

        assert log == ["begin a", "end a", "begin b", "end b"]
        await GenServer.stop(server)

    async def test_a_callback_may_receive_selectively(self) -> None:
        class Picky(Recorder):
            async def handle_call(self, request: Any, from_: GenCall) -> Any:
                if request == "seen":
                    return list(self.seen)
                return await receive(int)

        server = await running(Picky.start_link())
        send(self_(), "mine")
        task = async_(ask, server, "pick")
        await asyncio.sleep(0)
        send(server, "other")
        send(server, 7)

        assert await task == 7
        assert await GenServer.call(server, "seen") == [("info", "other")]
        assert messages() == ["mine"]
        await GenServer.stop(server)


class TestManyCallers:
    async def test_each_of_1000_gets_its_own_reply_in_order_of_arrival(self) -> None:
        """GENS 346."""
        server = await running(Recorder.start_link())
        tasks = [async_(ask, server, n) for n in range(1000)]

        assert await await_many(tasks) == [n * 2 for n in range(1000)]
        assert await GenServer.call(server, "seen") == list(range(1000))
        assert messages() == []
        await GenServer.stop(server)

    async def test_all_of_1000_learn_of_a_kill(self) -> None:
        class Silent(GenServer):
            def handle_call(self, request: Any, from_: GenCall) -> Any:
                return None if request == "settle" else NoReply()

        server = await running(Silent.start())
        tasks = [fastask.async_nolink(ask, server, n) for n in range(1000)]
        await GenServer.call(server, "settle")
        fastask.exit(server, KILL)

        reasons = [await task.yield_() for task in tasks]
        assert len({type(reason) for reason in reasons}) == 1
        assert all(
            isinstance(failed, fastask.Failed)
            and isinstance(failed.reason, CallError)
            and failed.reason.reason == fastask.KILLED
            for failed in reasons
        )
        assert messages() == []

    async def test_1000_calls_that_time_out_leave_nothing(self) -> None:
        class Silent(GenServer):
            def handle_call(self, request: Any, from_: GenCall) -> NoReply:
                return NoReply()

        server = await running(Silent.start_link())

        async def too_late() -> str:
            with pytest.raises(CallTimeoutError):
                await GenServer.call(server, None, 0.01)
            return "in time"

        tasks = [async_(too_late) for _ in range(1000)]
        assert set(await await_many(tasks)) == {"in time"}
        with pytest.raises(CallTimeoutError):
            await GenServer.call(server, "settle", 0.1)
        info = process_info(server)
        assert info is not None
        assert (info.monitored_by, info.messages) == ([], [])
        await GenServer.stop(server)

    async def test_a_full_mailbox_is_left_alone(self) -> None:
        server = await running(Recorder.start_link())
        for number in range(10_000):
            send(self_(), number)

        assert await GenServer.call(server, 1) == 2
        assert messages() == list(range(10_000))
        await GenServer.stop(server)


class TestAsyncio:
    async def test_gather_takes_calls_as_they_are(self) -> None:
        server = await running(Recorder.start_link())

        got = await asyncio.gather(*(GenServer.call(server, n) for n in range(20)))
        assert got == [n * 2 for n in range(20)]
        assert messages() == []
        await GenServer.stop(server)

    async def test_gather_takes_a_failing_call(self) -> None:
        server = await running(Recorder.start_link())

        calls = [GenServer.call(server, 1), GenServer.call("unknown", 1)]
        good, bad = await asyncio.gather(*calls, return_exceptions=True)
        assert good == 2
        assert isinstance(bad, CallError)
        await GenServer.stop(server)

    async def test_adopted_tasks_call(self) -> None:
        server = await running(Recorder.start_link())

        async def ask(number: int) -> Any:
            return await GenServer.call(server, number)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(n)) for n in range(20)]
        assert [task.result() for task in tasks] == [n * 2 for n in range(20)]
        await GenServer.stop(server)

    async def test_each_adopted_task_is_the_caller_it_is(self) -> None:
        class Who(GenServer):
            def handle_call(self, request: Any, from_: GenCall) -> bool:
                return from_.process is request

        server = await running(Who.start_link())

        async def ask() -> Any:
            return await GenServer.call(server, self_())

        found = await asyncio.gather(*(asyncio.create_task(ask()) for _ in range(3)))
        assert found == [True, True, True]
        await GenServer.stop(server)

    def test_a_plain_asyncio_program_calls(
        self, loop_factory: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        async def main() -> Any:
            server = await running(Recorder.start_link())
            got = await asyncio.gather(*(GenServer.call(server, n) for n in range(5)))
            await GenServer.stop(server)
            return got

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(main()) == [0, 2, 4, 6, 8]

    async def test_a_call_in_an_async_callback_of_a_library_style_wait(self) -> None:
        """A server waits for asyncio's own objects as any coroutine does."""

        class Worker(GenServer):
            async def handle_call(self, request: Any, from_: GenCall) -> Any:
                async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                    one = group.create_task(asyncio.sleep(0, "a"))
                    two = group.create_task(asyncio.sleep(0, "b"))
                return one.result() + two.result()

        server = await running(Worker.start_link())

        assert await GenServer.call(server, None) == "ab"
        await GenServer.stop(server)


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts what asyncio makes for a wait."""

    counts: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.counts = {"future": 0, "task": 0, "timer": 0}

    def create_future(self) -> asyncio.Future[Any]:
        self.counts["future"] += 1
        return super().create_future()

    def create_task(self, *args: Any, **options: Any) -> Any:
        self.counts["task"] += 1
        return super().create_task(*args, **options)

    def call_at(  # type: ignore[override]
        self, *args: Any, **options: Any
    ) -> asyncio.TimerHandle:
        self.counts["timer"] += 1
        return super().call_at(*args, **options)


class TestCost:
    def test_a_call_makes_no_task_and_no_future_of_asyncio(self) -> None:
        """And the timers of all calls share what the loop is asked for."""
        loop = CountingLoop()

        async def main() -> dict[str, int]:
            server = await running(Recorder.start_link())
            await GenServer.call(server, 0)
            before = dict(loop.counts)
            for number in range(100):
                assert await GenServer.call(server, number) == number * 2
            after = dict(loop.counts)
            await GenServer.stop(server)
            return {key: after[key] - before[key] for key in before}

        made = fastask.run(main, loop_factory=lambda: loop)
        assert (made["task"], made["future"]) == (0, 0)
        assert made["timer"] <= 2

    def test_the_counting_loop_counts(self) -> None:
        loop = CountingLoop()

        async def main() -> None:
            await asyncio.create_task(asyncio.sleep(0.001))

        fastask.run(main, loop_factory=lambda: loop)
        assert all(count > 0 for count in loop.counts.values())


async def ring(*names: str) -> list[Process[None]]:
    """Start servers each of which calls the next, and the last the first."""
    following = (*names[1:], names[0])
    return [
        await running(Forwarder.start(to, name=name))
        for name, to in zip(names, following, strict=True)
    ]


async def fails_with(server: Process[Any]) -> Any:
    """Call a server of a ring, and return what the innermost call failed with."""
    with pytest.raises(CallError) as caught:
        await GenServer.call(server, "hello")
    error: Any = caught.value
    while isinstance(error.reason, CallError):
        error = error.reason
    return error


async def gone(*servers: Process[Any]) -> None:
    """Kill what is left of a ring."""
    for server in servers:
        ref = monitor(server)
        fastask.exit(server, KILL)
        await receive(ref)


class TestCircle:
    @pytest.mark.parametrize("names", [("one", "two"), ("one", "two", "three")])
    def test_is_named_in_debug_mode(
        self, run: Callable[..., Any], names: tuple[str, ...]
    ) -> None:
        async def main() -> tuple[Any, str, list[Process[None]]]:
            servers = await ring(*names)
            error = await fails_with(servers[0])
            text = str(error)
            await gone(*servers)
            return error, text, servers

        error, text, servers = run(main, debug=True)
        assert isinstance(error, CallError)
        assert not isinstance(error, CallTimeoutError)
        for server, name in zip(servers, names, strict=True):
            assert name in text or repr(server) in text

    def test_is_a_timeout_otherwise(self, run: Callable[..., Any]) -> None:
        async def main() -> Any:
            servers = await ring("one", "two")
            error = await fails_with(servers[0])
            await gone(*servers)
            return error

        assert isinstance(run(main, debug=False), CallTimeoutError)

    def test_a_chain_that_ends_is_no_circle(self, run: Callable[..., Any]) -> None:
        async def main() -> Any:
            servers = [
                await running(Forwarder.start(to, name=name))
                for name, to in (("one", "two"), ("two", "three"), ("three", None))
            ]
            value = await GenServer.call("one", "hello")
            await gone(*servers)
            return value

        assert run(main, debug=True) == "hello"

    def test_a_call_back_after_the_reply_is_no_circle(
        self, run: Callable[..., Any]
    ) -> None:
        async def main() -> list[Any]:
            servers = [
                await running(Forwarder.start(to, name=name))
                for name, to in (("one", "two"), ("two", None))
            ]
            values = [await GenServer.call("one", n) for n in range(3)]
            values.append(await GenServer.call("two", 3))
            await gone(*servers)
            return values

        assert run(main, debug=True) == [0, 1, 2, 3]

    def test_a_reply_by_another_process_is_no_circle(
        self, run: Callable[..., Any]
    ) -> None:
        """A caller of its own caller that answers first is not waiting."""

        class Early(GenServer):
            def init(self) -> None: ...

            async def handle_call(self, request: Any, from_: GenCall) -> Any:
                GenServer.reply(from_, "early")
                await receive(lambda message: message == "answered")
                return await GenServer.call(request, "back")

        async def main() -> Any:
            early = await running(Early.start())

            class First(GenServer):
                async def handle_call(self, request: Any, from_: GenCall) -> Any:
                    if request == "back":
                        return "back"
                    value = await GenServer.call(early, self_())
                    send(early, "answered")
                    return value

            first = await running(First.start())
            value = await GenServer.call(first, "begin")
            await GenServer.stop(early)
            await GenServer.stop(first)
            return value

        assert run(main, debug=True) == "early"
