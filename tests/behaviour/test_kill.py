"""Later signals, kill and own waits: what ends an unwinding, and how."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    KILLED,
    SHUTDOWN,
    Process,
    process_info,
    receive,
    self_,
    send,
    sleep,
    spawn_monitor,
)


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def forever() -> None:
    """Wait for ever on something that is not fastask's."""
    await asyncio.get_running_loop().create_future()


def equals(wanted: object) -> Callable[[object], bool]:
    return lambda message: bool(message == wanted)


def mailbox() -> list[Any]:
    info = process_info(self_())
    assert info is not None
    return list(info.messages)


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Python could only print, such as "coroutine ignored GeneratorExit"."""
    seen: list[str] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda args: seen.append(repr(args.exc_value))
    )
    return seen


class TestOwnWaits:
    async def test_raise_at_once_while_unwinding(self) -> None:
        log: list[str] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                try:
                    await sleep(30.0)
                    log.append("slept")
                except asyncio.CancelledError:
                    log.append("raised")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        started = time.monotonic()
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert log == ["raised"]
        assert time.monotonic() - started < 5.0

    async def test_raise_even_where_a_message_waits(self) -> None:
        log: list[str] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await receive(equals("never"))
            finally:
                try:
                    await receive(equals("waiting"))
                    log.append("received")
                except asyncio.CancelledError:
                    log.append("raised")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        send(process, "waiting")
        fastask.exit(process, "boom")
        await receive(ref)

        assert log == ["raised"]

    async def test_a_second_one_closes_the_coroutine(self) -> None:
        """Detail 4."""
        log: list[str] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                with contextlib.suppress(asyncio.CancelledError):
                    await receive()
                log.append("first")
                with contextlib.suppress(asyncio.CancelledError):
                    await receive()
                log.append("second")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "boom")

        assert (await receive(ref)).reason == "boom"
        assert log == ["first"]

    @pytest.mark.parametrize("signal", ["boom", SHUTDOWN, KILL])
    async def test_a_loop_that_swallows_everything_ends(self, signal: object) -> None:
        """PROC 50, detail 4."""

        async def child(parent: Process) -> None:
            send(parent, "ready")
            while True:
                with contextlib.suppress(BaseException):
                    await receive()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, signal)

        assert (await receive(ref)).reason == (KILLED if signal is KILL else signal)
        assert not process.alive

    async def test_a_loop_that_ends_itself_and_swallows_that_ends(self) -> None:
        async def child() -> None:
            while True:
                try:
                    fastask.exit(self_(), "boom")
                    await receive()
                except BaseException:
                    await asyncio.sleep(0)

        process, ref = spawn_monitor(child, grace=0.02)

        assert (await receive(ref)).reason == "boom"


class TestLaterSignals:
    async def test_do_not_change_the_reason(self) -> None:
        """Detail 3."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                send(parent, "unwinding")
                await answer
                send(parent, "cleaned up")

        process, ref = spawn_monitor(child, self_())
        await receive(equals("ready"))
        fastask.exit(process, "first")
        await receive(equals("unwinding"))
        fastask.exit(process, "second")
        await sleep(0)
        answer.set_result(None)

        assert await receive() == "cleaned up"
        assert (await receive(ref)).reason == "first"

    async def test_kill_ends_the_unwinding_and_keeps_the_reason(self) -> None:
        """Detail 3."""

        async def child(parent: Process) -> None:
            try:
                send(parent, "ready")
                await idle()
            finally:
                send(parent, "unwinding")
                await forever()

        process, ref = spawn_monitor(child, self_())
        await receive(equals("ready"))
        fastask.exit(process, "first")
        await receive(equals("unwinding"))
        fastask.exit(process, KILL)
        alive = process.alive

        assert (await receive(ref)).reason == "first"
        assert not alive

    async def test_a_signal_in_a_finally_block_after_a_crash(self) -> None:
        """A crash that is still cleaning up has no reason yet: the signal has."""

        async def child(parent: Process) -> None:
            try:
                raise ValueError("crash")
            finally:
                send(parent, "cleaning")
                await forever()

        process, ref = spawn_monitor(child, self_())
        await receive(equals("cleaning"))
        fastask.exit(process, "signal")

        assert (await receive(ref)).reason == "signal"

    async def test_kill_right_after_another_signal_keeps_the_first_reason(self) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            await idle()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, "first")
        fastask.exit(process, KILL)
        alive = process.alive

        assert (await receive(ref)).reason == "first"
        assert not alive


class TestKill:
    async def test_honours_no_await(self, unraisable: list[str]) -> None:
        """Gotcha 57."""
        log: list[str] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                log.append("before")
                await asyncio.sleep(0)
                log.append("after")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, KILL)
        down = await receive(ref)
        del process
        gc.collect()

        assert down.reason is KILLED
        assert log == ["before"]
        assert unraisable == []

    @pytest.mark.parametrize("wait", [idle, forever])
    async def test_ends_every_kind_of_wait(self, wait: Any) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            await wait()

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, KILL)

        assert (await receive(ref)).reason is KILLED

    async def test_ends_a_loop_that_swallows_everything(
        self, unraisable: list[str]
    ) -> None:
        """PROC 50. The code is at fault here, so Python may complain about it."""
        rounds: list[int] = []

        async def child(parent: Process) -> None:
            send(parent, "ready")
            while True:
                try:
                    await asyncio.sleep(30.0)
                except BaseException:
                    rounds.append(1)
                    if len(rounds) > 100:
                        raise

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, KILL)
        alive = process.alive
        down = await receive(ref)
        del process
        gc.collect()

        assert down.reason is KILLED
        assert not alive
        assert len(unraisable) <= 1

    async def test_an_exception_while_closing_is_dropped(
        self, unraisable: list[str]
    ) -> None:
        async def child(parent: Process) -> None:
            send(parent, "ready")
            try:
                await idle()
            finally:
                raise ValueError("while closing")

        process, ref = spawn_monitor(child, self_())
        await receive(str)
        fastask.exit(process, KILL)

        assert (await receive(ref)).reason is KILLED
        assert unraisable == []

    async def test_from_its_own_finally_block(self) -> None:
        async def child() -> None:
            try:
                fastask.exit(self_(), "first")
            finally:
                fastask.exit(self_(), KILL)

        process, ref = spawn_monitor(child)

        assert (await receive(ref)).reason == "first"

    async def test_of_a_peer_that_is_killing_us_back(self) -> None:
        """Each closes the other; neither death may be lost or doubled."""

        async def child(parent: Process) -> None:
            other = await receive(Process)
            try:
                send(parent, "ready")
                await idle()
            finally:
                fastask.exit(other, KILL)

        first, first_ref = spawn_monitor(child, self_())
        second, second_ref = spawn_monitor(child, self_())
        send(first, second)
        send(second, first)
        await receive(str)
        await receive(str)
        fastask.exit(first, KILL)
        downs = [await receive(first_ref), await receive(second_ref)]

        assert [down.reason for down in downs] == [KILLED, KILLED]
        assert mailbox() == []
