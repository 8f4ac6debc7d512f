"""Watching: being told of file descriptors that are ready, where the loop can do that.

`socket_pair` refuses the systems where it cannot before any of this is used.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any


def on_readable(
    loop: asyncio.AbstractEventLoop,
    number: int,
    call: Callable[..., object],
    *args: Any,
) -> None:
    """Call whenever there is something to read, or the other side is gone."""
    if sys.platform != "win32":
        loop.add_reader(number, call, *args)


def on_writable(
    loop: asyncio.AbstractEventLoop, number: int, call: Callable[[], object]
) -> None:
    """Call whenever there is room to write."""
    if sys.platform != "win32":
        loop.add_writer(number, call)


def not_readable(loop: asyncio.AbstractEventLoop, number: int) -> None:
    """Look for something to read no longer."""
    if sys.platform != "win32":
        loop.remove_reader(number)


def not_writable(loop: asyncio.AbstractEventLoop, number: int) -> None:
    """Look for room to write no longer."""
    if sys.platform != "win32":
        loop.remove_writer(number)
