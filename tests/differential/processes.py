"""The steps: control, processes, names, messages and timers."""

from __future__ import annotations

from typing import Any

import fastask
from fastask import Down, Exited
from tests.differential.actor import STEPS, Actor, Returned, only_of, run_as, step
from tests.differential.world import tuple_of

__all__ = ["STEPS"]

# Control.


@step
def return_(me: Actor, value: Any) -> Returned:
    return Returned(me.world.term(value))


@step
def log(me: Actor, value: Any) -> None:
    me.log("log", me.world.term(value))


@step
def note(me: Actor, value: Any) -> None:
    me.world.log("*", me.world.term(value))


@step
async def sleep(me: Actor, ms: int) -> None:
    await fastask.sleep(ms / 1000)


@step
def exit_(me: Actor, reason: Any) -> None:
    raise fastask.Exit(me.world.term(reason))


@step
def raise_(me: Actor, message: str) -> None:
    raise RuntimeError(message)


@step
async def call(me: Actor, body: str) -> Returned | None:
    return await me.run(body)


@step
async def repeat(me: Actor, times: int, body: str) -> None:
    for _ in range(times):
        await me.run(body)


@step
async def catch(me: Actor, body: str) -> Returned | None:
    try:
        return await me.run(body)
    except Exception as error:
        me.log("caught", error)
        return None


@step
async def ensure(me: Actor, body: str, cleanup: str) -> Returned | None:
    try:
        return await me.run(body)
    finally:
        await me.run(cleanup)


# Processes.


@step
def spawn(me: Actor, name: str, body: str) -> None:
    me.world.bind(name, fastask.spawn(run_as, me.world, name, body))


@step
def spawn_link(me: Actor, name: str, body: str) -> None:
    me.world.bind(name, fastask.spawn_link(run_as, me.world, name, body))


@step
def spawn_monitor(me: Actor, name: str, body: str, ref: str) -> None:
    process, monitor = fastask.spawn_monitor(run_as, me.world, name, body)
    me.world.bind(name, process)
    me.world.bind(ref, monitor)


@step
def signal(me: Actor, name: str, reason: Any) -> None:
    fastask.exit(me.world.lookup(name), me.world.term(reason))


@step
def trap_exit(me: Actor, flag: bool) -> None:
    me.log("trap_exit", fastask.trap_exit(flag))


@step
def alive(me: Actor, name: str) -> None:
    me.log("alive", name, me.world.lookup(name).alive)


@step
def link(me: Actor, name: str) -> None:
    me.done("link", fastask.link, me.world.lookup(name))


@step
def unlink(me: Actor, name: str) -> None:
    fastask.unlink(me.world.lookup(name))


@step
def monitor(me: Actor, name: str, ref: str) -> None:
    me.world.bind(ref, fastask.monitor(me.world.lookup(name)))


@step
def monitor_name(me: Actor, name: str, ref: str) -> None:
    me.world.bind(ref, fastask.monitor(name))


@step
def monitor_alias(me: Actor, name: str, ref: str, mode: Any) -> None:
    mode = {"explicit_unalias": "explicit"}.get(mode, mode)
    me.world.bind(ref, fastask.monitor(me.world.lookup(name), alias=mode))


@step
def demonitor(me: Actor, ref: str) -> None:
    me.log("demonitor", fastask.demonitor(me.world.lookup(ref)))


@step
def demonitor_flush(me: Actor, ref: str) -> None:
    me.log("demonitor", fastask.demonitor(me.world.lookup(ref), flush=True))


@step
def left(me: Actor) -> None:
    info = fastask.process_info(fastask.self_())
    assert info is not None
    me.log("left", info.message_queue_len, len(info.links), len(info.monitors))


@step
def links(me: Actor) -> None:
    info = fastask.process_info(fastask.self_())
    assert info is not None
    me.log("links", sorted(me.world.normal(info.links)))


# Names.


@step
def register(me: Actor, name: str, who: str) -> None:
    process = me.world.lookup(who)
    me.done("register", fastask.register, name, process)


@step
def unregister(me: Actor, name: str) -> None:
    me.done("unregister", fastask.unregister, name)


@step
def whereis(me: Actor, name: str) -> None:
    me.log("whereis", fastask.whereis(name))


# Messages.


@step
def send(me: Actor, name: str, message: Any) -> None:
    fastask.send(me.world.lookup(name), me.world.term(message))


@step
def send_name(me: Actor, name: str, message: Any) -> None:
    value = me.world.term(message)
    me.done("send_name", fastask.send, name, value)


@step
def make_ref(me: Actor, name: str) -> None:
    me.world.bind(name, fastask.make_ref())


@step
def alias(me: Actor, name: str, mode: Any) -> None:
    me.world.bind(name, fastask.alias(mode))


@step
def unalias(me: Actor, name: str) -> None:
    me.log("unalias", fastask.unalias(me.world.lookup(name)))


@step
async def receive(me: Actor, options: dict[str, Any] | None = None) -> None:
    options = options or {}
    patterns = [
        *(only_of(me.world.term(message)) for message in options.get("only", ())),
        *(tag_of(tag) for tag in options.get("tag", ())),
        *(me.world.lookup(ref) for ref in options.get("ref", ())),
    ]
    after = options.get("after")
    timeout = None if after is None else after / 1000
    try:
        me.log("receive", await fastask.receive(*patterns, timeout=timeout))
    except TimeoutError:
        me.log("receive", "nothing")


def tag_of(tag: str) -> Any:
    """Return a pattern for tuples that begin with a tag."""
    types = {"EXIT": Exited, "DOWN": Down}
    if tag in types:
        return types[tag]
    return lambda message: (
        isinstance(value := tuple_of(message), tuple) and value[0] == tag
    )


@step
def drain(me: Actor) -> None:
    messages = []
    nothing = object()
    while (message := fastask.receive_nowait(default=nothing)) is not nothing:
        messages.append(message)
    me.log("drain", messages)


# Timers.


@step
def send_after(me: Actor, timer: str, name: str, message: Any, ms: int) -> None:
    dest = me.world.lookup(name)
    me.world.kept[timer] = fastask.send_after(dest, me.world.term(message), ms / 1000)


@step
def send_after_name(me: Actor, timer: str, name: str, message: Any, ms: int) -> None:
    me.world.kept[timer] = fastask.send_after(name, me.world.term(message), ms / 1000)


@step
def start_timer(me: Actor, timer: str, name: str, message: Any, ms: int) -> None:
    dest = me.world.lookup(name)
    started = fastask.start_timer(ms / 1000, dest, me.world.term(message))
    me.world.kept[timer] = started
    me.world.bind(f"#{timer}", started.ref)


@step
def cancel_timer(me: Actor, timer: str) -> None:
    me.log("cancel_timer", me.world.kept[timer].cancel() is not None)


@step
def read_timer(me: Actor, timer: str) -> None:
    me.log("read_timer", me.world.kept[timer].remaining() is not None)
