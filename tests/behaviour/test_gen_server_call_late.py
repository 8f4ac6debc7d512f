"""`GenServer.call` that is given up: time runs out, or the wait is cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    TIMEOUT,
    CallError,
    CallTimeoutError,
    GenCall,
    GenServer,
    NoReply,
    Process,
    monitor,
    process_info,
    receive,
    self_,
    send,
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


class TestTimeout:
    async def test_raises_in_time(self) -> None:
        """GENS 310."""
        server = await running(Server.start_link())
        began = time.monotonic()

        with pytest.raises(CallTimeoutError) as caught:
            await GenServer.call(server, hold, 0.03)
        assert 0.03 <= time.monotonic() - began < 1.0
        assert isinstance(caught.value, TimeoutError)
        assert isinstance(caught.value, CallError)
        assert caught.value.reason == TIMEOUT
        assert (caught.value.dest, caught.value.request) == (server, hold)
        await GenServer.stop(server)

    async def test_no_time_is_a_timeout_and_the_server_lives(self) -> None:
        server = await running(Server.start_link())

        with pytest.raises(CallTimeoutError):
            await GenServer.call(server, "hello", 0)
        assert await GenServer.call(server, seen) == ["hello"]
        assert left_behind() == NOTHING
        await GenServer.stop(server)

    async def test_none_waits_without_a_limit(self) -> None:
        server = await running(Server.start_link())

        assert await GenServer.call(server, "hello", None) == "hello"
        assert await GenServer.call(server, "hello", timeout=None) == "hello"
        await GenServer.stop(server)

    async def test_the_late_reply_is_dropped(self) -> None:
        """GENS 333."""
        server = await running(Server.start_link())
        with pytest.raises(CallTimeoutError):
            await GenServer.call(server, hold, 0.01)

        await GenServer.call(server, release)
        assert await GenServer.call(server, "next") == "next"
        assert left_behind() == NOTHING
        assert left_behind(server) == NOTHING
        await GenServer.stop(server)

    async def test_a_later_end_of_the_server_leaves_no_message(self) -> None:
        """GENS 333: the monitor is gone."""
        server = await running(Server.start())
        with pytest.raises(CallTimeoutError):
            await GenServer.call(server, hold, 0.01)
        await GenServer.stop(server, "over")

        assert left_behind() == NOTHING

    async def test_a_time_that_suffices_leaves_no_timer(self) -> None:
        server = await running(Server.start_link())
        await GenServer.call(server, "hello", 0.02)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.04)
        assert server.alive
        await GenServer.stop(server)

    async def test_messages_do_not_restart_the_clock(self) -> None:
        async def chatter(to: Process[Any]) -> None:
            while True:
                send(to, "noise")
                await asyncio.sleep(0.005)

        server = await running(Server.start_link())
        noise = spawn(chatter, self_())
        began = time.monotonic()

        with pytest.raises(CallTimeoutError):
            await GenServer.call(server, hold, 0.03)
        assert time.monotonic() - began < 1.0
        fastask.exit(noise, KILL)
        await ended(noise)
        await GenServer.stop(server)

    async def test_can_be_caught_by_a_server_that_calls(self) -> None:
        """The rule holds inside a callback as well."""
        slow = await running(Server.start_link())

        async def ask(server: Server, from_: GenCall) -> str:
            try:
                await GenServer.call(slow, hold, 0.01)
            except CallTimeoutError:
                return "timed out"
            return "answered"

        server = await running(Server.start_link())

        assert await GenServer.call(server, ask) == "timed out"
        await GenServer.call(slow, release)
        assert await GenServer.call(server, seen) == []
        await GenServer.stop(server)
        await GenServer.stop(slow)


class TestCancelled:
    """api.md, Detail 7."""

    async def test_by_asyncio_timeout_drops_the_late_reply(self) -> None:
        server = await running(Server.start_link())
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await GenServer.call(server, hold)
        assert not isinstance(caught.value, CallTimeoutError)

        await GenServer.call(server, release)
        assert await GenServer.call(server, "next") == "next"
        assert left_behind() == NOTHING
        assert left_behind(server) == NOTHING
        await GenServer.stop(server)

    async def test_by_wait_for_drops_the_late_reply(self) -> None:
        server = await running(Server.start_link())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(GenServer.call(server, hold), 0.01)

        await GenServer.call(server, release)
        assert await GenServer.call(server, "next") == "next"
        assert left_behind() == NOTHING
        await GenServer.stop(server)

    async def test_by_task_cancel_is_cancelled(self) -> None:
        server = await running(Server.start_link())

        async def ask() -> Any:
            return await GenServer.call(server, hold)

        task = asyncio.create_task(ask())
        await asyncio.sleep(0)
        await GenServer.call(server, "settle")
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        await GenServer.call(server, release)
        assert left_behind() == NOTHING
        assert left_behind(server) == NOTHING
        await GenServer.stop(server)

    async def test_the_caller_tells_it_by_pending(self) -> None:
        server = await running(Server.start_link())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await GenServer.call(server, hold)

        def pending(server: Server, from_: GenCall) -> list[bool]:
            return [held.pending for held in server.held]

        assert await GenServer.call(server, pending) == [False]
        await GenServer.stop(server)

    async def test_a_call_in_an_unwinding_process_raises_at_once(self) -> None:
        """api.md, Detail 4: it is a wait of fastask's own."""
        server = await running(Server.start_link())

        async def client() -> None:
            try:
                await receive(lambda message: False)
            finally:
                await GenServer.call(server, hold)

        process, ref = spawn_monitor(client)
        await GenServer.call(server, "settle")
        fastask.exit(process, "enough")

        assert (await receive(ref)).reason == "enough"
        assert await GenServer.call(server, release) is None
        await GenServer.stop(server)

    async def test_in_a_gather_leaves_nothing(self) -> None:
        servers = [await running(Server.start_link()) for _ in range(2)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.gather(*(GenServer.call(s, hold) for s in servers))

        for server in servers:
            await GenServer.call(server, release)
            assert left_behind(server) == NOTHING
            await GenServer.stop(server)
        assert left_behind() == NOTHING

    async def test_before_it_was_sent_sends_nothing(self) -> None:
        server = await running(Server.start_link())
        task = asyncio.ensure_future(GenServer.call(server, "never sent"))
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert await GenServer.call(server, seen) == []
        assert left_behind() == NOTHING
        await GenServer.stop(server)

    async def test_time_that_nobody_catches_ends_the_caller(self) -> None:
        server = await running(Server.start_link())

        async def client() -> None:
            await GenServer.call(server, hold, 0.01)

        _, ref = spawn_monitor(client)

        assert isinstance((await receive(ref)).reason, CallTimeoutError)
        assert left_behind(server)[1:] == ([], [])
        await GenServer.stop(server)
