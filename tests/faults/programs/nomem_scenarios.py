"""What `no_memory` runs: each is a process that ends at once when all goes well.

It waits for nothing that does not come when a process that it started crashes.
"""

from __future__ import annotations

import logging

import fastask
from fastask import (
    Down,
    Exited,
    GenServer,
    Ok,
    Process,
    Supervisor,
    call,
    cast,
    receive,
    self_,
    send,
)

WAIT = 2.0

OF_PYTHON = (
    "NULL result without error in PyObject_Call",
    "<class 'logging.LogRecord'> returned a result with an exception set",
    "a coroutine failed without an exception",
)
"""Errors of Python where it loses the exception that says that there is no memory.

The first two are of 3.11. The last is the core's word for a coroutine of 3.12 and 3.13:
`take_ownership` in Python/frame.c clears what is raised when there is no memory for the
frame of the caller.
"""

logging.getLogger("fastask").addHandler(logging.NullHandler())
logging.getLogger("fastask").propagate = False


async def _seven() -> int:
    return 7


async def _wait() -> int:
    await receive()
    return 0


async def _boom() -> int:
    raise ValueError("boom")


async def _answer(caller: Process[None]) -> None:
    message = await receive()
    send(caller, ("answer", message))


def without_memory(reason: object) -> bool:
    """Tell whether it is the error of an allocation that failed."""
    if isinstance(reason, SystemError):
        return str(reason).endswith(OF_PYTHON)
    return isinstance(reason, MemoryError)


def _reason(down: object) -> object:
    """Return why a process ended; raise when it was for want of memory."""
    assert isinstance(down, Down | Exited)
    if without_memory(down.reason):
        raise down.reason
    return down.reason


async def spawn() -> None:
    """A process returns, and another raises."""
    process, ref = fastask.spawn_monitor(_seven)
    assert _reason(await receive(ref, timeout=WAIT)) is fastask.NORMAL
    assert await process == 7
    process, ref = fastask.spawn_monitor(_boom)
    assert isinstance(_reason(await receive(ref, timeout=WAIT)), ValueError)


async def crash() -> None:
    """A process crashes that nobody watches; it is reported."""
    process = fastask.spawn(_boom)
    while process.alive:
        await fastask.sleep(0)
    error = process.exception()
    if error is not None and without_memory(error):
        raise error
    assert isinstance(error, ValueError)


async def messages() -> None:
    """Messages go to a process and back, with and without a tag."""
    process, down = fastask.spawn_monitor(_answer, self_())
    ref = fastask.make_ref()
    send(process, (ref, "question"))
    send(self_(), (ref, 1))
    send(self_(), (ref, 2))
    send(self_(), "noise")
    assert await receive(ref, timeout=WAIT) == (ref, 1)
    assert await receive(ref, timeout=WAIT) == (ref, 2)
    assert await receive(str, timeout=WAIT) == "noise"
    message = await receive(timeout=WAIT)
    if isinstance(message, Down):
        _reason(message)
    assert message == ("answer", (ref, "question"))
    assert _reason(await receive(down, timeout=WAIT)) is fastask.NORMAL


async def tasks() -> None:
    """Tasks are awaited, yielded, shut down."""
    assert await fastask.async_(_seven) == 7
    assert await fastask.await_(fastask.async_nolink(_seven), timeout=WAIT) == 7
    many = [fastask.async_(_seven) for _ in range(3)]
    assert await fastask.await_many(many, timeout=WAIT) == [7, 7, 7]
    task = fastask.async_nolink(_seven)
    outcome = await fastask.yield_(task, timeout=WAIT)
    if isinstance(outcome, fastask.Failed):
        outcome.unwrap()
    assert outcome == Ok(7)
    outcome = await fastask.shutdown(fastask.async_nolink(_wait), timeout=WAIT)
    if isinstance(outcome, fastask.Failed):
        outcome.unwrap()
    assert outcome is None


async def task_messages() -> None:
    """The reply of a task is received as a message."""
    task = fastask.async_nolink(_seven)
    message = await receive(task.ref, timeout=WAIT)
    if isinstance(message, Down):
        _reason(message)
    assert message == (task.ref, 7)
    assert _reason(await receive(task.ref, timeout=WAIT)) is fastask.NORMAL
    task = fastask.async_nolink(_boom)
    assert isinstance(_reason(await receive(timeout=WAIT)), ValueError)


