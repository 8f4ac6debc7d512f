"""The names of fastask, all of them, from where they are written."""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec

import fastask.sys  # noqa: F401  # it is there from now on, as a module
from fastask._core.asyncio_task import (
    eager_task_factory,
    task_factory,
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


def _come_later(name: str) -> None:
    """Have a module run when something of it is asked for; it is there already."""
    spec = find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    package, _, own = name.rpartition(".")
    setattr(sys.modules[package], own, module)


_come_later("fastask.testing")  # a service does without
