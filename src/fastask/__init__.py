"""Elixir's processes and tasks for asyncio: concurrency you can trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from fastask.process import (
    Down,
    Exited,
    Process,
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
from fastask.runtime import (
    run,
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

if TYPE_CHECKING:
    # Not in __all__: a star import must not hide Python's `sys`.
    from fastask import sys as sys
    from fastask import testing as testing
    from fastask._core.asyncio_task import (
        eager_task_factory,
        task_factory,
    )
    from fastask._process_info import (
        ProcessInfo,
    )
    from fastask.agent import (
        Agent,
    )
    from fastask.distribution import (
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
    from fastask.dynamic_supervisor import (
        DynamicSupervisor,
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
    from fastask.partition_supervisor import (
        PartitionSupervisor,
    )
    from fastask.periodic import (
        Cron,
        Every,
    )
    from fastask.registry import (
        Registry,
    )
    from fastask.spec import (
        ChildSpec,
        child_spec,
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
    from fastask.task_runner import (
        TaskRunner,
    )
    from fastask.task_supervisor import (
        RemoteTaskSupervisor,
        TaskSupervisor,
    )

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
    _LATER = {
        "_process_info": ("ProcessInfo",),
        "agent": ("Agent",),
        "dynamic_supervisor": ("DynamicSupervisor",),
        "gen_server": (
            "Answer",
            "Continue",
            "GenCall",
            "GenCast",
            "GenServer",
            "Hibernate",
            "IdleTimeout",
            "Ignore",
            "NoReply",
            "Request",
            "Stop",
            "call",
            "cast",
        ),
        "distribution": (
            "Address",
            "Node",
            "NodeDown",
            "NodeUp",
            "Via",
            "connect",
            "monitor_nodes",
            "node",
            "nodes",
        ),
        "partition_supervisor": ("PartitionSupervisor",),
        "periodic": ("Cron", "Every"),
        "registry": ("Registry",),
        "spec": ("ChildSpec", "child_spec"),
        "stream": ("Stream", "async_stream"),
        "supervisor": ("ChildCount", "ChildInfo", "Supervisor"),
        "_core.asyncio_task": ("eager_task_factory", "task_factory"),
        "task_runner": ("TaskRunner",),
        "task_supervisor": ("RemoteTaskSupervisor", "TaskSupervisor"),
        "sys": (),
        "testing": (),
    }
    _HOMES = {name: module for module, names in _LATER.items() for name in names}

    def __getattr__(name: str) -> object:
        """Import what is asked for first: few programs need all of it."""
        from importlib import import_module

        if name in _LATER:
            return import_module(f"fastask.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'fastask' has no attribute {name!r}")
        home = import_module(f"fastask.{_HOMES[name]}")
        for each in _LATER[_HOMES[name]]:
            globals()[each] = getattr(home, each)
        return globals()[name]

    def __dir__() -> list[str]:
        """List what is there and what comes when it is asked for."""
        return sorted({*globals(), *_LATER, *_HOMES})
