"""`GenServer.call`: one request, one reply, or an error that says why there is none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    NOPROC,
    Address,
    Answer,
    CallError,
    Continue,
    GenCall,
    GenServer,
    NoReply,
    Process,
    Stop,
    Via,
    monitor,
    process_info,
    receive,
    self_,
    spawn,
    spawn_monitor,
)

NOTHING: tuple[list[Any], list[Any], list[Any]] = ([], [], [])


def left_behind(
    process: Process[Any] | None = None,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Messages and monitors, of and on a process."""
    info = process_info(self_() if process is None else process)
    assert info is not None
    return list(info.messages), list(info.monitors), list(info.monitored_by)


async def running(start: Awaitable[Process[None] | None]) -> Process[None]:
    """Wait for a start that must succeed."""
    process = await start
    assert process is not None
    return process


async def ended(process: Process[Any]) -> Any:
    """Wait for the end of a process and return its reason."""
    return (await receive(monitor(process))).reason


async def ask(server: Process[Any], request: Any) -> Any:
    """What a task or a process runs that only calls."""
    return await GenServer.call(server, request)


class Server(GenServer):
    """Does what it is asked: a function of the server and `from_`."""

    def init(self) -> None:
        self.seen: list[Any] = []
        self.held: list[GenCall] = []

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        if callable(request):
            return request(self, from_)
        self.seen.append(request)
        return request

    def handle_cast(self, request: Any) -> Any:
        if callable(request):
            return request(self)
        self.seen.append(("cast", request))
        return None

    def handle_info(self, message: Any) -> None:
        self.seen.append(("info", message))

    def handle_continue(self, argument: Any) -> Any:
        return argument(self)


def hold(server: Server, from_: GenCall) -> NoReply:
    """Answer later."""
    server.held.append(from_)
    return NoReply()


def release(server: Server, from_: GenCall) -> None:
    """Answer those that wait, each with the number it has in the row."""
    for number, held in enumerate(server.held):
        GenServer.reply(held, number)
    server.held.clear()


def seen(server: Server, from_: GenCall) -> list[Any]:
    return list(server.seen)


class TestReply:
    @pytest.mark.parametrize("value", [None, False, 0, "text", (1, 2), ValueError("v")])
    async def test_is_the_value_that_is_returned(self, value: object) -> None:
        """GENS 327: an exception that is returned is a value like any other."""
        server = await running(Server.start_link())

        assert await GenServer.call(server, lambda *_: value) is value
        assert left_behind() == NOTHING
        await GenServer.stop(server)

    async def test_is_what_an_async_callback_returns(self) -> None:
        async def work(server: Server, from_: GenCall) -> str:
            await asyncio.sleep(0)
            return "done"

        server = await running(Server.start_link())

        assert await GenServer.call(server, work) == "done"
        await GenServer.stop(server)

    async def test_answer_wraps_a_value(self) -> None:
        server = await running(Server.start_link())

        assert await GenServer.call(server, lambda *_: Answer(Stop("x"))) == Stop("x")
        assert server.alive
        await GenServer.stop(server)

    async def test_continue_runs_after_the_reply_was_sent(self) -> None:
        waiting: list[bool] = []

        def work(server: Server, from_: GenCall) -> Answer[int]:
            def go_on(server: Server) -> None:
                waiting.append(from_.pending)

            return Answer(1, then=Continue(go_on))

        server = await running(Server.start_link())

        assert await GenServer.call(server, work) == 1
        await GenServer.call(server, "settle")
        assert waiting == [False]
        await GenServer.stop(server)

    async def test_comes_later_from_the_server(self) -> None:
        """GENS 327."""
        server = await running(Server.start_link())
        task = fastask.async_(ask, server, hold)
        await GenServer.call(server, "settle")
        await GenServer.call(server, release)

        assert await task == 0
        await GenServer.stop(server)

    async def test_comes_later_from_another_process(self) -> None:
        """GENS 327."""

        async def answer(from_: GenCall) -> None:
            GenServer.reply(from_, "from a helper")

        def delegate(server: Server, from_: GenCall) -> NoReply:
            spawn(answer, from_)
            return NoReply()

        server = await running(Server.start_link())

        assert await GenServer.call(server, delegate) == "from a helper"
        await GenServer.stop(server)

    async def test_comes_later_from_a_worker_thread(self) -> None:
        threads: list[threading.Thread] = []

        def delegate(server: Server, from_: GenCall) -> NoReply:
            thread = threading.Thread(
                target=GenServer.reply, args=(from_, "from a thread")
            )
            threads.append(thread)
            thread.start()
            return NoReply()

        server = await running(Server.start_link())

        assert await GenServer.call(server, delegate) == "from a thread"
        threads.pop().join()  # it has the call until it ends
        assert left_behind() == NOTHING
        await GenServer.stop(server)

    async def test_comes_from_a_task_that_is_a_plain_function(self) -> None:
        def answer(from_: GenCall) -> None:
            GenServer.reply(from_, threading.current_thread().name)

        def delegate(server: Server, from_: GenCall) -> NoReply:
            server.seen.append(fastask.start(answer, from_))
            return NoReply()

        server = await running(Server.start_link())

        name = await GenServer.call(server, delegate)
        assert name != threading.current_thread().name
        (helper,) = await GenServer.call(server, seen)
        await ended(helper)
        await GenServer.stop(server)

    async def test_only_the_first_counts(self) -> None:
        """GENS 335."""

        def twice(server: Server, from_: GenCall) -> str:
            GenServer.reply(from_, "first")
            GenServer.reply(from_, "second")
            return "third"

        server = await running(Server.start_link())

        assert await GenServer.call(server, twice) == "first"
        await GenServer.call(server, "settle")
        assert left_behind() == NOTHING
        await GenServer.stop(server)

    async def test_to_a_dead_caller_is_dropped(self) -> None:
        """GENS 343."""
        server = await running(Server.start_link())
        caller, ref = spawn_monitor(ask, server, hold)
        await GenServer.call(server, "settle")
        fastask.exit(caller, KILL)
        await receive(ref)

        await GenServer.call(server, release)
        assert server.alive
        assert left_behind(server)[1:] == ([], [])
        await GenServer.stop(server)

    async def test_from_tells_the_caller(self) -> None:
        """GENS 343."""
        server = await running(Server.start_link())

        caller = await GenServer.call(server, lambda _, from_: from_.process)
        assert caller is self_()
        await GenServer.stop(server)

    async def test_is_that_of_another_call_that_is_returned(self) -> None:
        """A plain callback may return what an async one would await."""
        inner = await running(Server.start_link())
        server = await running(Server.start_link())

        got = await GenServer.call(server, lambda *_: GenServer.call(inner, "inner"))
        assert got == "inner"
        assert await GenServer.call(inner, seen) == ["inner"]
        await GenServer.stop(server)
        await GenServer.stop(inner)

    async def test_to_what_is_no_call_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="from_ must be"):
            GenServer.reply(self_(), 1)  # type: ignore[arg-type]

    async def test_a_plain_process_may_answer_calls(self) -> None:
        async def double() -> None:
            match await receive():
                case GenCall(process=caller, request=request) as from_:
                    assert caller is not self_()
                    GenServer.reply(from_, request * 2)

        process = spawn(double)

        assert await GenServer.call(process, 21) == 42
        await ended(process)
        assert left_behind() == NOTHING