async def links() -> None:
    """An exit passes a link to one that traps, and through one that does not."""
    fastask.trap_exit(True)
    child = fastask.spawn_link(_boom)
    exited = await receive(timeout=WAIT)
    assert isinstance(_reason(exited), ValueError)
    child, ref = fastask.spawn_monitor(_linked)
    assert isinstance(_reason(await receive(ref, timeout=WAIT)), ValueError)


async def _linked() -> int:
    fastask.spawn_link(_boom)
    await receive()
    return 0


async def exits() -> None:
    """An exit signal ends a process that waits."""
    process, ref = fastask.spawn_monitor(_wait)
    await fastask.sleep(0)
    fastask.exit(process, "enough")
    assert _reason(await receive(ref, timeout=WAIT)) == "enough"
    process, ref = fastask.spawn_monitor(_wait)
    await fastask.sleep(0)
    fastask.exit(process, fastask.KILL)
    assert _reason(await receive(ref, timeout=WAIT)) is fastask.KILLED


async def monitors() -> None:
    """One end is told to many."""
    process = fastask.spawn(_wait)
    refs = [fastask.monitor(process) for _ in range(4)]
    fastask.link(process)
    fastask.trap_exit(True)
    send(process, "go")
    for ref in refs:
        assert _reason(await receive(ref, timeout=WAIT)) is fastask.NORMAL
    assert _reason(await receive(Exited, timeout=WAIT)) is fastask.NORMAL


async def timers() -> None:
    """Messages come later, and time limits end."""
    fastask.send_after(self_(), "late", 0.0)
    assert await receive(timeout=WAIT) == "late"
    timer = fastask.start_timer(0.0, self_(), "later")
    assert (await receive(timer.ref, timeout=WAIT)).message == "later"
    fastask.send_after(self_(), "never", 60.0).cancel()
    try:
        await receive(timeout=0.0)
    except TimeoutError:
        pass
    else:
        raise AssertionError("something came")


class _Stack(GenServer):
    def init(self) -> None:
        self.items: list[int] = []

    @cast
    def push(self, item: int) -> None:
        self.items.append(item)

    @call
    def pop(self) -> int:
        return self.items.pop()

    @call
    def crash(self) -> None:
        raise ValueError("boom")


async def server() -> None:
    """A server is started, called, cast to and stopped."""
    stack = await _Stack.start()
    assert stack is not None
    _Stack.push(stack, 3)
    assert await _Stack.pop(stack) == 3
    await GenServer.stop(stack)
    assert not stack.alive


async def server_crash() -> None:
    """A server crashes in a call."""
    stack = await _Stack.start()
    try:
        await _Stack.crash(stack)
    except fastask.CallError as error:
        if not isinstance(error.reason, ValueError):
            raise
    else:
        raise AssertionError("the server did not crash")


async def supervisor() -> None:
    """A child crashes and is started again.

    No function is made here: when Python 3.13 finds no memory for one, `MAKE_FUNCTION`
    releases the code twice (Python/bytecodes.c), and what follows is of no use.
    """
    started: list[Process[None]] = []
    spec = fastask.child_spec(_crash_when_told, started, restart="permanent")
    async with Supervisor([spec], max_restarts=3):
        while not started:
            await fastask.sleep(0)
        send(started[0], "crash")
        while len(started) < 2:
            await fastask.sleep(0)


async def _crash_when_told(started: list[Process[None]]) -> None:
    started.append(self_())
    await receive()
    raise ValueError("boom")


async def stream() -> None:
    """A stream over a few items."""
    outcomes = []
    async for outcome in fastask.async_stream(range(4), _same, max_concurrency=2):
        if isinstance(outcome, fastask.Failed):
            outcome.unwrap()
        outcomes.append(outcome)
    assert outcomes == [Ok(0), Ok(1), Ok(2), Ok(3)]


async def _same(item: int) -> int:
    return item


async def names() -> None:
    """A process is found by its name."""
    process, ref = fastask.spawn_monitor(_wait)
    fastask.register("one", process)
    assert fastask.whereis("one") is process
    send("one", "go")
    assert _reason(await receive(ref, timeout=WAIT)) is fastask.NORMAL
    assert fastask.whereis("one") is None
