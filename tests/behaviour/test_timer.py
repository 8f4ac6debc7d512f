"""Timers: messages that arrive later, in order, and can be taken back."""

from __future__ import annotations

import time
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Process,
    Ref,
    Timeout,
    alias,
    make_ref,
    monitor,
    process_info,
    receive,
    receive_nowait,
    register,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_monitor,
    start_timer,
    unalias,
    unlink,
    unregister,
)


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


class TestSendAfter:
    async def test_sends_when_the_time_has_come(self) -> None:
        started = time.monotonic()
        send_after(self_(), "message", 0.02)
        message = await receive()

        assert message == "message"
        assert 0.02 <= time.monotonic() - started < 2.0

    async def test_does_not_send_before(self) -> None:
        timer = send_after(self_(), "message", 30.0)
        await sleep(0.01)

        assert mailbox() == []
        timer.cancel()

    async def test_sends_once(self) -> None:
        send_after(self_(), "message", 0.001)
        await receive()
        await sleep(0.01)

        assert mailbox() == []

    async def test_is_never_early_after_blocking_work(self) -> None:
        """Gotcha 61."""
        time.sleep(0.03)
        started = time.monotonic()
        send_after(self_(), "message", 0.03)
        await receive()

        assert time.monotonic() - started >= 0.03

    async def test_zero_sends_at_the_next_chance(self) -> None:
        send_after(self_(), "message", 0)
        right_away = mailbox()

        assert right_away == []
        assert await receive() == "message"

    async def test_an_absolute_time_is_one_of_the_monotonic_clock(self) -> None:
        """PROC 65."""
        deadline = time.monotonic() + 0.02
        send_after(self_(), "hello", deadline, absolute=True)
        message = await receive()

        assert message == "hello"
        assert deadline <= time.monotonic() < deadline + 2.0

    async def test_an_absolute_time_in_the_past_sends_at_once(self) -> None:
        send_after(self_(), "hello", time.monotonic() - 1.0, absolute=True)

        assert await receive(timeout=5.0) == "hello"

    async def test_reaches_another_process(self) -> None:
        async def echo(parent: Process) -> None:
            send(parent, (self_(), await receive()))

        process, ref = spawn_monitor(echo, self_())
        send_after(process, "message", 0.001)

        assert await receive(tuple) == (process, "message")
        await receive(ref)

    async def test_reaches_an_alias(self) -> None:
        address = alias()
        send_after(address, "message", 0.001)

        assert await receive() == "message"
        unalias(address)

    async def test_an_alias_switched_off_meanwhile_drops_the_message(self) -> None:
        address = alias()
        send_after(address, "dropped", 0.001)
        unalias(address)
        await sleep(0.02)

        assert mailbox() == []

    async def test_the_message_is_the_object_itself(self) -> None:
        message = ["mutable"]
        send_after(self_(), message, 0)

        assert await receive() is message


class TestOrder:
    async def test_equal_deadlines_keep_the_order_of_creation(self) -> None:
        """PROC 73."""
        deadline = time.monotonic() + 0.02
        for number in range(20):
            send_after(self_(), number, deadline, absolute=True)

        assert [await receive() for _ in range(20)] == list(range(20))

    async def test_equal_times_keep_the_order_of_creation(self) -> None:
        """PROC 73, gotcha 9."""
        for _ in range(20):
            for number in range(20):
                send_after(self_(), number, 0.001)

            assert [await receive() for _ in range(20)] == list(range(20))

    async def test_zeros_keep_the_order_of_creation(self) -> None:
        for _ in range(200):
            for number in range(5):
                send_after(self_(), number, 0)

            assert [await receive() for _ in range(5)] == list(range(5))

    async def test_different_deadlines_come_in_their_order(self) -> None:
        """PROC 73."""
        now = time.monotonic() + 0.01
        for number in reversed(range(20)):
            send_after(self_(), number, now + number * 0.002, absolute=True)

        assert [await receive() for _ in range(20)] == list(range(20))

    async def test_deadlines_that_passed_during_blocking_work_keep_theirs(self) -> None:
        now = time.monotonic()
        for number in reversed(range(20)):
            send_after(self_(), number, now + number * 0.001, absolute=True)
        time.sleep(0.03)

        assert [await receive() for _ in range(20)] == list(range(20))

    async def test_short_and_long_ones_live_together(self) -> None:
        times = [0.03, 0.0, 0.02, 0.001, 0.01, 86_400.0]
        timers = [send_after(self_(), seconds, seconds) for seconds in times]

        assert [await receive() for _ in range(5)] == sorted(times)[:5]
        assert timers[-1].cancel() is not None

    async def test_10_000_of_them_all_arrive_in_order(self) -> None:
        now = time.monotonic()
        numbers = [(number * 7919) % 10_000 for number in range(10_000)]
        for number in numbers:
            send_after(self_(), number, now + number * 1e-6, absolute=True)

        assert [await receive() for _ in range(10_000)] == list(range(10_000))


