"""`GenServer.start_link` and `start`: what `init` answers decides."""

from __future__ import annotations

import asyncio
import contextlib
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
    TIMEOUT,
    Answer,
    CallError,
    Continue,
    Exit,
    Exited,
    GenCall,
    GenServer,
    Hibernate,
    IdleTimeout,
    Ignore,
    NoReply,
    Process,
    StartError,
    Stop,
    monitor,
    process_info,
    receive,
    self_,
    send,
    trap_exit,
    whereis,
)


def links() -> list[Process[Any]]:
    """The links of the calling process."""
    info = process_info(self_())
    assert info is not None
    return list(info.links)


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


async def begin(kind: type[GenServer], link: bool, *args: Any, **options: Any) -> Any:
    """Start a server in one of the two ways."""
    if link:
        return await kind.start_link(*args, **options)
    return await kind.start(*args, **options)


each_start = pytest.mark.parametrize("link", [True, False], ids=["link", "nolink"])
each_trap = pytest.mark.parametrize("trap", [True, False], ids=["trap", "die"])


class Answering(GenServer):
    """Its `init` tells that it runs, and gives the answer that it is given."""

    def init(self, parent: Process[Any], answer: Any) -> Any:
        self.seen: list[Any] = []
        send(parent, ("init", self_()))
        return answer

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        return (request, self.seen)

    def handle_info(self, message: Any) -> None:
        self.seen.append(message)

    def handle_continue(self, argument: Any) -> None:
        self.seen.append(("continue", argument))

    def terminate(self, reason: Any) -> None:
        self.seen.append(reason)
        raise AssertionError("terminate must not run")


class Echo(GenServer):
    """Starts as it is."""

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        return request


class Raising(GenServer):
    """Its `init` raises what it is given."""

    def init(self, error: BaseException) -> None:
        raise error


class Slow(GenServer):
    """Its `init` never returns."""

    async def init(self, parent: Process[Any]) -> None:
        send(parent, self_())
        await receive(lambda message: False)


class TestGoodAnswers:
    @each_start
    @pytest.mark.parametrize(
        "answer", [None, Hibernate(), IdleTimeout(60), IdleTimeout(None), Continue(1)]
    )
    async def test_the_process_is_returned_and_answers(
        self, link: bool, answer: Any
    ) -> None:
        """GENS 318."""
        process = await begin(Answering, link, self_(), answer)

        assert await receive() == ("init", process)
        request, _ = await GenServer.call(process, "hello")
        assert request == "hello"
        fastask.unlink(process)
        fastask.exit(process, KILL)
        await ended(process)

    async def test_start_link_links(self) -> None:
        """GENS 308."""
        process = await running(Echo.start_link())

        assert links() == [process]
        await GenServer.stop(process)
        assert left_behind() == ([], [], [])

    async def test_start_does_not_link(self) -> None:
        """GENS 313."""
        process = await running(Echo.start())

        assert links() == []
        await GenServer.stop(process)
        assert left_behind() == ([], [], [])

    async def test_an_async_init_is_waited_for(self) -> None:
        class Late(GenServer):
            async def init(self, value: int) -> None:
                await asyncio.sleep(0.005)
                self.value = value

            def handle_call(self, request: Any, from_: GenCall) -> Any:
                return self.value

        process = await running(Late.start_link(7))

        assert await GenServer.call(process, "value") == 7
        await GenServer.stop(process)

    async def test_a_server_without_init_starts_as_it_is(self) -> None:
        """api.md, Detail 15."""
        process = await running(Echo.start_link())

        assert await GenServer.call(process, 1) == 1
        await GenServer.stop(process)

    async def test_continue_runs_before_what_was_queued_during_init(self) -> None:
        class Eager(Answering):
            async def init(self, *args: Any, **kwargs: Any) -> Any:
                self.seen = []
                send(self_(), "queued")
                await asyncio.sleep(0)
                return Continue("first")

            def terminate(self, reason: Any) -> None:
                pass

        process = await running(Eager.start_link())

        _, seen = await GenServer.call(process, "seen")
        assert seen == [("continue", "first"), "queued"]
        await GenServer.stop(process)

    async def test_each_start_makes_a_state_of_its_own(self) -> None:
        first = await running(Echo.start_link())
        second = await running(Echo.start_link())

        states = [await fastask.sys.get_state(p) for p in (first, second)]
        assert states[0] is not states[1]
        await GenServer.stop(first)
        await GenServer.stop(second)

    async def test_init_runs_in_the_server_and_nowhere_else(self) -> None:
        process = await running(Answering.start(self_(), None))

        assert await receive() == ("init", process)
        assert process is not self_()
        fastask.exit(process, KILL)
        await ended(process)

    async def test_a_result_of_init_that_is_awaitable_is_awaited(self) -> None:
        class Nested(GenServer):
            def init(self) -> Any:
                return self.later()

            async def later(self) -> Ignore:
                return Ignore()

        assert await Nested.start_link() is None
        assert left_behind() == ([], [], [])

    async def test_a_crash_right_after_init_is_no_failed_start(self) -> None:
        """The start has succeeded by then, as in Elixir."""
        error = ValueError("later")

        class Doomed(GenServer):
            def init(self) -> Continue:
                return Continue(None)

            def handle_continue(self, argument: Any) -> None:
                raise error

        trap_exit(True)
        process = await running(Doomed.start_link())

        assert await receive() == Exited(process, error)
        assert left_behind() == ([], [], [])

    async def test_calls_during_init_are_answered_after_it(self) -> None:
        gate = asyncio.Event()

        class Late(Echo):
            async def init(self) -> None:
                await gate.wait()

        async def ask() -> Any:
            return await GenServer.call("late", 1)

        start = fastask.async_(running, Late.start(name="late"))
        while whereis("late") is None:
            await asyncio.sleep(0)
        asking = fastask.async_(ask)
        assert await fastask.yield_(asking, 0.005) is None
        gate.set()

        assert await asking == 1
        await GenServer.stop(await start)


