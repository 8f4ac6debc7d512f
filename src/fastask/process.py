"""Processes: the verbs of the core, and what can be said about a process."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

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

__all__ = [
    "Down",
    "Exited",
    "Process",
    "ProcessInfo",
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


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A snapshot of a process. Elixir: `Process.info/1`.

    Attributes:
        registered_name: The name, or None.
        links: The processes that it is linked to.
        monitors: Pairs of a ref and what it monitors: a process or a name.
        monitored_by: Pairs of a ref and the process that monitors it.
        message_queue_len: How many messages are in the mailbox.
        messages: The messages, oldest first.
        trap_exit: Whether it traps exits.
        status: `"running"`, `"runnable"`, `"waiting"` or `"exiting"`.
        label: What `set_label` set, or None.
        ancestors: The process that started it, the one that started that, and so on, as
            far as they still exist.
        callers: For a task, its owner, the owner's callers, and so on.
        function: The name of the function that it runs.
    """

    registered_name: Hashable | None
    links: list[Process[Any]]
    monitors: list[tuple[Ref, Process[Any] | Hashable]]
    monitored_by: list[tuple[Ref, Process[Any]]]
    message_queue_len: int
    messages: list[Any]
    trap_exit: bool
    status: str
    label: object
    ancestors: list[Process[Any]]
    callers: list[Process[Any]]
    function: str | None


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
    fields = describe(p)
    return None if fields is None else ProcessInfo(**fields)