class TestTimer:
    async def test_remaining_and_cancel_tell_the_seconds_left(self) -> None:
        """PROC 66."""
        timer = send_after(self_(), "message", 30.0)
        remaining = timer.remaining()
        left = timer.cancel()

        assert isinstance(remaining, float)
        assert isinstance(left, float)
        assert 20.0 < left <= remaining <= 30.0

    async def test_cancelled_it_never_sends(self) -> None:
        """PROC 66."""
        timer = send_after(self_(), "message", 0.005)
        timer.cancel()
        await sleep(0.02)

        assert mailbox() == []

    async def test_cancel_answers_at_once_and_sends_no_answer(self) -> None:
        """PROC 68: there is no asynchronous cancel."""
        timer = send_after(self_(), "message", 30.0)
        left = timer.cancel()
        await sleep(0)

        assert left is not None
        assert mailbox() == []

    async def test_expired_it_has_nothing_left(self) -> None:
        """PROC 67."""
        timer = send_after(self_(), "message", 0.001)
        await receive()

        assert timer.remaining() is None
        assert timer.cancel() is None

    async def test_expired_it_has_nothing_left_though_nobody_received(self) -> None:
        """PROC 67."""
        timer = send_after(self_(), "message", 0.001)
        await sleep(0.02)

        assert timer.remaining() is None
        assert timer.cancel() is None
        assert mailbox() == ["message"]

    async def test_the_second_cancel_gives_none(self) -> None:
        """PROC 69."""
        timer = send_after(self_(), "message", 30.0)
        timer.cancel()

        assert timer.cancel() is None
        assert timer.remaining() is None

    async def test_another_process_can_cancel_it(self) -> None:
        """PROC 69."""

        async def stranger(parent: Process, timer: fastask.Timer) -> None:
            send(parent, (timer.cancel(),))

        timer = send_after(self_(), "message", 30.0)
        _, ref = spawn_monitor(stranger, self_(), timer)
        (left,) = await receive(tuple)
        await receive(ref)

        assert left is not None
        assert timer.remaining() is None

    async def test_one_that_nobody_holds_still_fires(self) -> None:
        send_after(self_(), "message", 0.005)

        assert await receive(timeout=5.0) == "message"

    async def test_each_has_a_ref_of_its_own(self) -> None:
        timers = [send_after(self_(), "message", 30.0) for _ in range(10)]

        assert all(isinstance(timer.ref, Ref) for timer in timers)
        assert len({timer.ref for timer in timers}) == 10
        for timer in timers:
            timer.cancel()

    async def test_remaining_gets_less(self) -> None:
        timer = send_after(self_(), "message", 30.0)
        before = timer.remaining()
        await sleep(0.01)
        after = timer.remaining()
        timer.cancel()

        assert before is not None
        assert after is not None
        assert after <= before - 0.01

    async def test_outlives_the_process_that_made_it(self) -> None:
        async def maker(parent: Process) -> None:
            send_after(parent, "message", 0.02)

        _, ref = spawn_monitor(maker, self_())
        await receive(ref)

        assert await receive(timeout=5.0) == "message"


class TestDestination:
    async def test_a_process_that_dies_takes_its_timer_along(self) -> None:
        """PROC 71."""
        process = spawn(idle)
        timer = send_after(process, "message", 30.0)
        before = timer.remaining()
        await end(process)

        assert before is not None
        assert timer.remaining() is None
        assert timer.cancel() is None

    async def test_a_killed_process_takes_its_timer_along_at_once(self) -> None:
        process = spawn(idle)
        timer = send_after(process, "message", 30.0)
        fastask.exit(process, KILL)

        assert timer.remaining() is None

    async def test_a_dead_process_gets_no_timer(self) -> None:
        """PROC 71."""
        process, ref = spawn_monitor(nothing)
        await receive(ref)
        timer = send_after(process, "message", 30.0)

        assert timer.remaining() is None
        assert timer.cancel() is None

    async def test_a_name_is_looked_up_at_expiry(self) -> None:
        """PROC 72."""
        send_after("later", "message", 0.02)
        register("later")
        message = await receive(timeout=5.0)
        unregister("later")

        assert message == "message"

    async def test_a_name_that_has_moved_on_is_reached_where_it_is(self) -> None:
        first = spawn(idle, name="worker")
        send_after("worker", "message", 0.02)
        await end(first)
        register("worker")
        message = await receive(timeout=5.0)
        unregister("worker")

        assert message == "message"

    async def test_a_name_unknown_at_expiry_is_silent(self) -> None:
        """PROC 72."""
        timer = send_after("nobody", "message", 0.001)
        await sleep(0.02)

        assert timer.remaining() is None
        assert mailbox() == []


class TestStartTimer:
    async def test_sends_a_timeout_with_its_ref(self) -> None:
        timer = start_timer(0.001, self_(), "message")
        message = await receive()

        assert isinstance(message, Timeout)
        assert (message.ref, message.message) == (timer.ref, "message")

    async def test_can_be_cancelled(self) -> None:
        timer = start_timer(30.0, self_(), "message")
        left = timer.cancel()

        assert left is not None
        assert 20.0 < left <= 30.0

    async def test_keeps_the_order_with_send_after(self) -> None:
        deadline = 0.005
        send_after(self_(), "first", deadline)
        start_timer(deadline, self_(), "second")
        send_after(self_(), "third", deadline)
        first, second, third = [await receive() for _ in range(3)]

        assert (first, second.message, third) == ("first", "second", "third")


class TestPattern:
    @pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.001, 30.0])
    async def test_a_ref_keeps_stale_timeouts_out_of_the_mailbox(
        self, seconds: float
    ) -> None:
        """PROC 75: whether or not the timer fired between work and cancel."""
        for _ in range(20):
            ref = make_ref()
            timer = send_after(self_(), (ref, "timeout"), seconds)
            try:
                await sleep(0.0005)
            finally:
                timer.cancel()
                receive_nowait(ref, default=None)
            await sleep(0)

            assert mailbox() == []

    async def test_the_ref_of_a_timer_finds_its_message(self) -> None:
        """PROC 75."""
        timer = start_timer(0.001, self_(), "timeout")
        send(self_(), "other")
        await sleep(0.02)
        cancelled = timer.cancel()
        message = receive_nowait(timer.ref)

        assert cancelled is None
        assert message.message == "timeout"
        assert mailbox() == ["other"]
