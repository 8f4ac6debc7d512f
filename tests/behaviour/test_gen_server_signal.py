"""Exit signals that reach a server, its parent's end, and the report of a crash."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    NORMAL,
    SHUTDOWN,
    CallError,
    Exit,
    Exited,
    GenCall,
    GenServer,
    Process,
    Stop,
    link,
    monitor,
    process_info,
    receive,
    receive_nowait,
    self_,
    send,
    spawn,
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


class TestSignals:
    async def test_a_callback_is_unwound(self) -> None:
        server = await busy_server(trap=False)
        fastask.exit(server, "enough")

        assert await ended(server) == "enough"
        assert told() == [("finally",)]

    async def test_swallowing_it_in_a_callback_saves_nobody(self) -> None:
        async def stubborn(server: Server) -> None:
            server.tell("waiting")
            with contextlib.suppress(BaseException):
                await asyncio.sleep(60)

        server = await running(Server.start(self_(), False))
        GenServer.cast(server, stubborn)
        GenServer.cast(server, "queued")
        assert await receive(tuple) == ("waiting",)
        fastask.exit(server, "enough")

        assert await ended(server) == "enough"
        assert told() == []

    async def test_raising_something_else_does_not_change_the_reason(self) -> None:
        async def stubborn(server: Server) -> None:
            server.tell("waiting")
            try:
                await asyncio.sleep(60)
            finally:
                raise ValueError("other")

        server = await running(Server.start(self_(), False))
        GenServer.cast(server, stubborn)
        assert await receive(tuple) == ("waiting",)
        fastask.exit(server, "enough")

        assert await ended(server) == "enough"
        assert told() == []

    async def test_trapped_ones_wait_until_the_callback_is_done(self) -> None:
        server = await running(Server.start(self_()))
        gate = asyncio.Event()

        async def work(server: Server) -> None:
            await gate.wait()
            server.tell("done")

        GenServer.cast(server, work)
        await asyncio.sleep(0)
        fastask.exit(server, "enough")
        gate.set()

        assert await receive(tuple) == ("done",)
        assert await receive(tuple) == ("info", Exited(self_(), "enough"))
        await GenServer.stop(server)

    async def test_one_s_own_exit_in_a_callback_ends_it(self) -> None:
        server = await running(Server.start(self_(), False))
        GenServer.cast(server, lambda _: fastask.exit(self_(), "suicide"))

        assert await ended(server) == "suicide"
        assert told() == []

    async def test_cancelling_the_process_ends_it_with_shutdown(self) -> None:
        """api.md, Processes: `cancel` is asyncio's, and can be caught; not a signal."""
        server = await busy_server(trap=False)
        server.cancel()

        assert await ended(server) == SHUTDOWN
        assert ("finally",) in told()


class TestParent:
    @pytest.mark.usefixtures("crashes")
    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, "crashed"])
    async def test_its_end_terminates_a_server_that_traps(self, reason: Any) -> None:
        """GENS 337: also when it ends normally, and not by handle_info."""
        parent = spawn(parent_of_a_server, self_())
        server = await receive(Process)
        send(parent, reason)

        assert await ended(server) == reason
        assert told() == [("terminate", reason)]

    @pytest.mark.usefixtures("crashes")
    async def test_its_end_comes_after_what_was_queued_before(self) -> None:
        parent = spawn(parent_of_a_server, self_())
        server = await receive(Process)
        ref = monitor(server)
        GenServer.cast(server, "before")
        send(parent, "crashed")

        assert (await receive(ref)).reason == "crashed"
        assert told() == [("cast", "before"), ("terminate", "crashed")]

    @pytest.mark.usefixtures("crashes")
    async def test_its_crash_ends_one_that_does_not_trap_at_once(self) -> None:
        """GENS 338."""
        parent = spawn(parent_of_a_server, self_(), False)
        server = await receive(Process)
        ref = monitor(server)
        send(parent, "crashed")

        assert (await receive(ref)).reason == "crashed"
        assert told() == []

    async def test_its_normal_end_does_not_end_one_that_does_not_trap(self) -> None:
        parent = spawn(parent_of_a_server, self_(), False)
        server = await receive(Process)
        ref = monitor(parent)
        send(parent, NORMAL)
        await receive(ref)

        assert await GenServer.call(server, 1) == 1
        await GenServer.stop(server)

    @pytest.mark.usefixtures("crashes")
    async def test_its_exit_signal_ends_a_suspended_server(self) -> None:
        parent = spawn(parent_of_a_server, self_())
        server = await receive(Process)
        await fastask.sys.suspend(server)
        GenServer.cast(server, "queued")
        send(parent, "crashed")

        assert await ended(server) == "crashed"
        assert told() == [("terminate", "crashed")]

    async def test_an_exit_of_another_process_is_a_message(self) -> None:
        """GENS 339."""

        async def other(server: Process[Any]) -> None:
            link(server)
            raise Exit("other")

        server = await running(Server.start_link(self_()))
        process = spawn(other, server)

        assert await receive(tuple) == ("info", Exited(process, "other"))
        await GenServer.stop(server)

    async def test_the_starter_of_an_unlinked_server_is_no_parent(self) -> None:
        """GENS 347."""

        async def starter(teller: Process[Any]) -> None:
            server = await Server.start(teller)
            assert server is not None
            link(server)
            send(teller, server)
            raise Exit("over")

        process = spawn(starter, self_())
        server = await receive(Process)

        assert await receive(tuple) == ("info", Exited(process, "over"))
        await GenServer.stop(server)

    async def test_exit_with_the_parent_as_sender_terminates(self) -> None:
        """What a supervisor does."""
        server = await running(Server.start_link(self_()))
        ref = monitor(server)
        fastask.unlink(server)
        fastask.exit(server, SHUTDOWN)

        assert (await receive(ref)).reason == SHUTDOWN
        assert told() == [("terminate", SHUTDOWN)]


class TestReport:
    """A crash that nobody observes is logged, once."""

    @staticmethod
    async def records(
        caplog: pytest.LogCaptureFixture, server: Process[Any]
    ) -> list[logging.LogRecord]:
        while server.alive:
            await asyncio.sleep(0)
        return [r for r in caplog.records if r.name == "fastask"]

    async def test_a_crash_is_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """GENS 330."""
        server = await running(Server.start(self_()))
        GenServer.cast(server, fail(ValueError("boom")))

        (record,) = await self.records(caplog, server)
        assert record.levelno == logging.ERROR
        assert "boom" in record.getMessage()
        assert "Server" in record.getMessage()
        assert told() == [("terminate", record.exc_info[1] if record.exc_info else 0)]

    async def test_a_crash_during_a_call_is_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = await running(Server.start(self_()))
        with pytest.raises(CallError):
            await GenServer.call(server, fail(ValueError("boom")))

        assert len(await self.records(caplog, server)) == 1
        told()

    @pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, (SHUTDOWN, "why")])
    async def test_an_expected_end_is_not_logged(
        self, caplog: pytest.LogCaptureFixture, reason: object
    ) -> None:
        server = await running(Server.start(self_()))
        GenServer.cast(server, lambda _: Stop(reason))

        assert await self.records(caplog, server) == []
        told()

    async def test_a_bad_return_value_is_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = await running(Server.start(self_()))
        GenServer.cast(server, lambda _: "garbage")

        (record,) = await self.records(caplog, server)
        assert "bad_return_value" in record.getMessage()
        assert "garbage" in record.getMessage()
        told()
