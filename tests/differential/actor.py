"""One process of a scenario, and the table of the steps that it can do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import fastask
from tests.differential.world import World

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

    def done(self, verb: str, act: Callable[..., object], *args: object) -> None:
        """Log that a verb did what it was told, or that it refused."""
        try:
            act(*args)
        except REFUSALS:
            self.log(verb, "refused")
        else:
            self.log(verb, "ok")

    async def run(self, body: str) -> Returned | None:
        for verb, *args in self.world.bodies[body]:
            answer = STEPS[verb](self, *args)
            if inspect.isawaitable(answer):
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


def only_of(message: object) -> Callable[[object], bool]:
    """Return the pattern of one message."""
    return lambda other: bool(other == message)
