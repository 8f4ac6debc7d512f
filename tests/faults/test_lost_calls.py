"""An interrupt hits the loop when it has taken out a call of ours and not made it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fastask
from fastask import Process, receive, self_, send, sleep, spawn
from fastask._core.traffic import Traffic
from fastask._nodes.codec import OURS, THEIRS
from fastask._nodes.outbox import Outbox
from fastask._nodes.wire import HEAD, HEADER, MAGIC, VERSION, Kind, parse

FOR_EVER = 3600.0
"""A grace that outlasts the time limit of a test: who waits for its end fails."""


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.SelectorEventLoop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture(params=["forgotten", "kept"])
def kept(request: pytest.FixtureRequest) -> list[BaseException] | None:
    """Where the interrupts are kept, with all that their tracebacks refer to."""
    return [] if request.param == "kept" else None


def interrupt(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    name: str,
    kept: list[BaseException] | None,
) -> None:
    """Run the loop until it is about to call `name` of ours; that call is lost."""
    with monkeypatch.context() as patch:
        run = asyncio.Handle._run

        def interrupted(handle: Any) -> None:
            if handle._callback.__name__ == name:
                raise KeyboardInterrupt
            run(handle)

        patch.setattr(asyncio.Handle, "_run", interrupted)
        try:
            loop.run_forever()
        except KeyboardInterrupt as error:
            if kept is not None:
                kept.append(error)
        else:
            pytest.fail(f"{name} was never called")


def started(
    loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any
) -> Process:
    """Return a process that the loop has stepped once."""

    async def main() -> Process:
        process = spawn(function, *args)
        await sleep(0)
        return process

    return loop.run_until_complete(main())


async def echo(got: list[Any]) -> None:
    while True:
        got.append(await receive())
        asyncio.get_running_loop().stop()


def test_processes_are_ended_although_nobody_is_told_to_step_them() -> None:
    ended = []

    async def waits() -> None:
        try:
            await receive()
        finally:
            ended.append(self_().alive)

    async def main() -> None:
        process = spawn(waits)
        await sleep(0)

        def lose_the_call() -> None:
            send(process, "wakes it, so the loop is told to step it")
            loop._ready.clear()  # type: ignore[attr-defined]  # as an interrupt does
            raise KeyboardInterrupt

        loop = asyncio.get_running_loop()
        loop.call_soon(lose_the_call)
        await receive()

    with pytest.raises(KeyboardInterrupt):
        fastask.run(
            main,
            loop_factory=asyncio.SelectorEventLoop,
            handle_signals=False,
            grace=FOR_EVER,
        )

    assert ended == [True]


def test_the_next_wake_makes_up_for_a_lost_drain(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    got: list[Any] = []
    process = started(loop, echo, got)
    other = started(loop, echo, got)
    loop.call_soon(send, process, 1)
    interrupt(monkeypatch, loop, "_drain", kept)

    loop.call_soon(send, other, 2)
    loop.call_soon(lambda: None)  # the loop has more to call than what wakes it
    loop.run_forever()

    assert got == [1, 2]


def test_a_wake_makes_up_for_a_lost_drain_beside_a_loop_that_is_never_idle(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    got: list[Any] = []
    process = started(loop, echo, got)
    loop.call_soon(send, process, 1)
    interrupt(monkeypatch, loop, "_drain", kept)

    def again() -> None:
        handles.append(loop.call_soon(again))

    handles: list[asyncio.Handle] = []
    again()
    loop.call_soon(send, process, 2)
    loop.run_forever()
    handles[-1].cancel()

    assert got == [1, 2]


def test_tasks_of_the_factory_go_on_after_a_lost_drain(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    got: list[Any] = []
    tasks = []

    async def notes(number: int) -> None:
        got.append(number)

    def create(number: int) -> None:
        tasks.append(loop.create_task(notes(number)))

    loop.set_task_factory(fastask.task_factory)
    for number in (0, 1):
        loop.call_soon(create, number)
        interrupt(monkeypatch, loop, "_drain", kept)

    create(2)
    loop.run_until_complete(asyncio.wait(tasks))

    assert got == [0, 1, 2]


def test_who_gave_the_loop_a_turn_goes_on_although_that_call_was_lost(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    got: list[Any] = []

    async def gives_a_turn(number: int) -> None:
        await receive()
        await asyncio.sleep(0)
        got.append(number)
        if len(got) == 3:
            loop.stop()

    resting = [started(loop, gives_a_turn, number) for number in range(3)]
    for process in resting[:2]:
        loop.call_soon(send, process, "go")
    interrupt(monkeypatch, loop, "_go_on_after", kept)

    loop.call_soon(send, resting[2], "go")
    loop.run_forever()

    assert got == [0, 1, 2]


def test_a_timer_goes_off_although_its_call_was_lost(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    async def sleeps() -> None:
        await sleep(0.02)
        loop.stop()

    got: list[Any] = []
    sleeper = started(loop, sleeps)
    woken = started(loop, echo, got)
    interrupt(monkeypatch, loop, "_timer_due", kept)

    loop.call_soon(send, woken, "a turn, at whose end timers are seen to")
    loop.run_forever()
    while sleeper.alive:
        loop.run_forever()


def test_messages_of_other_threads_arrive_after_a_lost_look_at_them(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    got: list[Any] = []
    process = started(loop, echo, got)

    def send_from_a_thread(message: object) -> None:
        thread = threading.Thread(target=send, args=(process, message))
        thread.start()
        thread.join()

    send_from_a_thread(1)
    interrupt(monkeypatch, loop, "_look", kept)
    send_from_a_thread(2)
    loop.run_forever()

    assert got == [1, 2]


class Link:
    """A link that keeps what is sent by it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.kinds: list[int] = []
        self.interrupts = False

    def send(self, frame: list[bytes]) -> None:
        if self.interrupts:
            self.interrupts = False
            raise KeyboardInterrupt
        self.kinds += [message[0] for message in parse(frame)[3]]
        self.loop.stop()


