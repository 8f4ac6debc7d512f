"""Sending: where messages go, in which order, and who gets a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Process,
    UnknownNameError,
    monitor,
    process_info,
    receive,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_monitor,
    unlink,
)


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


def equals(wanted: object) -> Callable[[object], bool]:
    return lambda message: bool(message == wanted)


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


async def dead() -> Process:
    process, ref = spawn_monitor(nothing)
    await receive(ref)
    return process


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


class TestSend:
    async def test_returns_none(self) -> None:
        # To a type checker there is nothing to look at:
        result: object = send(self_(), "message")  # type: ignore[func-returns-value]

        assert result is None
        assert await receive() == "message"

    async def test_to_a_dead_process_is_silent(self) -> None:
        """PROC 57."""
        process = await dead()
        send(process, "message")

        assert mailbox() == []
        assert process_info(process) is None

    async def test_to_an_unknown_name_raises_in_the_sender(self) -> None:
        """PROC 57."""
        with pytest.raises(UnknownNameError, match="nobody") as caught:
            send("nobody", "message")

        assert isinstance(caught.value, LookupError)

    async def test_to_a_name_reaches_its_process(self) -> None:
        fastask.register("root")
        send("root", "by name")
        fastask.unregister("root")

        assert await receive() == "by name"

    async def test_to_a_name_of_a_dead_process_raises(self) -> None:
        process = spawn(idle, name="worker")
        await end(process)

        with pytest.raises(UnknownNameError, match="worker"):
            send("worker", "message")

    async def test_to_oneself_waits_for_the_next_receive(self) -> None:
        send(self_(), 1)
        send(self_(), 2)

        assert mailbox() == [1, 2]


class TestOrder:
    async def test_messages_of_one_sender_arrive_in_order(self) -> None:
        """PROC 58."""

        async def child(parent: Process) -> None:
            for number in range(10_000):
                send(parent, number)
                if number % 1000 == 0:
                    await sleep(0)

        process, ref = spawn_monitor(child, self_())
        received = [await receive(int) for _ in range(10_000)]
        await receive(ref)

        assert received == list(range(10_000))

    async def test_a_trapped_signal_keeps_its_place_between_messages(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            await receive(equals("go"))
            send(parent, [await receive() for _ in range(3)])

        process = spawn(child, self_(), trap_exit=True)
        await receive(str)
        send(process, "before")
        fastask.exit(process, "signal")
        send(process, "after")
        send(process, "go")
        before, signal, after = await receive(list)

        assert (before, signal.reason, after) == ("before", "signal", "after")
        await end(process)

    async def test_a_timer_due_now_comes_after_a_direct_send(self) -> None:
        send_after(self_(), "timer", 0)
        send(self_(), "direct")

        assert [await receive(), await receive()] == ["direct", "timer"]


class TestFairness:
    async def test_ping_pong_does_not_starve_others(self) -> None:
        """PROC 59."""

        async def player(first: bool) -> None:
            other = await receive(Process)
            if first:
                send(other, "ball")
            for _ in range(1_000_000):
                await receive(equals("ball"))
                send(other, "ball")

        async def third(parent: Process) -> None:
            for _ in range(100):
                await sleep(0)
            send(parent, "third")

        players = [spawn(player, True), spawn(player, False)]
        send(players[0], players[1])
        send(players[1], players[0])
        other = spawn(third, self_())
        await receive(equals("third"))
        still_playing = all(process.alive for process in players)
        await end(*players, other)

        assert still_playing

    async def test_ping_pong_does_not_starve_a_timer(self) -> None:
        """PROC 59."""

        async def player(first: bool) -> None:
            other = await receive(Process)
            if first:
                send(other, "ball")
            for _ in range(1_000_000):
                await receive(equals("ball"))
                send(other, "ball")

        players = [spawn(player, True), spawn(player, False)]
        send(players[0], players[1])
        send(players[1], players[0])
        send_after(self_(), "tick", 0.01)
        await receive(equals("tick"))
        still_playing = all(process.alive for process in players)
        await end(*players)

        assert still_playing

    async def test_ping_pong_does_not_starve_the_event_loop(self) -> None:
        async def player(first: bool) -> None:
            other = await receive(Process)
            if first:
                send(other, "ball")
            for _ in range(1_000_000):
                await receive(equals("ball"))
                send(other, "ball")

        players = [spawn(player, True), spawn(player, False)]
        send(players[0], players[1])
        send(players[1], players[0])
        await asyncio.sleep(0.01)
        still_playing = all(process.alive for process in players)
        await end(*players)

        assert still_playing

    async def test_10_000_rounds_of_ping_pong_lose_nothing(self) -> None:
        """PROC 59."""

        async def pong() -> None:
            while True:
                sender, number = await receive(tuple)
                send(sender, number + 1)

        process = spawn(pong)
        number = 0
        for _ in range(10_000):
            send(process, (self_(), number))
            number = await receive(int)
        await end(process)

        assert number == 10_000
        assert mailbox() == []

    async def test_one_that_always_has_a_message_lets_others_run(self) -> None:
        async def greedy() -> None:
            for number in range(1_000_000):
                send(self_(), number)
                await receive()

        process = spawn(greedy)
        for _ in range(10):
            await sleep(0)
        still_busy = process.alive
        await end(process)

        assert still_busy
