"""The steps: supervisors."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import fastask
from fastask import AlreadyStartedError, ChildSpec, Process, StartError, Supervisor
from tests.differential.actor import STEPS, Actor, only_of, run_as, seconds, step
from tests.differential.world import World

__all__ = ["STEPS"]

OPTIONS = ("strategy", "max_restarts", "max_seconds", "auto_shutdown")


def spec_of(world: World, child: dict[str, Any]) -> ChildSpec:
    return ChildSpec(
        id=child["id"],
        start=start_of_child,
        args=(world, child),
        restart=child.get("restart", "permanent"),
        shutdown=seconds(child.get("shutdown", 1000)),
        type=child.get("type", "worker"),
        significant=child.get("significant", False),
    )


async def start_of_child(world: World, child: dict[str, Any]) -> Process[Any] | None:
    id = child["id"]
    world.attempts[id] += 1
    world.log("*", ("start", id))
    if world.attempts[id] in child.get("fails", ()):
        raise fastask.Exit("no_luck")
    if world.attempts[id] in child.get("ignores", ()):
        return None
    if "children" in child:
        return await tree(world, id, child)
    return await start_worker(world, id, child)


async def start_worker(world: World, id: str, child: dict[str, Any]) -> Process[Any]:
    world.kept[f"starter of {id}"] = fastask.self_()
    process: Process[Any] = fastask.spawn_link(run_as, world, id, child["body"])
    world.bind(id, process)
    if child.get("acks", False):
        await fastask.receive(only_of(("ack", process)))
    return process


@step
def ack(me: Actor) -> None:
    starter = me.world.kept[f"starter of {me.name}"]
    fastask.send(starter, ("ack", fastask.self_()))


async def tree(world: World, id: str, child: dict[str, Any]) -> Process[Any]:
    supervisor = await Supervisor.start_link(
        [spec_of(world, inner) for inner in child["children"]],
        max_restarts=child.get("max_restarts", 3),
    )
    assert supervisor.process is not None
    world.bind(id, supervisor.process)
    return supervisor.process


async def managed(me: Actor, verb: str, act: Awaitable[Any]) -> None:
    """Log what a verb of management answers."""
    try:
        process = await act
    except AlreadyStartedError:
        me.log(verb, ("error", "already"))
    except fastask.ChildNotFoundError:
        me.log(verb, ("error", "not_found"))
    except StartError as error:
        me.log(verb, ("error", error.reason))
    except fastask.NoProcessError:
        me.log(verb, ("exit", "noproc"))
    else:
        has_result = verb in ("start_child", "restart_child")
        me.log(verb, ("ok", process) if has_result else "ok")


@step
async def supervisor(me: Actor, name: str, options: dict[str, Any]) -> None:
    children = [spec_of(me.world, child) for child in options["children"]]
    flags = {key: options[key] for key in OPTIONS if key in options}
    try:
        started = await Supervisor.start_link(children, **flags)
    except StartError as error:
        failed = ("failed_to_start_child", error.child_id, error.reason)
        me.log("supervisor", ("error", ("shutdown", failed)))
        return
    assert started.process is not None
    me.world.kept[name] = started
    me.world.bind(name, started.process)
    me.log("supervisor", "ok")


@step
async def start_child(me: Actor, name: str, child: dict[str, Any]) -> None:
    act = me.world.kept[name].start_child(spec_of(me.world, child))
    await managed(me, "start_child", act)


@step
async def terminate_child(me: Actor, name: str, id: str) -> None:
    await managed(me, "terminate_child", me.world.kept[name].terminate_child(id))


@step
async def restart_child(me: Actor, name: str, id: str) -> None:
    await managed(me, "restart_child", me.world.kept[name].restart_child(id))


@step
async def delete_child(me: Actor, name: str, id: str) -> None:
    await managed(me, "delete_child", me.world.kept[name].delete_child(id))


@step
def which_children(me: Actor, name: str) -> None:
    infos = me.world.kept[name].which_children()
    me.log("which_children", [(info.id, info.process) for info in infos])


@step
def count_children(me: Actor, name: str) -> None:
    count = me.world.kept[name].count_children()
    numbers = (count.specs, count.active, count.supervisors, count.workers)
    me.log("count_children", numbers)


@step
async def stop(me: Actor, name: str, reason: Any) -> None:
    act = me.world.kept[name].stop(me.world.term(reason))
    await managed(me, "stop", act)
