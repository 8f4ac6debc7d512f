"""The scenarios on fastask: what each step does, and how a scenario is run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import fastask
from fastask import KILL, Down, Exited, Ref, TaskSupervisor

from tests.differential.scenario import Scenario, Transcript
from tests.differential.world import World, tuple_of

LIMIT = 20.0

Step = Callable[..., Any]
STEPS: dict[str, Step] = {}

REFUSALS = (fastask.FastaskError, ValueError, TypeError)


class Returned:
    """What a step answers that ends its body."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Actor:
    """One process of a scenario: what its steps are called with."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name

    def log(self, *event: object) -> None:
        self.world.log(self.name, event)

    def refused(self, verb: str, act: Callable[[], Any]) -> None:
        """Log what a verb answers, or that it refused."""
        try:
            self.log(verb, act())
        except REFUSALS:
            self.log(verb, "refused")

    async def run(self, body: str) -> Returned | None:
        for verb, *args in self.world.bodies[body]:
            answer = STEPS[verb](self, *args)
            if isinstance(answer, Awaitable):
                answer = await answer
            if isinstance(answer, Returned):
                return answer
        return None


def step(function: Step) -> Step:
    """Make a function the step of its name."""
    STEPS[function.__name__.rstrip("_")] = function
    return function


async def run_as(world: World, name: str, body: str) -> Any:
    """Run a body in the process that calls, under its name."""
    world.bind(name, fastask.self_())
    returned = await Actor(world, name).run(body)
    return None if returned is None else returned.value


def seconds(ms: Any) -> Any:
    """Return a limit of a scenario as fastask takes it."""
    match ms:
        case "infinity":
            return None
        case "brutal_kill":
            return fastask.BRUTAL_KILL
    return ms / 1000


async def run_scenario(scenario: Scenario) -> Transcript:
    """Return the transcript of a scenario: the events of each process."""
    tasks = await TaskSupervisor().start_link()
    fastask.unlink(tasks.process)
    world = World(scenario, tasks)
    main, ref = fastask.spawn_monitor(run_as, world, "main", "main")
    try:
        down = await fastask.receive(ref, timeout=LIMIT)
        world.log("main", ("end", down.reason))
    except TimeoutError:
        world.log("main", ("end", "never"))
    transcript = dict(world.transcript)
    for process in fastask.processes():
        if process is not fastask.self_():
            fastask.exit(process, KILL)
    return transcript


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
    me.refused("link", lambda: fastask.link(me.world.lookup(name)) or "ok")


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
    me.refused("register", lambda: fastask.register(name, process) or "ok")


@step
def unregister(me: Actor, name: str) -> None:
    me.refused("unregister", lambda: fastask.unregister(name) or "ok")


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
    me.refused("send_name", lambda: fastask.send(name, value) or "ok")


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


def only_of(message: Any) -> Callable[[Any], bool]:
    return lambda other: bool(other == message)


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