class TestRefusals:
    @each_start
    @each_trap
    async def test_ignore_returns_none(self, link: bool, trap: bool) -> None:
        """GENS 318; api.md, Detail 14."""
        trap_exit(trap)

        assert await begin(Answering, link, self_(), Ignore(), name="free") is None
        _, process = await receive()
        assert not process.alive
        assert whereis("free") is None
        assert left_behind() == ([], [], [])

    @each_start
    @each_trap
    @pytest.mark.parametrize("reason", ["no", NORMAL, SHUTDOWN, (SHUTDOWN, 1), KILL])
    async def test_stop_raises_with_the_reason(
        self, link: bool, trap: bool, reason: Any
    ) -> None:
        """GENS 318: and the caller survives, also without trapping exits."""
        trap_exit(trap)

        with pytest.raises(StartError) as caught:
            await begin(Answering, link, self_(), Stop(reason), name="free")
        assert caught.value.reason == reason
        assert caught.value.child_id is None
        assert whereis("free") is None
        _, process = await receive()
        assert not process.alive
        assert left_behind() == ([], [], [])

    @each_start
    @each_trap
    async def test_a_raise_is_the_reason(self, link: bool, trap: bool) -> None:
        """GENS 318."""
        trap_exit(trap)
        error = ValueError("boom")

        with pytest.raises(StartError) as caught:
            await begin(Raising, link, error, name="free")
        assert caught.value.reason is error
        assert caught.value.__cause__ is error
        assert whereis("free") is None
        assert left_behind() == ([], [], [])

    @each_start
    @pytest.mark.parametrize("reason", ["no", NORMAL, SHUTDOWN])
    async def test_raising_exit_is_the_reason(self, link: bool, reason: Any) -> None:
        """GENS 318."""
        with pytest.raises(StartError) as caught:
            await begin(Raising, link, Exit(reason))
        assert caught.value.reason == reason
        assert left_behind() == ([], [], [])

    @each_start
    @pytest.mark.parametrize(
        "answer", [3, "ok", False, (), Answer(1), NoReply(), Stop("no", reply=1)]
    )
    async def test_anything_else_is_a_bad_return_value(
        self, link: bool, answer: Any
    ) -> None:
        """GENS 318."""
        with pytest.raises(StartError) as caught:
            await begin(Answering, link, self_(), answer)
        assert caught.value.reason == ("bad_return_value", answer)
        _, process = await receive()
        assert not process.alive
        assert left_behind() == ([], [], [])

    async def test_an_async_init_that_raises_is_the_same(self) -> None:
        class Late(GenServer):
            async def init(self) -> None:
                await asyncio.sleep(0)
                raise ValueError("late")

        with pytest.raises(StartError, match="late"):
            await Late.start_link()
        assert left_behind() == ([], [], [])

    @pytest.mark.parametrize("args", [(), (1, 2)])
    async def test_arguments_that_init_does_not_take_are_a_failed_start(
        self, args: tuple[Any, ...]
    ) -> None:
        class One(GenServer):
            def init(self, one: int) -> None: ...

        with pytest.raises(StartError) as caught:
            await One.start_link(*args)
        assert isinstance(caught.value.reason, TypeError)

    async def test_arguments_without_an_init_are_a_failed_start(self) -> None:
        with pytest.raises(StartError) as caught:
            await Echo.start_link("unexpected")
        assert isinstance(caught.value.reason, TypeError)

    async def test_a_constructor_that_raises_is_a_failed_start(self) -> None:
        class Odd(GenServer):
            def __init__(self) -> None:
                raise ValueError("constructor")

        with pytest.raises(StartError, match="constructor"):
            await Odd.start_link()
        assert left_behind() == ([], [], [])

    async def test_a_signal_during_init_is_the_reason(self) -> None:
        async def shoot(process: Process[Any]) -> None:
            fastask.exit(process, KILL)

        class Victim(GenServer):
            async def init(self) -> None:
                fastask.spawn(shoot, self_())
                await receive(lambda message: False)

        trap_exit(True)

        with pytest.raises(StartError) as caught:
            await Victim.start_link()
        assert caught.value.reason == KILLED
        assert left_behind() == ([], [], [])

    async def test_a_process_that_init_links_and_that_crashes_is_the_reason(
        self,
    ) -> None:
        error = ValueError("helper")

        async def crash() -> None:
            raise error

        class Linking(GenServer):
            async def init(self) -> None:
                fastask.spawn_link(crash)
                await receive(lambda message: False)

        with pytest.raises(StartError) as caught:
            await Linking.start_link()
        assert caught.value.reason is error
        assert left_behind() == ([], [], [])

    async def test_swallowing_a_signal_in_init_does_not_save_the_start(self) -> None:
        class Stubborn(GenServer):
            async def init(self) -> None:
                with contextlib.suppress(BaseException):
                    fastask.exit(self_(), "no")

        with pytest.raises(StartError) as caught:
            await Stubborn.start_link()
        assert caught.value.reason == "no"
        assert left_behind() == ([], [], [])

    async def test_swallowing_it_in_a_foreign_await_does_not_either(self) -> None:
        async def shoot(process: Process[Any]) -> None:
            fastask.exit(process, "no")

        class Stubborn(GenServer):
            async def init(self) -> None:
                fastask.spawn(shoot, self_())
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(10)

        with pytest.raises(StartError) as caught:
            await Stubborn.start_link()
        assert caught.value.reason == "no"
        assert left_behind() == ([], [], [])

    async def test_a_call_that_waits_meanwhile_gets_the_reason(self) -> None:
        gate = asyncio.Event()

        class Late(Echo):
            async def init(self) -> Stop:
                await gate.wait()
                return Stop("no")

        async def ask() -> Any:
            return await GenServer.call("late", 1)

        start = fastask.async_nolink(running, Late.start(name="late"))
        while whereis("late") is None:
            await asyncio.sleep(0)
        asking = fastask.async_nolink(ask)
        assert await fastask.yield_(asking, 0.005) is None
        gate.set()

        with pytest.raises(CallError) as caught:
            await asking
        assert caught.value.reason == "no"
        with pytest.raises(StartError):
            await start

    async def test_after_a_failure_the_same_name_starts(self) -> None:
        """GENS 323."""
        with pytest.raises(StartError):
            await Raising.start_link(ValueError("boom"), name="again")
        process = await running(Echo.start_link(name="again"))

        assert whereis("again") is process
        await GenServer.stop("again")


