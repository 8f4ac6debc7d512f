"""`IdleTimeout`: what a server is told when no message comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    TIMEOUT,
    Answer,
    Continue,
    GenCall,
    GenServer,
    IdleTimeout,
    NoReply,
    Process,
    Stop,
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


async def ended(process: Process[Any]) -> Any:
    """Wait for the end of a process and return its reason."""
    return (await receive(monitor(process))).reason


class Server(GenServer):
    """Does what it is told: functions of the server, by every way in."""

    def init(self, answer: Any = None) -> Any:
        self.seen: list[Any] = []
        return answer

    def note(self, what: Any) -> None:
        self.seen.append(what)

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        if request == "seen":
            return list(self.seen)
        return request(self)

    def handle_cast(self, request: Any) -> Any:
        return request(self) if callable(request) else self.note(("cast", request))

    def handle_info(self, message: Any) -> Any:
        return message(self) if callable(message) else self.note(("info", message))

    def handle_continue(self, argument: Any) -> Any:
        if callable(argument):
            return argument(self)
        return self.note(("continue", argument))


async def seen(server: Process[Any]) -> Any:
    """What a server noted; also a sign that it took what came before."""
    return await GenServer.call(server, "seen")


Tell = Callable[[Process[Any], Callable[[Any], Any]], None]


def by_cast(server: Process[Any], work: Callable[[Any], Any]) -> None:
    GenServer.cast(server, work)


def by_send(server: Process[Any], work: Callable[[Any], Any]) -> None:
    send(server, work)


def by_continue(server: Process[Any], work: Callable[[Any], Any]) -> None:
    GenServer.cast(server, lambda _: Continue(work))


each_way = pytest.mark.parametrize("tell", [by_cast, by_send, by_continue])


def watch(parent: Process[Any]) -> Callable[[Server], IdleTimeout]:
    """Have the server pass on what it notes, and be idle again."""

    def begin(server: Server) -> IdleTimeout:
        server.note = lambda what: send(parent, what)  # type: ignore[method-assign]
        send(parent, "watching")
        return IdleTimeout(0.01)

    return begin


class TestIdleTimeout:
    async def test_delivers_timeout_when_nothing_comes(self) -> None:
        server = await running(Server.start_link(IdleTimeout(0.02)))
        began = time.monotonic()
        send(server, watch(self_()))
        await receive("watching".__eq__)

        assert await receive(tuple, timeout=1) == ("info", TIMEOUT)
        assert time.monotonic() - began < 1.0
        await GenServer.stop(server)

    @pytest.mark.parametrize("seconds", [0, 0.001])
    async def test_a_queued_message_comes_first_and_ends_it(
        self, seconds: float
    ) -> None:
        class Late(Server):
            async def init(self, answer: Any = None) -> Any:
                self.seen = []
                send(self_(), "queued")
                await asyncio.sleep(0)
                return IdleTimeout(seconds)

        server = await running(Late.start_link())
        await asyncio.sleep(0.02)

        assert await seen(server) == [("info", "queued")]
        await GenServer.stop(server)

    async def test_zero_is_delivered_when_nothing_is_queued(self) -> None:
        server = await running(Server.start_link(IdleTimeout(0)))
        await asyncio.sleep(0.005)

        assert await seen(server) == [("info", TIMEOUT)]
        await GenServer.stop(server)

    async def test_comes_once(self) -> None:
        server = await running(Server.start_link(IdleTimeout(0.005)))
        await asyncio.sleep(0.05)

        assert await seen(server) == [("info", TIMEOUT)]
        await GenServer.stop(server)

    async def test_returned_again_comes_again(self) -> None:
        class Ticking(Server):
            def handle_info(self, message: Any) -> Any:
                self.note(message)
                return IdleTimeout(0.001) if len(self.seen) < 3 else Stop(self.seen)

        server = await running(Ticking.start(IdleTimeout(0.001)))

        assert await ended(server) == [TIMEOUT] * 3

    async def test_any_message_ends_it(self) -> None:
        server = await running(Server.start_link(IdleTimeout(0.02)))
        await asyncio.sleep(0)
        GenServer.cast(server, "hello")
        await asyncio.sleep(0.05)

        assert await seen(server) == [("cast", "hello")]
        await GenServer.stop(server)

    @pytest.mark.parametrize("wrap", [Answer, NoReply])
    async def test_after_a_call(self, wrap: Any) -> None:
        idle = IdleTimeout(0.005)
        server = await running(Server.start_link())
        answer = NoReply(then=idle) if wrap is NoReply else Answer(1, then=idle)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await GenServer.call(server, lambda _: answer)
                await receive(lambda message: False)

        assert await seen(server) == [("info", TIMEOUT)]
        await GenServer.stop(server)

    @each_way
    async def test_after_any_other_callback(self, tell: Tell) -> None:
        server = await running(Server.start_link())
        tell(server, lambda _: IdleTimeout(0.005))
        await asyncio.sleep(0.05)

        assert await seen(server) == [("info", TIMEOUT)]
        await GenServer.stop(server)

    async def test_a_system_request_begins_it_anew(self) -> None:
        """GENS 326."""
        me = self_()

        class Late(Server):
            def handle_info(self, message: Any) -> None:
                send(me, (message, time.monotonic()))

        server = await running(Late.start_link(IdleTimeout(0.06)))
        await asyncio.sleep(0.04)
        asked = time.monotonic()
        await fastask.sys.get_state(server)

        message, at = await receive(tuple, timeout=1)
        assert message == TIMEOUT
        assert 0.06 <= at - asked < 1.0
        await GenServer.stop(server)

    @pytest.mark.parametrize("seconds", [-1, -0.001])
    async def test_a_negative_time_is_an_error(self, seconds: float) -> None:
        with pytest.raises(ValueError, match="seconds must be"):
            IdleTimeout(seconds)

    async def test_a_time_that_is_no_number_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="seconds must be"):
            IdleTimeout("soon")  # type: ignore[arg-type]

    async def test_a_kill_while_idle_leaves_no_timer(self) -> None:
        server = await running(Server.start(IdleTimeout(0.01)))
        fastask.exit(server, KILL)
        await ended(server)

        with pytest.raises(TimeoutError):
            await receive(timeout=0.03)
