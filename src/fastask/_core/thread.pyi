from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeAlias

_Settlement: TypeAlias = tuple[Callable[[Any], None], Any]

def cpu_count() -> int: ...

class Job:
    __slots__ = (
        "__weakref__",
        "call",
        "context",
        "future",
        "loop",
        "over",
        "thread",
        "when_delivered",
    )
    loop: AbstractEventLoop
    call: tuple[Callable[..., Any], tuple[Any, ...]]
    context: Context
    future: Future[Any]
    thread: Thread | None
    over: bool
    when_delivered: Callable[[], object] | None
    def __init__(
        self,
        loop: AbstractEventLoop,
        call: tuple[Callable[..., Any], tuple[Any, ...]],
    ) -> None: ...
    def run(self) -> _Settlement: ...
    def forget(self) -> None: ...
    def failure(self, error: BaseException) -> _Settlement: ...
    def deliver(self, setter: Callable[[Any], None], outcome: object) -> None: ...

def check_value(function: Callable[..., Any], value: object) -> None: ...

class ThreadPool:
    kind: str
    make_job: type[Job]
    patience: float | None
    loop: AbstractEventLoop
    limit: int
    jobs: SimpleQueue[Job | None]
    lock: Lock
    threads: set[Thread]
    abandoned: dict[Thread, Job]
    spare: int
    started: int
    closed: bool
    warned: bool
    def __init__(self, loop: AbstractEventLoop, limit: int | None = None) -> None: ...
    @staticmethod
    def default_limit() -> int: ...
    def submit(self, job: Job) -> None: ...
    def set_limit(self, limit: int) -> None: ...
    def abandon(self, job: Job) -> None: ...
    def close(self) -> None: ...
