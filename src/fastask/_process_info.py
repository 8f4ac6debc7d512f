"""ProcessInfo: what is told of a process."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fastask._core.process import Process
from fastask._core.ref import Ref

__all__ = ["ProcessInfo"]


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
