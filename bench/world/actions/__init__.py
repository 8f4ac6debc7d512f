"""What an actor can do: a module for each noun, a function for each kind of act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bench.world.actions import child, message, name, server, stream, task, tie, timer
from bench.world.actor import Actor

Act = Callable[[Actor], Awaitable[Any]]

RARE = {
    "exit": 0.3,  # so that some actors grow old
    "kill": 0.1,
    "end_child": 0.5,
    "kill_server": 0.2,
    "kill_supervisor": 0.1,
    "call_crash": 0.1,
    "call_too_late": 0.1,
    "suspend": 0.3,
}
"""What is not done as often as the rest, and how often."""

ACTS: dict[str, Act] = {
    function.__name__.rstrip("_"): function
    for module in (child, message, name, server, stream, task, tie, timer)
    for function in module.ACTS
}
