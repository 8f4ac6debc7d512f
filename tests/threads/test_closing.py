"""A loop that is closed while others send to it: no sender raises, none hangs.

A message that comes too late is dropped, and nothing of the closed loop keeps it.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import Process, receive, self_, send

Run = Callable[..., Any]

ROUNDS = 10
SENDERS = 3


class Message:
    """Something that can be watched."""


class Senders:
    """Threads that act on the latest root process of a loop until told to stop."""

    def __init__(self, act: Callable[[Process, Message], object]) -> None:
        self.act = act
        self.target: Process | None = None
        self.stopped = False
        self.acts = 0
        self.errors: list[BaseException] = []
        self.messages = weakref.WeakSet[Message]()

    def work(self) -> None:
        try:
            while not self.stopped:
                if self.target is not None:
                    message = Message()
                    self.messages.add(message)
                    self.act(self.target, message)
                    self.acts += 1
        except BaseException as error:
            self.errors.append(error)

    async def work_in_loop(self) -> None:
        """Do the same from a process, which lets its own loop breathe."""
        try:
            while not self.stopped:
                if self.target is not None:
                    self.act(self.target, Message())
                    self.acts += 1
                await asyncio.sleep(0)
        except Exception as error:
            self.errors.append(error)

    def storm_on(self, run: Run, works: list[Callable[[], object]]) -> None:
        """Let `works` go on while loops come and go; then stop and join them."""
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            for _ in range(ROUNDS):
                run(self.root)
        finally:
            self.stopped = True
            for thread in threads:
                thread.join(30.0)
        assert not any(thread.is_alive() for thread in threads)

    async def root(self) -> None:
        """Be the target, take a few messages, and end with the storm going on."""
        fastask.trap_exit(True)
        self.target = self_()
        for _ in range(10):
            await receive()


def test_threads_that_send_never_raise_or_hang(run: Run) -> None:
    senders = Senders(send)
    senders.storm_on(run, [senders.work] * SENDERS)

    assert senders.errors == []
    assert senders.acts >= ROUNDS


def act_in_every_way(target: Process, message: Message) -> None:
    send(target, message)
    fastask.exit(target, "reason")
    fastask.send_after(target, message, 0.0)


def test_processes_of_other_loops_never_raise_or_hang(run: Run) -> None:
    senders = Senders(act_in_every_way)
    works = [lambda: run(senders.work_in_loop)] * SENDERS
    senders.storm_on(run, works)

    assert senders.errors == []
    assert senders.acts >= ROUNDS


def test_a_kill_that_comes_while_a_loop_closes_does_no_harm(run: Run) -> None:
    """The target ends by the kill or by itself, whichever is first."""
    senders = Senders(lambda target, _: fastask.exit(target, fastask.KILL))

    async def victim() -> None:
        await asyncio.sleep(0)

    async def root() -> None:
        senders.target = fastask.spawn(victim)
        await asyncio.gather(senders.target, return_exceptions=True)

    senders.root = root  # type: ignore[method-assign]
    senders.storm_on(run, [lambda: run(senders.work_in_loop)] * 2)

    assert senders.errors == []


def test_what_comes_after_the_end_is_not_kept(run: Run) -> None:
    async def main() -> Process:
        return self_()

    process = run(main)
    message = Message()
    watched = weakref.ref(message)
    send(process, message)
    del message

    assert watched() is None


def test_what_is_on_its_way_at_the_end_is_not_kept(run: Run) -> None:
    """Though somebody keeps the process that it was for."""
    senders = Senders(send)
    senders.storm_on(run, [senders.work] * SENDERS)
    assert senders.target is not None
    gc.collect()

    assert len(senders.messages) == 0


def test_what_comes_between_the_last_turn_and_the_end_is_not_kept() -> None:
    """To a task of asyncio, say, which lives as long as its loop is not closed."""
    processes: list[Process] = []
    watched: list[weakref.ref[Message]] = []

    async def wait() -> None:
        processes.append(self_())
        await receive()

    def send_late() -> None:
        message = Message()
        watched.append(weakref.ref(message))
        send(processes[0], message)

    loop = asyncio.SelectorEventLoop()
    task = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert processes[0].alive
    thread = threading.Thread(target=send_late)
    thread.start()
    thread.join()

    assert watched[0]() is None
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()


@pytest.mark.parametrize("reason", ["reason", fastask.KILL])
def test_an_exit_signal_to_a_closed_loop_is_dropped(run: Run, reason: object) -> None:
    async def main() -> Process:
        return self_()

    process = run(main)

    async def other() -> None:
        fastask.exit(process, reason)

    assert run(other) is None
