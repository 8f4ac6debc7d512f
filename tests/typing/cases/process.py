"""The verbs of a process, and what it receives."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextvars import Context
from typing import Any, assert_type

import fastask
from fastask import Down, Exited, Process, ProcessInfo, Ref, Reply, Timeout, Timer


class Order:
    pass


class Bill:
    pass


class Note:
    pass


def is_urgent(message: Any) -> bool:
    return bool(message)


async def receive(ref: Ref) -> None:
    assert_type(await fastask.receive(), Any)
    assert_type(await fastask.receive(timeout=1.0), Any)
    assert_type(await fastask.receive(ref), Any)
    assert_type(await fastask.receive(is_urgent, timeout=0), Any)
    assert_type(await fastask.receive(lambda message: message == 1), Any)
    assert_type(await fastask.receive(len), Any)
    assert_type(await fastask.receive(ref, Down), Any)
    assert_type(await fastask.receive(Down, ref), Any)
    assert_type(await fastask.receive(Down, Exited, ref, is_urgent), Any)
    assert_type(await fastask.receive(Down, Exited, Order, Bill), Any)
    assert_type(await fastask.receive(Order), Order)
    assert_type(await fastask.receive(Order, timeout=1.0), Order)
    assert_type(await fastask.receive(Order, Bill), Order | Bill)
    assert_type(await fastask.receive(Order, Bill, Note), Order | Bill | Note)
    assert_type(await fastask.receive(Down), Down)
    assert_type(await fastask.receive(Reply), Reply[Any])
    await fastask.receive(int | str)  # checkers differ in what they make of `|`


async def receive_nowait(ref: Ref) -> None:
    assert_type(fastask.receive_nowait(), Any)
    assert_type(fastask.receive_nowait(ref, default=None), Any)
    assert_type(fastask.receive_nowait(Order), Order)
    assert_type(fastask.receive_nowait(Order, default=None), Order | None)
    assert_type(fastask.receive_nowait(Order, Bill), Order | Bill)
    assert_type(fastask.receive_nowait(Order, Bill, default=0), Order | Bill | int)
    assert_type(fastask.receive_nowait(Order, Bill, Note), Order | Bill | Note)
    assert_type(
        fastask.receive_nowait(Order, Bill, Note, default=None),
        Order | Bill | Note | None,
    )


async def verbs(process: Process[int], ref: Ref) -> None:
    assert_type(fastask.self_(), Process[Any])
    assert_type(fastask.make_ref(), Ref)
    assert_type(await fastask.sleep(0.1), None)
    assert_type(fastask.monitor(process), Ref)
    assert_type(fastask.monitor("name", alias="demonitor"), Ref)
    assert_type(fastask.demonitor(ref, flush=True), bool)
    assert_type(fastask.trap_exit(True), bool)
    assert_type(fastask.alias(), Ref)
    assert_type(fastask.alias("reply"), Ref)
    assert_type(fastask.unalias(ref), bool)
    assert_type(fastask.whereis("name"), Process[Any] | None)
    assert_type(fastask.registered(), list[Hashable])
    assert_type(fastask.processes(), list[Process[Any]])
    assert_type(fastask.process_info(process), ProcessInfo | None)
    for dest in (process, ref, "name", ("name", 1)):
        fastask.send(dest, "message")
        fastask.exit(dest, "reason")
    fastask.link(process)
    fastask.unlink(process)
    fastask.register("name")
    fastask.register(("name", 1), process)
    fastask.unregister("name")
    fastask.set_label({"any": "thing"})


def timers(process: Process[int]) -> None:
    timer = fastask.send_after(process, "message", 1)
    assert_type(timer, Timer)
    assert_type(fastask.send_after("name", "message", 1.0, absolute=True), Timer)
    assert_type(fastask.start_timer(1.0, process, "message"), Timer)
    assert_type(timer.cancel(), float | None)
    assert_type(timer.remaining(), float | None)
    assert_type(timer.ref, Ref)


async def handle(process: Process[int]) -> None:
    assert_type(await process, int)
    assert_type(process.id, int)
    assert_type(process.name, Hashable | None)
    assert_type(process.alive, bool)
    assert_type(process.label, object)
    assert_type(process.result(), int)
    assert_type(process.exception(), BaseException | None)
    assert_type(process.cancel(), bool)
    assert_type(process.cancelling(), int)
    assert_type(process.uncancel(), int)
    assert_type(process.get_name(), str)
    assert_type(process.get_context(), Context | None)
    assert_type(process.get_loop(), asyncio.AbstractEventLoop)
    process.add_done_callback(lambda ended: assert_type(ended, Process[int]))


def information(info: ProcessInfo) -> None:
    assert_type(info.links, list[Process[Any]])
    assert_type(info.monitored_by, list[tuple[Ref, Process[Any]]])
    assert_type(info.message_queue_len, int)


def messages(message: Reply[int] | Down | Exited | Timeout) -> None:
    match message:
        case Reply(ref, value):
            assert_type(ref, Ref)
            assert_type(value, int)
        case Down(ref, _, reason):
            assert_type(ref, Ref)
            assert_type(reason, Any)
        case Exited(process, reason=ValueError() as error):
            assert_type(process, Process[Any] | None)
            assert_type(error, ValueError)
        case Timeout(ref, text):
            assert_type(ref, Ref)
            assert_type(text, Any)


def positions(reply: Reply[int], down: Down, exited: Exited) -> None:
    ref, value = reply
    assert_type(reply.ref, Ref)
    assert_type(reply.value, int)
    assert_type(len(reply), int)
    assert_type(down.process, Process[Any] | Hashable)
    assert_type(exited.process, Process[Any] | None)
    assert_type(Reply(fastask.make_ref(), 1), Reply[int])
    match reply:
        case (_, anything):
            assert_type(anything, Any)
