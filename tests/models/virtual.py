"""How the model tests that need time run: in virtual time, in any order of a seed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastask import testing

T = TypeVar("T")


def play_in_virtual_time(
    main: Callable[..., Coroutine[Any, Any, T]], seed: int, *args: Any
) -> T:
    """Run a root process with a clock that jumps."""
    result: T = testing.run(main, *args, seed=seed, virtual_time=True)
    return result