class TestTimeout:
    @each_start
    @each_trap
    async def test_a_slow_init_is_killed_and_the_caller_lives(
        self, link: bool, trap: bool
    ) -> None:
        """GENS 321."""
        trap_exit(trap)
        began = time.monotonic()

        with pytest.raises(StartError) as caught:
            await begin(Slow, link, self_(), name="slow", timeout=0.02)
        took = time.monotonic() - began
        process = await receive(Process)
        assert 0.02 <= took < 1.0
        assert caught.value.reason == TIMEOUT
        assert not process.alive
        assert whereis("slow") is None
        assert left_behind() == ([], [], [])

    async def test_a_time_that_suffices_leaves_no_message(self) -> None:
        process = await running(Echo.start_link(timeout=0.02))

        with pytest.raises(TimeoutError):
            await receive(timeout=0.04)
        assert process.alive
        await GenServer.stop(process)

    @pytest.mark.parametrize("timeout", [-1, -0.001])
    async def test_a_negative_time_is_an_error(self, timeout: float) -> None:
        with pytest.raises(ValueError, match="timeout must be"):
            await Echo.start_link(timeout=timeout)

    async def test_a_time_that_is_no_number_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="timeout must be"):
            await Echo.start_link(timeout="5")  # type: ignore[arg-type]
