"""`fastask.sys`: what a server has handled, and hooks that see it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from fastask import (
    NORMAL,
    Continue,
    GenCall,
    GenCast,
    GenServer,
    NoReply,
    Process,
    process_info,
    self_,
    send,
    sys,
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


class Counter(GenServer):
    """Counts calls, casts and messages."""

    def init(self) -> None:
        self.total = 0
        self.seen: list[Any] = []

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        self.seen.append(request)
        return request(self) if callable(request) else request

    def handle_cast(self, request: Any) -> Any:
        self.seen.append(request)
        return request(self) if callable(request) else None

    def handle_info(self, message: Any) -> None:
        self.seen.append(message)


class TestStatistics:
    async def test_counts_messages_and_replies(self) -> None:
        """SYSX 353."""
        server = await running(Counter.start_link())
        GenServer.cast(server, "cast")
        send(server, "info")
        await GenServer.call(server, "call")

        figures = await sys.statistics(server)
        assert figures is not None
        assert (figures.messages_in, figures.messages_out) == (3, 1)
        assert 0 <= figures.age < 60
        await GenServer.stop(server)

    async def test_may_begin_anew(self) -> None:
        server = await running(Counter.start_link())
        await GenServer.call(server, "call")

        assert await sys.statistics(server, reset=True) is None
        figures = await sys.statistics(server)
        assert figures is not None
        assert (figures.messages_in, figures.messages_out) == (0, 0)
        await GenServer.stop(server)


def keep(events: list[Any], event: tuple[Any, ...], process: Any) -> list[Any]:
    """A hook that keeps what it is given."""
    events.append((event, process))
    return events


class TestInstall:
    async def test_calls_the_function_for_each_event(self) -> None:
        """SYSX 353."""
        server = await running(Counter.start_link())
        events: list[Any] = []
        await sys.install(server, keep, events)
        GenServer.cast(server, "cast")
        send(server, "info")
        await GenServer.call(server, "call")
        await sys.remove(server, keep)
        await GenServer.call(server, "unseen")

        assert {process for _, process in events} == {server}
        kinds = [event[0] for event, _ in events]
        assert kinds == ["in", "noreply", "in", "noreply", "in", "out"]
        cast, _, info, _, call, out = [event for event, _ in events]
        assert isinstance(cast[1], GenCast)
        assert cast[1].request == "cast"
        assert info == ("in", "info")
        assert isinstance(call[1], GenCall)
        assert out == ("out", "call", self_())
        await GenServer.stop(server)

    async def test_what_it_returns_is_its_next_state(self) -> None:
        server = await running(Counter.start_link())
        counts: list[int] = []

        def count(state: int, event: Any, process: Any) -> int:
            counts.append(state)
            return state + 1

        await sys.install(server, count, 0)
        await GenServer.call(server, "a")
        await GenServer.call(server, "b")

        assert counts == [0, 1, 2, 3]
        await GenServer.stop(server)

    async def test_one_that_raises_is_removed_and_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = await running(Counter.start_link())
        events: list[Any] = []

        def fail(*_: Any) -> None:
            raise ValueError("hook")

        await sys.install(server, fail, None)
        await sys.install(server, keep, events)
        await GenServer.call(server, "a")
        await GenServer.call(server, "b")

        records = [r for r in caplog.records if r.name == "fastask"]
        assert len(records) == 1
        assert "hook" in records[0].getMessage()
        assert len(events) == 4
        await GenServer.stop(server)

    async def test_a_name_is_installed_once(self) -> None:
        server = await running(Counter.start_link())
        first: list[Any] = []
        second: list[Any] = []
        await sys.install(server, keep, first, "hook")
        await sys.install(server, keep, second, "hook")
        await GenServer.call(server, "a")

        assert (len(first), len(second)) == (2, 0)
        await sys.remove(server, "hook")
        await GenServer.call(server, "a")
        assert (len(first), len(second)) == (2, 0)
        await GenServer.stop(server)

    async def test_removing_what_is_not_there_is_no_error(self) -> None:
        server = await running(Counter.start_link())

        await sys.remove(server, "missing")
        assert await GenServer.call(server, "a") == "a"
        await GenServer.stop(server)

    async def test_what_is_no_function_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="fn must be a function, got 5"):
            await sys.install("nobody", 5, None)  # type: ignore[arg-type]


class TestTraceAndLog:
    async def test_trace_prints_events_until_it_is_off(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """SYSX 353."""
        server = await running(Counter.start_link())
        await sys.trace(server, True)
        GenServer.cast(server, "a cast")
        await GenServer.call(server, "a call")
        printed = capsys.readouterr().out
        await sys.trace(server, False)
        await GenServer.call(server, "unseen")

        assert "a cast" in printed
        assert "a call" in printed
        assert repr(server) in printed
        assert capsys.readouterr().out == ""
        await GenServer.stop(server)

    async def test_log_keeps_the_last_events(self) -> None:
        """SYSX 353."""
        server = await running(Counter.start_link())
        await sys.log(server, 2)
        for number in range(5):
            send(server, number)

        assert await sys.log(server) == [("in", 4), ("noreply",)]
        assert await sys.log(server, False) == []
        send(server, "unseen")
        assert await sys.log(server) == []
        await GenServer.stop(server)

    async def test_log_keeps_ten_unless_told(self) -> None:
        server = await running(Counter.start_link())
        await sys.log(server, True)
        for number in range(20):
            send(server, number)

        events = await sys.log(server)
        assert len(events) == 10
        assert events[-2:] == [("in", 19), ("noreply",)]
        await GenServer.stop(server)

    @pytest.mark.parametrize("size", [-1, "many", 2.5])
    async def test_a_bad_size_is_an_error_and_keeps_the_log(self, size: Any) -> None:
        server = await running(Counter.start_link())
        await sys.log(server, 2)
        send(server, "kept")

        with pytest.raises((ValueError, TypeError), match="flag must"):
            await sys.log(server, size)
        assert await sys.log(server) == [("in", "kept"), ("noreply",)]
        await GenServer.stop(server)

    async def test_continue_and_no_reply_are_noreply_events(self) -> None:
        class Later(Counter):
            def handle_call(self, request: Any, from_: GenCall) -> Any:
                GenServer.reply(from_, "early")
                return NoReply(then=Continue(None))

            def handle_continue(self, argument: Any) -> None:
                self.seen.append(NORMAL)

        server = await running(Later.start_link())
        await sys.log(server, True)

        assert await GenServer.call(server, "a") == "early"
        events = await sys.log(server)
        assert [event[0] for event in events] == ["in", "noreply", "noreply"]
        await GenServer.stop(server)