def outbox_of(loop: asyncio.AbstractEventLoop) -> tuple[Outbox, Link]:
    """Return what writes to another node, and the link that takes it there."""
    outbox, link = Outbox(loop, 1), Link(loop)
    outbox.open(link)  # type: ignore[arg-type]  # the part of one that is used
    return outbox, link


def put(outbox: Outbox, kind: int) -> None:
    outbox.put(kind, 0, 0, 0, 0, b"")


def test_what_was_written_leaves_after_a_lost_drain_with_what_is_written_next(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    outbox, link = outbox_of(loop)
    loop.call_soon(put, outbox, Kind.SEND)
    interrupt(monkeypatch, loop, "_drain", kept)

    loop.call_soon(put, outbox, Kind.EXIT)
    loop.run_forever()

    assert link.kinds == [Kind.SEND, Kind.EXIT]


def test_what_was_written_leaves_after_a_lost_drain_when_somebody_is_woken(
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    kept: list[BaseException] | None,
) -> None:
    outbox, link = outbox_of(loop)
    got: list[Any] = []
    process = started(loop, echo, got)
    loop.call_soon(put, outbox, Kind.SEND)
    interrupt(monkeypatch, loop, "_drain", kept)

    loop.call_soon(send, process, "go")
    loop.run_forever()

    assert (got, link.kinds) == (["go"], [Kind.SEND])


def test_what_was_written_in_a_turn_leaves_although_the_turn_was_interrupted(
    loop: asyncio.AbstractEventLoop,
) -> None:
    outbox, link = outbox_of(loop)

    async def writes() -> None:
        put(outbox, Kind.SEND)
        raise KeyboardInterrupt

    async def main() -> None:
        spawn(writes)

    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
        loop.run_forever()
    loop.run_forever()

    assert link.kinds == [Kind.SEND]


def test_what_another_link_takes_leaves_although_one_was_interrupted(
    loop: asyncio.AbstractEventLoop,
) -> None:
    first, second = outbox_of(loop), outbox_of(loop)
    for outbox, link in (first, second):
        loop.call_soon(put, outbox, Kind.SEND)
        link.interrupts = True

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    loop.call_soon(put, first[0], Kind.EXIT)
    loop.call_soon(put, second[0], Kind.EXIT)
    loop.run_forever()

    assert first[1].kinds == second[1].kinds == [Kind.EXIT]


def test_an_interrupt_amid_what_a_link_brings_closes_it_as_the_rest_is_lost(
    loop: asyncio.AbstractEventLoop,
) -> None:
    closed: list[object] = []

    class Interrupted(Traffic):
        def heed(self, message: object) -> None:
            raise KeyboardInterrupt

        def close(self, reason: object) -> None:
            closed.append(reason)

    outbox, _ = outbox_of(loop)
    traffic = Interrupted(loop, 1, 2, THEIRS, OURS, outbox)
    message = HEADER.pack(Kind.WATCH, 0, 0, 0, 1, 0, 0)
    head = HEAD.pack(MAGIC, VERSION, 0, 2, 2, 1)
    loop.call_soon(traffic.received, [head + message + message])
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()

    assert closed == ["an interrupt hit what it brought"]
