"""What the model tests share: programs of commands, and a quick way to run them.

A program is a list of about `STEPS` commands that hypothesis draws. A test runs it in
one `fastask.run` and in a model, and compares after each command all that can be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st

import fastask

T = TypeVar("T")

STEPS = 50
PLACES = 55  # some are left empty
TURNS = 16


def mix(*strategies: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Like `st.one_of`, but what is given twice is drawn twice as often."""
    return st.sampled_from(range(len(strategies))).flatmap(strategies.__getitem__)


@st.composite
def programs(draw: st.DrawFn, command: st.SearchStrategy[T]) -> list[T]:
    """Draw a list of about `STEPS` commands, which shrinks to a short one."""
    nothing: st.SearchStrategy[T | None] = st.none()
    place = mix(nothing, *[command] * 9)
    drawn = draw(st.lists(place, min_size=PLACES, max_size=PLACES))
    return [command for command in drawn if command is not None]


def play(main: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    """Run a root process on the loop that is cheapest to make."""
    result: T = fastask.run(
        main, *args, loop_factory=asyncio.SelectorEventLoop, grace=1.0
    )
    return result


async def settle() -> None:
    """Let the others run until a chain of ends has come to its own end."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
