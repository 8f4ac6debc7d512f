"""How a server ends: `GenServer.stop`, `terminate`, its parent, and crashes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    TIMEOUT,
    CallError,
    CallTimeoutError,
    Exit,
    GenCall,
    GenServer,
    Process,
    Stop,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    trap_exit,
)


def left_behind() -> tuple[list[Any], list[Process[Any]], list[Any]]:
    """Messages, links and monitors of the calling process."""
    info = process_info(self_())
    assert info is not None
    return list(info.messages), list(info.links), list(info.monitors)


async def running(start: Awaitable[Process[None] | None]) -> Process[None]:
    """Wait for a start that must succeed."""
    process = await start
    assert process is not None
    return process


async def ended(process: Process[Any]) -> Any:
    """Wait for the end of a process and return its reason."""
    return (await receive(monitor(process))).reason


def told() -> list[Any]:
    """What servers have told the calling process."""
    found = []
    with contextlib.suppress(LookupError):
        while True:
            found.append(receive_nowait())
    return found


class Server(GenServer):
    """Tells its teller what happens to it."""

    def init(self, teller: Process[Any], trap: bool = True) -> None:
        self.teller = teller
        trap_exit(trap)

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        return request(self) if callable(request) else request

    def handle_cast(self, request: Any) -> Any:
        return request(self) if callable(request) else self.tell("cast", request)

    def handle_info(self, message: Any) -> Any:
        return message(self) if callable(message) else self.tell("info", message)

    def terminate(self, reason: Any) -> Any:
        self.tell("terminate", reason)

    def tell(self, *what: Any) -> None:
        send(self.teller, what)


async def wait_for_ever(server: Server) -> None:
    """A callback that is in the middle of something."""
    server.tell("waiting")
    try:
        await asyncio.sleep(60)
    finally:
        server.tell("finally")


async def busy_server(trap: bool = True) -> Process[None]:
    """A server in the middle of a callback."""
    server = await running(Server.start(self_(), trap))
    GenServer.cast(server, wait_for_ever)
    assert await receive(tuple) == ("waiting",)
    return server


async def parent_of_a_server(parent: Process[Any], trap: bool = True) -> None:
    """Start a server linked, tell which, and end as the first message says."""
    server = await Server.start_link(parent, trap)
    send(parent, server)
    raise Exit(await receive())


async def stop_it(server: Process[Any], reason: Any = NORMAL) -> None:
    await GenServer.stop(server, reason)


def fail(error: BaseException) -> Callable[[Any], Any]:
    def callback(_: Any) -> None:
        raise error

    return callback


def fail_later(error: BaseException) -> Callable[[Any], Any]:
    async def callback(_: Any) -> None:
        await asyncio.sleep(0)
        raise error

    return callback


class TestStop:
    @pytest.mark.parametrize(
        "reason", [NORMAL, SHUTDOWN, (SHUTDOWN, 1), "custom", 17, ValueError("v")]
    )
    async def test_ends_the_server_with_the_reason(self, reason: Any) -> None:
        """GENS 340."""
        server = await running(Server.start(self_()))
        ref = monitor(server)

        await GenServer.stop(server, reason)
        assert not server.alive
        assert await receive(tuple) == ("terminate", reason)
        assert (await receive(ref)).reason == reason
        assert left_behind() == ([], [], [])

    async def test_is_normal_unless_told(self) -> None:
        server = await running(Server.start(self_()))
        await GenServer.stop(server)

        assert told() == [("terminate", NORMAL)]

    async def test_by_name_frees_the_name(self) -> None:
        await Server.start(self_(), name="server")
        await GenServer.stop("server")

        assert fastask.whereis("server") is None

    async def test_handles_what_was_queued_before(self) -> None:
        """GENS 340."""
        server = await running(Server.start(self_()))
        GenServer.cast(server, "before")
        send(server, "before")
        await GenServer.stop(server)

        assert told() == [
            ("cast", "before"),
            ("info", "before"),
            ("terminate", NORMAL),
        ]

    async def test_drops_what_comes_after(self) -> None:
        server = await running(Server.start(self_()))

        async def stop() -> None:
            await GenServer.stop(server)

        stopping = fastask.async_(stop)
        await asyncio.sleep(0)
        GenServer.cast(server, "after")
        await stopping

        assert ("cast", "after") not in told()

    @pytest.mark.parametrize("dest", [None, "unknown"])
    async def test_of_nobody_is_noproc(self, dest: Any) -> None:
        """api.md, Detail 15."""
        with pytest.raises(CallError) as caught:
            await GenServer.stop(dest)
        assert caught.value.reason == NOPROC

    async def test_of_a_dead_server_is_noproc(self) -> None:
        server = await running(Server.start(self_()))
        await GenServer.stop(server)

        with pytest.raises(CallError) as caught:
            await GenServer.stop(server)
        assert caught.value.reason == NOPROC

    async def test_of_oneself_is_calling_self(self) -> None:
        with pytest.raises(CallError) as caught:
            await GenServer.stop(self_())
        assert caught.value.reason == "calling_self"

    async def test_of_a_busy_server_times_out_and_does_not_kill(self) -> None:
        """GENS 341."""
        server = await running(Server.start(self_()))
        gate = asyncio.Event()

        async def work(server: Server) -> None:
            server.tell("waiting")
            await gate.wait()

        GenServer.cast(server, work)
        assert await receive(tuple) == ("waiting",)

        with pytest.raises(CallTimeoutError) as caught:
            await GenServer.stop(server, timeout=0.01)
        assert caught.value.reason == TIMEOUT
        assert server.alive
        gate.set()
        assert await ended(server) == NORMAL
        assert told() == [("terminate", NORMAL)]

    async def test_raises_what_the_server_ended_with_instead(self) -> None:
        server = await busy_server()
        stopping = fastask.async_nolink(stop_it, server)
        await asyncio.sleep(0)
        fastask.exit(server, KILL)

        with pytest.raises(CallError) as caught:
            await stopping
        assert caught.value.reason == KILLED

    async def test_two_at_once_both_return(self) -> None:
        server = await running(Server.start(self_()))
        stops = [fastask.async_(stop_it, server) for _ in range(2)]

        assert await fastask.await_many(stops) == [None, None]
        assert told() == [("terminate", NORMAL)]

    async def test_with_another_reason_than_the_first_raises_the_first(self) -> None:
        server = await running(Server.start(self_()))
        first = fastask.async_nolink(stop_it, server, "first")
        second = fastask.async_nolink(stop_it, server, "second")

        assert await first is None
        with pytest.raises(CallError) as caught:
            await second
        assert caught.value.reason == "first"
        assert told() == [("terminate", "first")]

    @pytest.mark.parametrize("timeout", [-1, "5"])
    async def test_a_bad_time_is_an_error_of_the_caller(self, timeout: Any) -> None:
        server = await running(Server.start(self_()))

        with pytest.raises((ValueError, TypeError), match="timeout must be"):
            await GenServer.stop(server, timeout=timeout)
        assert server.alive
        await GenServer.stop(server)

    async def test_works_while_suspended(self) -> None:
        server = await running(Server.start(self_()))
        await fastask.sys.suspend(server)
        GenServer.cast(server, "queued")

        await GenServer.stop(server, "over")
        assert told() == [("terminate", "over")]

    async def test_an_async_terminate_is_waited_for(self) -> None:
        class Slow(Server):
            async def terminate(self, reason: Any) -> None:
                await asyncio.sleep(0.01)
                self.tell("cleaned up")

        server = await running(Slow.start(self_()))
        await GenServer.stop(server)

        assert told() == [("cleaned up",)]

    async def test_a_server_stops_another_in_terminate(self) -> None:
        inner = await running(Server.start(self_()))

        class Outer(Server):
            async def terminate(self, reason: Any) -> None:
                await GenServer.stop(inner, reason)

        outer = await running(Outer.start(self_()))
        await GenServer.stop(outer, "over")

        assert told() == [("terminate", "over")]
        assert not inner.alive


class TestTerminate:
    @pytest.mark.parametrize("how", [fail, fail_later])
    async def test_runs_when_a_callback_raises(self, how: Any) -> None:
        """GENS 330."""
        error = ValueError("boom")
        server = await running(Server.start(self_()))
        GenServer.cast(server, how(error))

        assert await ended(server) is error
        assert told() == [("terminate", error)]

    async def test_runs_when_a_callback_raises_exit(self) -> None:
        server = await running(Server.start(self_()))
        GenServer.cast(server, fail(Exit("left")))

        assert await ended(server) == "left"
        assert told() == [("terminate", "left")]

    async def test_runs_after_a_bad_return_value(self) -> None:
        """GENS 331."""
        server = await running(Server.start(self_()))
        GenServer.cast(server, lambda _: 5)

        assert await ended(server) == ("bad_return_value", 5)
        assert told() == [("terminate", ("bad_return_value", 5))]

    async def test_runs_before_the_caller_learns_of_the_end(self) -> None:
        server = await running(Server.start(self_()))

        with pytest.raises(CallError):
            await GenServer.call(server, lambda _: Stop("over"))
        assert told() == [("terminate", "over")]

    @pytest.mark.parametrize("how", [fail, fail_later])
    async def test_that_raises_gives_the_reason(self, how: Any) -> None:
        """GENS 342."""
        error = ValueError("while cleaning up")

        class Clumsy(Server):
            def terminate(self, reason: Any) -> Any:
                return how(error)(reason)

        server = await running(Clumsy.start(self_()))
        ref = monitor(server)

        with pytest.raises(CallError) as caught:
            await GenServer.stop(server)
        assert caught.value.reason is error
        assert (await receive(ref)).reason is error

    @pytest.mark.parametrize("result", [1, "text", Stop("other")])
    async def test_what_it_returns_does_not_matter(self, result: Any) -> None:
        class Chatty(Server):
            def terminate(self, reason: Any) -> Any:
                return result

        server = await running(Chatty.start(self_()))
        ref = monitor(server)
        await GenServer.stop(server, "over")

        assert (await receive(ref)).reason == "over"

    async def test_does_not_run_on_kill(self) -> None:
        server = await running(Server.start(self_()))
        ref = monitor(server)
        fastask.exit(server, KILL)

        assert (await receive(ref)).reason == KILLED
        assert told() == []

    @pytest.mark.parametrize("reason", ["enough", SHUTDOWN])
    async def test_does_not_run_on_a_signal_that_is_not_trapped(
        self, reason: object
    ) -> None:
        server = await running(Server.start(self_(), False))
        fastask.exit(server, reason)

        assert await ended(server) == reason
        assert told() == []

    async def test_does_not_run_twice_when_killed_in_it(self) -> None:
        class Stuck(Server):
            async def terminate(self, reason: Any) -> None:
                self.tell("terminate", reason)
                await asyncio.sleep(60)

        server = await running(Stuck.start(self_()))
        stopping = fastask.async_nolink(stop_it, server)
        assert await receive(tuple) == ("terminate", NORMAL)
        fastask.exit(server, KILL)

        with pytest.raises(CallError) as caught:
            await stopping
        assert caught.value.reason == KILLED
        assert told() == []

    async def test_is_not_asked_for_an_ignored_signal(self) -> None:
        server = await running(Server.start(self_(), False))
        fastask.exit(server, NORMAL)

        assert await GenServer.call(server, 1) == 1
        assert told() == []
        await GenServer.stop(server)
