"""Elixir's processes and tasks for asyncio: concurrency you can trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastask import sys as sys  # not in __all__: a star import must not hide Python's
from fastask.agent import (
    Agent,
)
from fastask.child_spec import (
    ChildSpec,
    child_spec,
)
from fastask.dynamic_supervisor import (
    DynamicSupervisor,
)
from fastask.exceptions import (
    BRUTAL_KILL,
    KILL,
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    TIMEOUT,
    AlreadyStartedError,
    CallError,
    CallTimeoutError,
    ChildNotFoundError,
    Exit,
    FastaskError,
    MaxChildrenError,
    NameTakenError,
    NoProcessError,
    NotOwnerError,
    Reason,
    StartError,
    TaskTimeoutError,
    UnknownNameError,
    WorkerError,
)
from fastask.gen_server import (
    Answer,
    Continue,
    GenCall,
    GenCast,
    GenServer,
    Hibernate,
    IdleTimeout,
    Ignore,
    NoReply,
    Request,
    Stop,
    call,
    cast,
)
from fastask.node import (
    Address,
    Node,
    NodeDown,
    NodeUp,
    Via,
    connect,
    monitor_nodes,
    node,
    nodes,
)
from fastask.partition_supervisor import (
    PartitionSupervisor,
)
from fastask.periodic import (
    Cron,
    Every,
)
from fastask.process import (
    Down,
    Exited,
    Process,
    ProcessInfo,
    Ref,
    Reply,
    Timeout,
    Timer,
    alias,
    demonitor,
    exit,
    link,
    make_ref,
    monitor,
    process_info,
    processes,
    receive,
    receive_nowait,
    register,
    registered,
    self_,
    send,
    send_after,
    set_label,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    start_timer,
    trap_exit,
    unalias,
    unlink,
    unregister,
    whereis,
)
from fastask.registry import (
    Registry,
)
from fastask.runtime import (
    run,
)
from fastask.stream import (
    Stream,
    async_stream,
)
from fastask.supervisor import (
    ChildCount,
    ChildInfo,
    Supervisor,
)
from fastask.task import (
    Failed,
    Ok,
    Task,
    async_,
    async_nolink,
    await_,
    await_many,
    completed,
    find,
    ignore,
    limit_executor,
    shutdown,
    start,
    start_link,
    yield_,
    yield_many,
)
from fastask.task_factory import (
    eager_task_factory,
    task_factory,
)
from fastask.task_runner import (
    TaskRunner,
)
from fastask.task_supervisor import (
    RemoteTaskSupervisor,
    TaskSupervisor,
)

if TYPE_CHECKING:
    from fastask import testing as testing

__all__ = [
    "BRUTAL_KILL",
    "KILL",
    "KILLED",
    "NOCONNECTION",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "TIMEOUT",
    "Address",
    "Agent",
    "AlreadyStartedError",
    "Answer",
    "CallError",
    "CallTimeoutError",
    "ChildCount",
    "ChildInfo",
    "ChildNotFoundError",
    "ChildSpec",
    "Continue",
    "Cron",
    "Down",
    "DynamicSupervisor",
    "Every",
    "Exit",
    "Exited",
    "Failed",
    "FastaskError",
    "GenCall",
    "GenCast",
    "GenServer",
    "Hibernate",
    "IdleTimeout",
    "Ignore",
    "MaxChildrenError",
    "NameTakenError",
    "NoProcessError",
    "NoReply",
    "Node",
    "NodeDown",
    "NodeUp",
    "NotOwnerError",
    "Ok",
    "PartitionSupervisor",
    "Process",
    "ProcessInfo",
    "Reason",
    "Ref",
    "Registry",
    "RemoteTaskSupervisor",
    "Reply",
    "Request",
    "StartError",
    "Stop",
    "Stream",
    "Supervisor",
    "Task",
    "TaskRunner",
    "TaskSupervisor",
    "TaskTimeoutError",
    "Timeout",
    "Timer",
    "UnknownNameError",
    "Via",
    "WorkerError",
    "alias",
    "async_",
    "async_nolink",
    "async_stream",
    "await_",
    "await_many",
    "call",
    "cast",
    "child_spec",
    "completed",
    "connect",
    "demonitor",
    "eager_task_factory",
    "exit",
    "find",
    "ignore",
    "limit_executor",
    "link",
    "make_ref",
    "monitor",
    "monitor_nodes",
    "node",
    "nodes",
    "process_info",
    "processes",
    "receive",
    "receive_nowait",
    "register",
    "registered",
    "run",
    "self_",
    "send",
    "send_after",
    "set_label",
    "shutdown",
    "sleep",
    "spawn",
    "spawn_link",
    "spawn_monitor",
    "start",
    "start_link",
    "start_timer",
    "task_factory",
    "trap_exit",
    "unalias",
    "unlink",
    "unregister",
    "whereis",
    "yield_",
    "yield_many",
]

__version__ = "0.1.0"

if not TYPE_CHECKING:  # to a checker, any name at all would be there

    def __getattr__(name: str) -> object:
        """Import `testing` when it is asked for: a service does without."""
        if name == "testing":
            from importlib import import_module

            return import_module("fastask.testing")
        raise AttributeError(f"module 'fastask' has no attribute {name!r}")
