"""What an actor can do: a module for each noun, a function for each kind of act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bench.world.actions import child, message, name, server, stream, task, tie, timer
from bench.world.actor import Actor

Act = Callable[[Actor], Awaitable[Any]]

ACTS: dict[str, Act] = {
    function.__name__.rstrip("_"): function
    for module in (child, message, name, server, stream, task, tie, timer)
    for function in module.ACTS
}