class TestNobodyThere:
    @pytest.mark.parametrize(
        "dest", [None, "unknown", 7, Address("unknown", fastask.node())], ids=repr
    )
    async def test_an_unknown_destination_is_noproc(self, dest: Any) -> None:
        """GENS 310."""
        with pytest.raises(CallError) as caught:
            await GenServer.call(dest, "hello")
        assert caught.value.reason == NOPROC
        assert (caught.value.dest, caught.value.request) == (dest, "hello")
        assert not isinstance(caught.value, TimeoutError)
        assert left_behind() == NOTHING

    async def test_a_dead_process_is_noproc(self) -> None:
        """GENS 310."""
        server = await running(Server.start_link())
        await GenServer.stop(server)

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, "hello")
        assert caught.value.reason == NOPROC

    async def test_a_via_that_finds_nobody_is_noproc(self) -> None:
        class Nowhere(Via):
            def whereis(self) -> None:
                return None

        with pytest.raises(CallError) as caught:
            await GenServer.call(Nowhere(), "hello")
        assert caught.value.reason == NOPROC

    async def test_oneself_is_calling_self(self) -> None:
        """GENS 309: by process, name, address and via."""

        class Me(Via):
            def whereis(self) -> Process[Any]:
                return self_()

        fastask.register("me")
        for dest in (self_(), "me", Address("me", fastask.node()), Me()):
            with pytest.raises(CallError) as caught:
                await GenServer.call(dest, "hello")
            assert caught.value.reason == "calling_self"
        assert left_behind() == NOTHING
        fastask.unregister("me")

    async def test_a_server_that_calls_itself_ends(self) -> None:
        async def call_self(server: Server, from_: GenCall) -> Any:
            return await GenServer.call(self_(), "hello")

        server = await running(Server.start())

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, call_self)
        inner = caught.value.reason
        assert isinstance(inner, CallError)
        assert inner.reason == "calling_self"

    async def test_bad_arguments_are_errors_of_the_caller(self) -> None:
        server = await running(Server.start_link())

        with pytest.raises(TypeError, match="dest must be hashable"):
            await GenServer.call([], 1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="dest must be a process"):
            await GenServer.call(fastask.make_ref(), 1)
        with pytest.raises(ValueError, match="timeout must be"):
            await GenServer.call(server, 1, -1)
        with pytest.raises(TypeError, match="timeout must be"):
            await GenServer.call(server, 1, "5")  # type: ignore[arg-type]
        assert await GenServer.call(server, seen) == []
        await GenServer.stop(server)

    def test_without_a_loop_is_an_error(self) -> None:
        with pytest.raises(RuntimeError):
            _ = GenServer.call("anybody", 1)

    async def test_awaiting_a_call_twice_is_an_error(self) -> None:
        server = await running(Server.start_link())
        call = GenServer.call(server, "once")
        assert await call == "once"

        with pytest.raises(RuntimeError, match="second time"):
            await call
        assert await GenServer.call(server, seen) == ["once"]
        await GenServer.stop(server)

    async def test_a_server_of_another_loop_is_an_error(
        self, loop_factory: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        """Only `send` and `cast` go across loops."""
        server = await running(Server.start_link())

        def elsewhere() -> str:
            async def main() -> str:
                with pytest.raises(ValueError, match="of another event loop"):
                    await GenServer.call(server, "hello")
                GenServer.cast(server, "hello")
                return "refused"

            with asyncio.Runner(loop_factory=loop_factory) as runner:
                return runner.run(main())

        assert await asyncio.to_thread(elsewhere) == "refused"
        # Its loop takes in what other threads sent, so ours may be before them.
        while not (came := await GenServer.call(server, seen)):
            await asyncio.sleep(0)
        assert came == [("cast", "hello")]
        await GenServer.stop(server)
