from asyncio import CancelledError
from collections.abc import Hashable, Iterable
from typing import Any

from fastask._core.process import Process
from fastask._core.task import Task

class FastaskError(Exception): ...
class NotOwnerError(FastaskError, ValueError): ...

class TaskTimeoutError(FastaskError, TimeoutError):
    tasks: tuple[Task[Any], ...]
    timeout: float | None
    def __init__(
        self,
        message: object = "",
        *,
        tasks: Iterable[Task[Any]] = (),
        timeout: float | None = None,
    ) -> None: ...
    @property
    def task(self) -> Task[Any] | None: ...

class CallError(FastaskError):
    reason: Any
    dest: Any
    request: Any
    def __init__(
        self,
        message: object = "",
        *,
        reason: object = None,
        dest: object = None,
        request: object = None,
    ) -> None: ...

class CallTimeoutError(CallError, TimeoutError): ...
class NoProcessError(FastaskError, LookupError): ...
class UnknownNameError(FastaskError, LookupError): ...

class NameTakenError(FastaskError, ValueError):
    process: Process[Any] | None
    def __init__(
        self, message: object = "", *, process: Process[Any] | None = None
    ) -> None: ...

class AlreadyStartedError(FastaskError):
    process: Process[Any] | None
    def __init__(
        self, message: object = "", *, process: Process[Any] | None = None
    ) -> None: ...

class StartError(FastaskError):
    reason: Any
    child_id: Hashable | None
    def __init__(
        self,
        message: object = "",
        *,
        reason: object = None,
        child_id: Hashable | None = None,
    ) -> None: ...

class MaxChildrenError(FastaskError, RuntimeError): ...
class ChildNotFoundError(FastaskError, LookupError): ...

class WorkerError(FastaskError, RuntimeError):
    exitcode: int | None
    def __init__(
        self, message: object = "", *, exitcode: int | None = None
    ) -> None: ...

class Exit(Exception):
    reason: Any
    def __init__(self, reason: object = "normal") -> None: ...

class ExitSignal(CancelledError):
    reason: Any
    def __init__(self, reason: object = None) -> None: ...
