"""The steps: task supervisors."""

from __future__ import annotations

from typing import Any

import fastask
from fastask import Process, TaskSupervisor
from tests.differential.actor import STEPS, Actor, run_as, seconds, step
from tests.differential.supervisors import managed
from tests.differential.tasks import keep

__all__ = ["STEPS"]


@step
async def task_supervisor(me: Actor, name: str, options: dict[str, int]) -> None:
    started = await TaskSupervisor.start_link(**options)
    assert started.process is not None
    me.world.kept[name] = started
    me.world.bind(name, started.process)


@step
def sup_async(me: Actor, sup: str, name: str, body: str) -> None:
    try:
        keep(me, name, me.world.kept[sup].async_(run_as, me.world, name, body))
    except fastask.MaxChildrenError:
        me.log("sup_async", "max_children")


@step
def sup_async_nolink(me: Actor, sup: str, name: str, body: str) -> None:
    try:
        keep(me, name, me.world.kept[sup].async_nolink(run_as, me.world, name, body))
    except fastask.MaxChildrenError:
        me.log("sup_async_nolink", "max_children")


@step
def sup_start_child(
    me: Actor, sup: str, name: str, body: str, options: dict[str, Any]
) -> None:
    flags = {**options, "shutdown": seconds(options.get("shutdown", 5000))}
    try:
        me.world.kept[sup].start_child(run_as, me.world, name, body, **flags)
    except fastask.MaxChildrenError:
        me.log("sup_start_child", "max_children")
    else:
        me.log("sup_start_child", "ok")


@step
async def sup_terminate_child(me: Actor, sup: str, name: str) -> None:
    act = me.world.kept[sup].terminate_child(me.world.lookup(name))
    await managed(me, "sup_terminate_child", act)


@step
def sup_children(me: Actor, sup: str) -> None:
    children: list[Process[Any]] = me.world.kept[sup].children()
    me.log("sup_children", sorted(me.world.normal(children)))
