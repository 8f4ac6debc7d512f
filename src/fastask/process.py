"""Processes: the verbs of the core, and what can be said about a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastask._core.message import Down, Exited, Reply, Timeout
from fastask._core.names import register, registered, unregister, whereis
from fastask._core.process import Process
from fastask._core.receive import receive, receive_nowait, sleep
from fastask._core.ref import Ref, make_ref
from fastask._core.start import spawn, spawn_link, spawn_monitor
from fastask._core.timer import Timer, send_after, start_timer
from fastask._core.verb import (
    alias,
    demonitor,
    describe,
    exit,
    link,
    monitor,
    processes,
    self_,
    send,
    set_label,
    trap_exit,
    unalias,
    unlink,
)

if TYPE_CHECKING:
    from fastask._process_info import ProcessInfo

__all__ = [
    "Down",
    "Exited",
    "Process",
    "Ref",
    "Reply",
    "Timeout",
    "Timer",
    "alias",
    "demonitor",
    "exit",
    "link",
    "make_ref",
    "monitor",
    "process_info",
    "processes",
    "receive",
    "receive_nowait",
    "register",
    "registered",
    "self_",
    "send",
    "send_after",
    "set_label",
    "sleep",
    "spawn",
    "spawn_link",
    "spawn_monitor",
    "start_timer",
    "trap_exit",
    "unalias",
    "unlink",
    "unregister",
    "whereis",
]


def process_info(p: Process[Any]) -> ProcessInfo | None:
    """Return a snapshot of a process, or None when it has ended.

    Raises:
        TypeError: If `p` is no process.

    Example:
        ```python
        import fastask

        async def main() -> None:
            info = fastask.process_info(fastask.self_())
            assert info is not None and info.status == "running"

        fastask.run(main)
        ```

    Elixir: `Process.info/1`.
    """
    from fastask._process_info import ProcessInfo  # few programs ask

    fields = describe(p)
    return None if fields is None else ProcessInfo(**fields)
