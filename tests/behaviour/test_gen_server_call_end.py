"""`GenServer.call` of a server that ends before, or while, it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Answer,
    CallError,
    Exit,
    Exited,
    GenCall,
    GenServer,
    NoReply,
    Process,
    Stop,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn_monitor,
    trap_exit,
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


class TestServerEnds:
    """GENS 329, 334: the caller learns the reason at once."""

    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, (SHUTDOWN, 1), "custom", 17])
    async def test_stop_without_a_reply_is_the_reason(self, reason: object) -> None:
        server = await running(Server.start())

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, lambda *_: Stop(reason))
        assert caught.value.reason == reason
        assert left_behind() == NOTHING

    async def test_a_raise_is_the_reason_and_the_cause(self) -> None:
        """GENS 330."""
        error = ValueError("boom")

        def fail(*_: Any) -> None:
            raise error

        server = await running(Server.start())
        ref = monitor(server)

        with pytest.raises(CallError, match="boom") as caught:
            await GenServer.call(server, fail)
        assert caught.value.reason is error
        assert caught.value.__cause__ is error
        assert (await receive(ref)).reason is error
        assert left_behind() == NOTHING

    async def test_a_kill_is_killed(self) -> None:
        """GENS 334."""
        server = await running(Server.start())
        task = fastask.async_nolink(ask, server, hold)
        await GenServer.call(server, "settle")
        began = time.monotonic()
        fastask.exit(server, KILL)

        with pytest.raises(CallError) as caught:
            await task
        assert caught.value.reason == KILLED
        assert time.monotonic() - began < 1.0
        assert left_behind() == NOTHING

    async def test_a_kill_in_an_async_callback_is_killed(self) -> None:
        me = self_()

        async def wait(server: Server, from_: GenCall) -> None:
            send(me, "here")
            await asyncio.sleep(60)

        server = await running(Server.start())
        caller = fastask.async_nolink(ask, server, wait)
        await receive("here".__eq__)
        fastask.exit(server, KILL)

        with pytest.raises(CallError) as caught:
            await caller
        assert caught.value.reason == KILLED

    async def test_calls_that_are_queued_get_the_reason_too(self) -> None:
        """GENS 328: what is queued behind a stop is not handled."""
        server = await running(Server.start())
        calls = [
            fastask.async_nolink(ask, server, request)
            for request in ("before", lambda *_: Stop("over", reply="bye"), "after")
        ]

        assert await calls[0] == "before"
        assert await calls[1] == "bye"
        with pytest.raises(CallError) as caught:
            await calls[2]
        assert caught.value.reason == "over"
        assert left_behind() == NOTHING

    async def test_stop_with_a_reply_terminates_then_replies_then_ends(self) -> None:
        """GENS 328."""

        class Last(Server):
            def handle_call(self, request: Any, from_: GenCall) -> Any:
                self.from_ = from_
                return Stop("over", reply="bye")

            async def terminate(self, reason: Any) -> None:
                await asyncio.sleep(0)
                send(self.from_.process, ("terminate", reason, self.from_.pending))

        server = await running(Last.start())
        ref = monitor(server)

        assert await GenServer.call(server, "end") == "bye"
        assert await receive(tuple) == ("terminate", "over", True)
        assert (await receive(ref)).reason == "over"

    async def test_a_linked_trapping_caller_gets_error_and_exit(self) -> None:
        trap_exit(True)
        server = await running(Server.start_link())

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, lambda *_: Stop("over"))
        assert caught.value.reason == "over"
        assert await receive() == Exited(server, "over")
        assert left_behind() == NOTHING

    async def test_a_linked_caller_that_does_not_trap_dies_with_it(self) -> None:
        async def client(parent: Process[Any]) -> None:
            server = await Server.start_link()
            try:
                await GenServer.call(server, lambda *_: Stop("over"))
            except CallError as error:
                send(parent, error)

        _, ref = spawn_monitor(client, self_())

        assert (await receive(ref)).reason == "over"
        assert left_behind() == NOTHING

    async def test_raising_exit_ends_with_its_reason(self) -> None:
        def leave(*_: Any) -> None:
            raise Exit("left")

        server = await running(Server.start())

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, leave)
        assert caught.value.reason == "left"

    async def test_a_server_without_handle_call_ends(self) -> None:
        """GENS 336."""

        class Bare(GenServer):
            pass

        server = await running(Bare.start())

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, "hello")
        assert isinstance(caught.value.reason, RuntimeError)
        assert "handle_call" in str(caught.value.reason)
        assert not server.alive

    @pytest.mark.parametrize("then", [3, Stop("x"), Answer(1), "soon"])
    async def test_a_bad_then_is_a_bad_return_value(self, then: Any) -> None:
        """GENS 331."""
        server = await running(Server.start())
        ref = monitor(server)
        result = NoReply(then=then)

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, lambda *_: result)
        assert caught.value.reason == ("bad_return_value", result)
        assert (await receive(ref)).reason == ("bad_return_value", result)

    @pytest.mark.parametrize("then", [3, Stop("x"), Answer(1), "soon"])
    async def test_a_bad_then_of_an_answer_is_no_answer(self, then: Any) -> None:
        server = await running(Server.start())
        result = Answer("value", then=then)

        with pytest.raises(CallError) as caught:
            await GenServer.call(server, lambda *_: result)
        assert caught.value.reason == ("bad_return_value", result)
        assert not server.alive
