"""What the tests run on other nodes: it is imported there."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import threading
import time
from typing import Any

import fastask
from fastask import Answer, GenServer, Process


async def identity(value: Any) -> Any:
    return value


async def where(number: int = 0) -> tuple[int, str]:
    await fastask.sleep(number % 10 / 500)
    return number, fastask.node()


def plain(number: int) -> tuple[int, bool]:
    return number + 1, threading.current_thread() is threading.main_thread()


async def pid() -> int:
    return os.getpid()


async def raise_value_error(text: str) -> None:
    raise ValueError(text)


class Odd(Exception):
    """An exception that can be pickled, and not unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


async def raise_odd() -> None:
    raise Odd(1, 2)


async def end_with(reason: object) -> None:
    raise fastask.Exit(reason)


async def lock() -> Any:
    return threading.Lock()


async def forever() -> None:
    await fastask.sleep(3600)


async def busy(seconds: float) -> int:
    """Hold up the loop: no other process of the node runs meanwhile."""
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        count += 1
    return count


async def announce(to: Process[Any]) -> None:
    """Tell that it runs, then wait; tell how it was unwound."""
    fastask.send(to, ("runs", fastask.self_()))
    try:
        await fastask.sleep(3600)
    except asyncio.CancelledError as error:
        fastask.send(to, ("unwound", getattr(error, "reason", None)))
        raise


async def stubborn(to: Process[Any]) -> None:
    """Trap exits, and tell of every message."""
    fastask.trap_exit(True)
    fastask.send(to, fastask.self_())
    while True:
        fastask.send(to, await fastask.receive())


async def echo() -> None:
    """Send back to whoever sent `(sender, message)`."""
    while True:
        sender, message = await fastask.receive()
        fastask.send(sender, message)


async def reply_once() -> int:
    """Return what the first message is."""
    value: int = await fastask.receive()
    return value


async def count_up(to: Process[Any], count: int) -> None:
    for number in range(count):
        fastask.send(to, number)


async def start_nolink(node: str, to: Process[Any]) -> None:
    """Start two tasks on another node that outlive this one, or do not; stay."""
    tasks = fastask.TaskSupervisor.ref("task_supervisor", node)
    tasks.async_nolink(announce, to)
    tasks.async_(announce, to)
    await fastask.sleep(3600)


async def relay(node: str, name: str, message: Any) -> None:
    """Send to a name on a node."""
    fastask.send(fastask.Address(name, node), message)


async def relay_to(to: Process[Any], message: Any) -> None:
    fastask.send(to, message)


async def watch(process: Process[Any]) -> Any:
    """Monitor a process; return the reason of its end."""
    ref = fastask.monitor(process)
    return (await fastask.receive(ref)).reason


async def sum_over(node: str, count: int) -> int:
    """Be a second caller: have `count` tasks run on another node."""
    tasks = fastask.TaskSupervisor.ref("task_supervisor", node)
    values = await fastask.await_many([tasks.async_(identity, n) for n in range(count)])
    return sum(values)


async def big_then_end(to: Process[Any], size: int) -> None:
    """Send a big value and end: the end must not overtake it."""
    fastask.send(to, bytes(size))


class Counter(GenServer):
    """A server with a number."""

    def init(self, number: int = 0) -> None:
        self.number = number

    @fastask.call
    def add(self, n: int) -> int:
        self.number += n
        return self.number

    @fastask.cast
    def reset(self, number: int = 0) -> None:
        self.number = number

    def handle_call(self, request: Any, from_: fastask.GenCall) -> Any:
        match request:
            case "number":
                return self.number
            case "late":
                fastask.send_after(fastask.self_(), ("late", from_), 0.05)
                return fastask.NoReply()
            case "never":
                return fastask.NoReply()
            case "crash":
                raise ValueError("crash")
            case "lock":
                return threading.Lock()
            case "answer":
                return Answer(1, then="what nobody may do then")  # type: ignore[arg-type]  # on purpose
            case "who":
                return from_.process
        return ("asked", request)

    def handle_cast(self, request: Any) -> None:
        self.number = request

    def handle_info(self, message: Any) -> None:
        match message:
            case ("late", from_):
                GenServer.reply(from_, "late")


def app() -> list[Any]:
    """What a node of the tests runs."""
    return [
        (fastask.TaskSupervisor.child_spec(name="task_supervisor")),
        (fastask.TaskSupervisor.child_spec(name="small", max_children=1)),
        Counter.child_spec(name="counter"),
    ]


def lasting_app() -> fastask.Supervisor:
    """The same for test after test, each of which may end some of it."""
    return fastask.Supervisor(app(), max_restarts=1000)


async def reply_to_alias(alias: fastask.Ref) -> str:
    """Send twice to a ref, which takes one."""
    fastask.send(alias, "once")
    fastask.send(alias, "twice")
    return "done"


class Block:
    """A value whose memory travels out of band."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Block, (pickle.PickleBuffer(self.memory),)


async def exit_all(who: list[Any]) -> None:
    for each in who:
        fastask.exit(each, "enough")


async def lookup(name: str) -> Process[Any] | None:
    return fastask.whereis(name)


async def sleep_if(number: int) -> int:
    if number:
        await fastask.sleep(3600)
    return number


async def sleep_for(seconds: float) -> float:
    await fastask.sleep(seconds)
    return seconds


async def count_bytes() -> None:
    """Count what arrives; tell who asks."""
    total = 0
    while True:
        message = await fastask.receive()
        if isinstance(message, bytes):
            total += len(message)
        else:
            fastask.send(message, total)


async def hear_of_nodes(count: int) -> list[Any]:
    fastask.monitor_nodes(True)
    return [await fastask.receive() for _ in range(count)]


async def others() -> list[str]:
    return fastask.nodes()


def broken_there() -> list[Any]:
    """An app that only the parent can start."""
    if multiprocessing.parent_process() is not None:
        raise ValueError("broken")
    return []


async def write_down(path: str, number: int) -> int:
    """Put a line where it outlives the node, then tell so."""
    with open(path, "a") as ledger:
        ledger.write(f"{number}\n")
    return number


async def reply_any() -> Any:
    """Return what the first message is."""
    return await fastask.receive()


async def tidy() -> None:
    """End what an earlier test left on this node."""
    for name in ("task_supervisor", "small"):
        tasks = fastask.TaskSupervisor.ref(name, fastask.node())
        for process in await tasks.children():
            if process is not fastask.self_():
                ref = fastask.monitor(process)
                fastask.exit(process, fastask.KILL)
                await fastask.receive(ref)
    Counter.reset(fastask.Address("counter", fastask.node()))


async def crash_when_told(to: Process[Any]) -> None:
    """Crash when somebody sends to the name `victim`."""
    fastask.register("victim")
    fastask.send(to, "ready")
    await fastask.receive()
    raise ValueError("unobserved")
