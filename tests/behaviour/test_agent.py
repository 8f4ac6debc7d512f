"""`Agent`: one value in a process, which functions read and change."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    NOPROC,
    NORMAL,
    TIMEOUT,
    Agent,
    AlreadyStartedError,
    CallError,
    CallTimeoutError,
    Process,
    StartError,
    Supervisor,
    monitor,
    process_info,
    receive,
    self_,
    send,
    whereis,
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


def same(value: Any) -> Any:
    return value


def add(value: int, number: int) -> int:
    return value + number


async def add_later(value: int, number: int) -> int:
    await asyncio.sleep(0)
    return value + number


def fail(*_: Any) -> Any:
    raise ValueError("boom")


async def fail_later(*_: Any) -> Any:
    await asyncio.sleep(0)
    raise ValueError("boom")


class TestStart:
    async def test_begins_with_what_the_function_returns(self) -> None:
        agent = await running(Agent.start_link(lambda: 5))

        assert await Agent.get(agent, same) == 5
        await Agent.stop(agent)

    async def test_takes_arguments_and_async_functions(self) -> None:
        """AGEN 491."""
        plain = await running(Agent.start_link(add, 1, 2))
        later = await running(Agent.start_link(add_later, 1, 2))

        assert await Agent.get(plain, same) == 3
        assert await Agent.get(later, same) == 3
        await Agent.stop(plain)
        await Agent.stop(later)

    async def test_the_function_runs_in_the_agent(self) -> None:
        """api.md, Detail 16."""
        agent = await running(Agent.start_link(self_))

        assert await Agent.get(agent, same) is agent
        assert await Agent.get(agent, lambda _: self_()) is agent
        await Agent.stop(agent)

    async def test_links_or_does_not(self) -> None:
        linked = await running(Agent.start_link(dict))
        alone = await running(Agent.start(dict))

        assert left_behind()[1] == [linked]
        await Agent.stop(linked)
        await Agent.stop(alone)

    @pytest.mark.parametrize("start", [Agent.start, Agent.start_link])
    @pytest.mark.parametrize("function", [fail, fail_later])
    async def test_a_function_that_raises_is_a_failed_start(
        self, start: Any, function: Any
    ) -> None:
        """AGEN 492."""
        with pytest.raises(StartError) as caught:
            await start(function, name="agent")
        assert isinstance(caught.value.reason, ValueError)
        assert whereis("agent") is None
        assert left_behind() == ([], [], [])

    async def test_a_slow_function_runs_out_of_time(self) -> None:
        with pytest.raises(StartError) as caught:
            await Agent.start_link(asyncio.sleep, 60, timeout=0.01)
        assert caught.value.reason == TIMEOUT
        assert left_behind() == ([], [], [])

    async def test_what_is_no_function_is_an_error(self) -> None:
        with pytest.raises((TypeError, StartError), match="fn must be a function"):
            await Agent.start_link(5)

    async def test_a_taken_name_is_an_error(self) -> None:
        agent = await running(Agent.start_link(dict, name="agent"))

        with pytest.raises(AlreadyStartedError) as caught:
            await Agent.start_link(dict, name="agent")
        assert caught.value.process is agent
        await Agent.stop("agent")


class TestWorkflow:
    async def test_by_name_from_start_to_stop(self) -> None:
        """AGEN 491."""
        agent = await running(Agent.start(lambda: 0, name="agent"))

        await Agent.update("agent", add, 2)
        Agent.cast("agent", add, 3)
        assert await Agent.get("agent", same) == 5
        assert await Agent.get("agent", add, 1) == 6
        assert await Agent.get_and_update("agent", lambda v: (v * 2, v + 1)) == 10
        assert await Agent.get("agent", same) == 6
        await Agent.stop("agent")
        assert whereis("agent") is None
        assert not agent.alive
        assert left_behind() == ([], [], [])

    async def test_with_async_functions(self) -> None:
        async def swap(value: int, new: int) -> tuple[int, int]:
            await asyncio.sleep(0)
            return value, new

        agent = await running(Agent.start_link(lambda: 0))

        await Agent.update(agent, add_later, 2)
        Agent.cast(agent, add_later, 3)
        assert await Agent.get(agent, add_later, 1) == 6
        assert await Agent.get_and_update(agent, swap, 9) == 5
        assert await Agent.get(agent, same) == 9
        await Agent.stop(agent)

    async def test_update_and_cast_return_none(self) -> None:
        agent = await running(Agent.start_link(lambda: 0))

        updating: Awaitable[Any] = Agent.update(agent, add, 1)
        assert await updating is None
        assert await Agent.get(agent, same) == 1
        await Agent.stop(agent)

    @pytest.mark.parametrize(
        "value", [None, fastask.Stop("x"), fastask.NoReply(), fastask.Continue(1)]
    )
    async def test_any_value_is_kept_and_told_as_it_is(self, value: object) -> None:
        """Also what would mean something as the answer of a server."""
        agent = await running(Agent.start_link(lambda: value))

        assert await Agent.get(agent, same) is value
        await Agent.update(agent, lambda _: value)
        assert await Agent.get_and_update(agent, lambda v: (v, v)) is value
        Agent.cast(agent, lambda _: value)
        assert await Agent.get(agent, same) is value
        await Agent.stop(agent)

    async def test_keywords_travel_by_partial(self) -> None:
        agent = await running(Agent.start_link(lambda: [3, 1, 2]))

        ordered = functools.partial(sorted, reverse=True)
        assert await Agent.get(agent, ordered) == [3, 2, 1]
        await Agent.stop(agent)

    async def test_get_does_not_change_the_value(self) -> None:
        agent = await running(Agent.start_link(lambda: 1))

        assert await Agent.get(agent, lambda _: 100) == 100
        assert await Agent.get(agent, same) == 1
        await Agent.stop(agent)

    async def test_1000_concurrent_updates_are_all_counted(self) -> None:
        """AGEN 498: also when each waits between reading and writing."""
        agent = await running(Agent.start_link(lambda: 0))

        async def increment(number: int) -> None:
            function: Callable[..., Any] = add_later if number % 2 else add
            await Agent.update(agent, function, 1)

        await fastask.await_many([fastask.async_(increment, n) for n in range(1000)])
        assert await Agent.get(agent, same) == 1000
        assert left_behind()[0] == []
        await Agent.stop(agent)

    async def test_a_stray_message_is_ignored(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """AGEN 497."""
        agent = await running(Agent.start_link(lambda: 1))
        send(agent, "stray")

        assert await Agent.get(agent, same) == 1
        assert [r for r in caplog.records if r.name == "fastask"] == []
        await Agent.stop(agent)

    async def test_is_supervised(self) -> None:
        """AGEN 487."""
        spec = Agent.child_spec(dict, name="agent")
        assert (spec.id, spec.restart, spec.shutdown) == (Agent, "permanent", 5.0)

        async with Supervisor([spec]):
            await Agent.update("agent", lambda _: {"changed": True})
            first = whereis("agent")
            assert first is not None
            ref = monitor(first)
            fastask.exit(first, KILL)
            await receive(ref)
            while whereis("agent") is None:
                await asyncio.sleep(0)
            assert await Agent.get("agent", same) == {}

    async def test_is_supervised_by_a_tuple(self) -> None:
        """AGEN 487."""
        async with Supervisor([(Agent, add, 1, 2)]) as supervisor:
            (child,) = supervisor.which_children()
            assert await Agent.get(child.process, same) == 3


class TestFailure:
    @pytest.mark.parametrize("verb", [Agent.get, Agent.update, Agent.get_and_update])
    @pytest.mark.parametrize("function", [fail, fail_later])
    async def test_a_function_that_raises_ends_agent_and_call(
        self, verb: Any, function: Any
    ) -> None:
        """AGEN 494."""
        agent = await running(Agent.start(lambda: 0))
        ref = monitor(agent)

        with pytest.raises(CallError) as caught:
            await verb(agent, function)
        error = caught.value.reason
        assert isinstance(error, ValueError)
        assert caught.value.__cause__ is error
        assert (await receive(ref)).reason is error
        assert left_behind() == ([], [], [])

    @pytest.mark.parametrize("function", [fail, fail_later])
    async def test_a_cast_that_raises_ends_the_agent(self, function: Any) -> None:
        """AGEN 496."""
        agent = await running(Agent.start(lambda: 0))
        Agent.cast(agent, function)

        assert isinstance(await ended(agent), ValueError)

    @pytest.mark.parametrize("result", [1, None, (1,), (1, 2, 3), [1, 2], "ab"])
    async def test_what_is_no_pair_is_a_bad_return_value(self, result: Any) -> None:
        """api.md, Detail 16."""
        agent = await running(Agent.start(lambda: 0))
        ref = monitor(agent)

        with pytest.raises(CallError) as caught:
            await Agent.get_and_update(agent, lambda _: result)
        assert caught.value.reason == ("bad_return_value", result)
        assert (await receive(ref)).reason == ("bad_return_value", result)

    async def test_a_call_of_nobody_is_noproc(self) -> None:
        dead = await running(Agent.start(dict))
        await Agent.stop(dead)

        for dest in (dead, "unknown"):
            for verb in (Agent.get, Agent.update, Agent.get_and_update):
                with pytest.raises(CallError) as caught:
                    await verb(dest, same)
                assert caught.value.reason == NOPROC
            with pytest.raises(CallError) as caught:
                await Agent.stop(dest)
            assert caught.value.reason == NOPROC

    async def test_a_cast_to_nobody_is_silent(self) -> None:
        """AGEN 496."""
        dead = await running(Agent.start(dict))
        await Agent.stop(dead)

        for dest in (dead, "unknown", None):
            Agent.cast(dest, same)
        assert left_behind() == ([], [], [])

    async def test_a_get_that_takes_too_long_raises_and_the_agent_lives(self) -> None:
        """AGEN 495."""
        agent = await running(Agent.start_link(lambda: 1))
        gate = asyncio.Event()

        async def slow(value: int) -> int:
            await gate.wait()
            return value

        with pytest.raises(CallTimeoutError) as caught:
            await Agent.get(agent, slow, timeout=0.01)
        assert caught.value.reason == TIMEOUT
        gate.set()
        assert await Agent.get(agent, same) == 1
        assert left_behind()[0] == []
        await Agent.stop(agent)

    async def test_a_kill_during_a_get_is_killed(self) -> None:
        agent = await running(Agent.start(lambda: 1))
        me = self_()

        async def slow(value: int) -> None:
            send(me, "here")
            await asyncio.sleep(60)

        async def get() -> Any:
            return await Agent.get(agent, slow)

        task = fastask.async_nolink(get)
        await receive("here".__eq__)
        fastask.exit(agent, KILL)

        with pytest.raises(CallError) as caught:
            await task
        assert caught.value.reason == KILLED

    async def test_an_agent_that_asks_itself_ends(self) -> None:
        agent = await running(Agent.start(lambda: 1))

        async def ask(value: int) -> Any:
            return await Agent.get(agent, same)

        with pytest.raises(CallError) as caught:
            await Agent.get(agent, ask)
        assert isinstance(caught.value.reason, CallError)
        assert caught.value.reason.reason == "calling_self"

    @pytest.mark.parametrize(
        "verb", [Agent.get, Agent.update, Agent.get_and_update, Agent.cast]
    )
    async def test_what_is_no_function_is_an_error_of_the_caller(
        self, verb: Any
    ) -> None:
        agent = await running(Agent.start_link(lambda: 1))

        with pytest.raises(TypeError, match="fn must be a function, got 5"):
            await verb(agent, 5)
        assert await Agent.get(agent, same) == 1
        await Agent.stop(agent)

    async def test_a_negative_time_is_an_error_of_the_caller(self) -> None:
        agent = await running(Agent.start_link(lambda: 1))

        with pytest.raises(ValueError, match="timeout must be"):
            await Agent.get(agent, same, timeout=-1)
        assert await Agent.get(agent, same) == 1
        await Agent.stop(agent)


class TestStop:
    @pytest.mark.parametrize("reason", [NORMAL, "over", ValueError("v")])
    async def test_is_that_of_a_server(self, reason: Any) -> None:
        """api.md, Detail 16."""
        agent = await running(Agent.start(dict))
        ref = monitor(agent)
        await Agent.stop(agent, reason)

        assert (await receive(ref)).reason == reason

    async def test_comes_after_what_was_cast_before(self) -> None:
        agent = await running(Agent.start(list))
        done: list[int] = []
        Agent.cast(agent, lambda value: done.append(1))
        await Agent.stop(agent)

        assert done == [1]

    async def test_may_time_out(self) -> None:
        agent = await running(Agent.start(dict))
        gate = asyncio.Event()

        async def slow(value: Any) -> Any:
            await gate.wait()
            return value

        Agent.cast(agent, slow)
        with pytest.raises(CallTimeoutError):
            await Agent.stop(agent, timeout=0.01)
        assert agent.alive
        gate.set()
        await ended(agent)
