"""Casts, other messages and `Continue`, of a server."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    NORMAL,
    Address,
    Answer,
    Continue,
    Down,
    Exited,
    GenCall,
    GenServer,
    Hibernate,
    IdleTimeout,
    Ignore,
    NoReply,
    Process,
    Reply,
    Stop,
    Timeout,
    Via,
    monitor,
    process_info,
    receive,
    self_,
    send,
    spawn_link,
    trap_exit,
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
        self.steps = 0
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


class TestCast:
    async def test_is_handled_in_order(self) -> None:
        """GENS 308."""
        server = await running(Server.start_link())
        for number in range(100):
            GenServer.cast(server, number)

        assert await seen(server) == [("cast", n) for n in range(100)]
        await GenServer.stop(server)

    async def test_returns_before_it_is_handled(self) -> None:
        server = await running(Server.start_link())
        done: list[int] = []
        GenServer.cast(server, lambda _: done.append(1))

        assert done == []
        await seen(server)
        assert done == [1]
        await GenServer.stop(server)

    async def test_goes_to_every_kind_of_destination(self) -> None:
        class Here(Via):
            def whereis(self) -> Process[Any] | None:
                return fastask.whereis("server")

        server = await running(Server.start_link(name="server"))
        for dest in (server, "server", Address("server", fastask.node()), Here()):
            GenServer.cast(dest, "hello")

        assert await seen(server) == [("cast", "hello")] * 4
        await GenServer.stop(server)

    async def test_is_silent_when_nobody_is_there(self) -> None:
        """GENS 308."""

        class Nowhere(Via):
            def whereis(self) -> None:
                return None

        dead = await running(Server.start_link())
        await GenServer.stop(dead)

        for dest in (dead, "unknown", None, 7, Nowhere(), Address("no", "where@else")):
            GenServer.cast(dest, "hello")
        assert messages() == []

    async def test_to_what_is_not_hashable_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="dest must be hashable"):
            GenServer.cast([], "hello")  # type: ignore[arg-type]

    async def test_from_a_thread_reaches_a_process(self) -> None:
        server = await running(Server.start_link())
        me = self_()

        def work() -> None:
            GenServer.cast(server, "from afar")
            send(me, "cast")

        thread = threading.Thread(target=work)
        thread.start()
        await receive("cast".__eq__)
        thread.join()

        assert await seen(server) == [("cast", "from afar")]
        await GenServer.stop(server)

    async def test_may_be_async(self) -> None:
        server = await running(Server.start_link())

        async def work(server: Server) -> None:
            await asyncio.sleep(0.002)
            server.note("done")

        async def handle(server: Server) -> None:
            await work(server)

        GenServer.cast(server, handle)
        GenServer.cast(server, "next")

        assert await seen(server) == ["done", ("cast", "next")]
        await GenServer.stop(server)

    async def test_abcast_reaches_this_node(self) -> None:
        """GENS 314."""
        server = await running(Server.start_link(name="server"))
        GenServer.abcast([fastask.node()], "server", "hello")

        assert await seen(server) == [("cast", "hello")]
        await GenServer.stop(server)

    async def test_multi_call_tells_replies_and_bad_nodes(self) -> None:
        """GENS 315."""
        server = await running(Server.start_link(name="server"))
        here = fastask.node()

        assert await GenServer.multi_call([here], "server", "seen") == (
            [(here, [])],
            [],
        )
        assert await GenServer.multi_call([here], "nobody", "seen") == ([], [here])
        await GenServer.stop(server)

    async def test_nodes_given_as_one_string_are_an_error(self) -> None:
        with pytest.raises(TypeError, match="nodes must be"):
            GenServer.abcast("a@host", "server", "hello")
        with pytest.raises(TypeError, match="nodes must be"):
            await GenServer.multi_call("a@host", "server", "hello")


class TestResult:
    """What `handle_cast`, `handle_info` and `handle_continue` may return."""

    @each_way
    @pytest.mark.parametrize("result", [None, Hibernate(), IdleTimeout(None)], ids=repr)
    async def test_goes_on(self, tell: Tell, result: Any) -> None:
        """GENS 344."""
        server = await running(Server.start_link())
        tell(server, lambda _: result)

        assert await seen(server) == []
        await GenServer.stop(server)

    @each_way
    @pytest.mark.parametrize("reason", [NORMAL, "over", ("shutdown", 1)], ids=repr)
    async def test_stop_ends_the_server(self, tell: Tell, reason: Any) -> None:
        server = await running(Server.start())
        tell(server, lambda _: Stop(reason))

        assert await ended(server) == reason

    @each_way
    @pytest.mark.parametrize(
        "result",
        [1, False, "text", (), NoReply(), Answer(1), Ignore(), Stop("x", reply=1)],
        ids=repr,
    )
    async def test_anything_else_is_a_bad_return_value(
        self, tell: Tell, result: Any
    ) -> None:
        """GENS 331; api.md, Detail 15."""
        server = await running(Server.start())
        tell(server, lambda _: result)

        assert await ended(server) == ("bad_return_value", result)

    @each_way
    async def test_a_raise_ends_the_server(self, tell: Tell) -> None:
        """GENS 330."""
        error = ValueError("boom")

        def fail(_: Server) -> None:
            raise error

        server = await running(Server.start())
        tell(server, fail)

        assert await ended(server) is error

    @pytest.mark.parametrize("way", ["cast", "continue"])
    async def test_a_callback_that_is_missing_ends_the_server(self, way: str) -> None:
        """GENS 336."""

        class Bare(GenServer):
            def handle_info(self, message: Any) -> Any:
                return Continue(message)

        server = await running(Bare.start())
        if way == "cast":
            GenServer.cast(server, "hello")
        else:
            send(server, "hello")

        reason = await ended(server)
        assert isinstance(reason, RuntimeError)
        assert f"handle_{way}" in str(reason)


class TestInfo:
    async def test_gets_every_other_message(self) -> None:
        async def crash() -> None:
            raise fastask.Exit("crashed")

        def begin(server: Server) -> None:
            trap_exit(True)
            server.note(fastask.start_timer(0.001, self_(), "late"))
            server.note(fastask.async_nolink(asyncio.sleep, 0, "value"))
            server.note(spawn_link(crash))

        server = await running(Server.start_link())
        send(server, begin)
        while len(await seen(server)) < 7:
            await asyncio.sleep(0.001)

        timer, task, crashed, *rest = await seen(server)
        assert sorted((info for _, info in rest), key=repr) == sorted(
            [
                Timeout(timer.ref, "late"),
                Reply(task.ref, "value"),
                Down(task.ref, task.process, NORMAL),
                Exited(crashed, "crashed"),
            ],
            key=repr,
        )
        await GenServer.stop(server)

    async def test_a_result_comes_before_its_down(self) -> None:
        server = await running(Server.start_link())
        send(server, lambda s: s.note(fastask.async_nolink(asyncio.sleep, 0, 1)))
        while len(await seen(server)) < 3:
            await asyncio.sleep(0)

        task, reply, down = await seen(server)
        assert reply == ("info", Reply(task.ref, 1))
        assert down == ("info", Down(task.ref, task.process, NORMAL))
        await GenServer.stop(server)

    async def test_without_one_a_message_is_logged_and_the_server_lives(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """GENS 336."""

        class Bare(GenServer):
            def handle_call(self, request: Any, from_: GenCall) -> Any:
                return request

        server = await running(Bare.start_link())
        send(server, "stray")

        assert await GenServer.call(server, "still here") == "still here"
        (record,) = [r for r in caplog.records if r.name == "fastask"]
        assert record.levelno == logging.ERROR
        assert "'stray'" in record.getMessage()
        await GenServer.stop(server)


class TestContinue:
    async def test_runs_before_queued_messages(self) -> None:
        server = await running(Server.start_link())
        GenServer.cast(server, lambda _: Continue(1))
        send(server, "queued")

        assert await seen(server) == [("continue", 1), ("info", "queued")]
        await GenServer.stop(server)

    async def test_may_follow_itself(self) -> None:
        def again(left: int) -> Callable[[Server], Any]:
            def step(server: Server) -> Any:
                server.note(left)
                return Continue(again(left - 1)) if left else None

            return step

        server = await running(Server.start_link(Continue(again(3))))
        send(server, "queued")

        assert await seen(server) == [3, 2, 1, 0, ("info", "queued")]
        await GenServer.stop(server)

    async def test_after_a_reply(self) -> None:
        server = await running(Server.start_link())

        answer = GenServer.call(server, lambda _: Answer("now", then=Continue(None)))
        assert await answer == "now"
        assert await seen(server) == [("continue", None)]
        await GenServer.stop(server)

    async def test_after_no_reply(self) -> None:
        server = await running(Server.start_link())
        with pytest.raises(TimeoutError):
            await GenServer.call(server, lambda _: NoReply(then=Continue(2)), 0.01)

        assert await seen(server) == [("continue", 2)]
        await GenServer.stop(server)


async def until_others_run(server: Process[Any], begin: Callable[[Any], Any]) -> bool:
    """Tell whether another process ran before a server had done 200 000 steps."""
    others: list[str] = []

    async def other() -> None:
        others.append("ran")

    def step(server: Server) -> Any:
        server.steps += 1
        return None if others or server.steps == 200_000 else begin(step)

    GenServer.cast(server, step)
    await fastask.spawn(other)
    return await GenServer.call(server, lambda s: s.steps < 200_000) is True


class TestFairness:
    """A server that always has something to do does not hold up the others."""

    async def test_of_messages_to_oneself(self) -> None:
        server = await running(Server.start_link())

        assert await until_others_run(server, lambda step: send(self_(), step))
        await GenServer.stop(server)

    async def test_of_idle_timeouts(self) -> None:
        class Ticking(Server):
            def handle_info(self, message: Any) -> Any:
                return self.step(self)

            def handle_cast(self, request: Any) -> Any:
                self.step = request
                return request(self)

        server = await running(Ticking.start_link())

        assert await until_others_run(server, lambda step: IdleTimeout(0))
        await GenServer.stop(server)

    async def test_of_continues(self) -> None:
        server = await running(Server.start_link())

        assert await until_others_run(server, Continue)
        await GenServer.stop(server)
