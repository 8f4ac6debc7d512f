"""The exceptions and the exit reasons."""

from __future__ import annotations

from fastask._core.errors import (
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
    StartError,
    TaskTimeoutError,
    UnknownNameError,
    WorkerError,
)
from fastask._core.reason import (
    BRUTAL_KILL,
    KILL,
    KILLED,
    NOCONNECTION,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    TIMEOUT,
    Reason,
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
    "AlreadyStartedError",
    "CallError",
    "CallTimeoutError",
    "ChildNotFoundError",
    "Exit",
    "FastaskError",
    "MaxChildrenError",
    "NameTakenError",
    "NoProcessError",
    "NotOwnerError",
    "Reason",
    "StartError",
    "TaskTimeoutError",
    "UnknownNameError",
    "WorkerError",
]
