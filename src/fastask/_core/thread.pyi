from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Literal, TypeVar, TypeVarTuple

from fastask._core.scheduler import Scheduler

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

class Job:
    __slots__ = ("__weakref__", "call", "context", "future", "loop", "over", "thread")
    loop: AbstractEventLoop
    call: tuple[Callable[..., Any], tuple[Any, ...]]
    context: Context
    future: Future[Any]
    thread: Thread | None
    over: bool
    def __init__(
        self,
        loop: AbstractEventLoop,
        call: tuple[Callable[..., Any], tuple[Any, ...]],
    ) -> None: ...
    def run(self) -> tuple[Callable[[Any], None], Any]: ...
    def deliver(self, setter: Callable[[Any], None], outcome: object) -> None: ...

class ThreadPool:
    make_job: type[Job]
    loop: AbstractEventLoop
    limit: int
    jobs: SimpleQueue[Job | None]
    lock: Lock
    threads: set[Thread]
    abandoned: set[Thread]
    idle: int
    started: int
    def __init__(self, loop: AbstractEventLoop, limit: int | None = None) -> None: ...
    def submit(self, job: Job) -> None: ...
    def abandon(self, job: Job) -> None: ...
    def close(self) -> None: ...

async def call_in_thread(
    scheduler: Scheduler,
    function: Callable[[*_Ts], _T],
    arguments: tuple[*_Ts],
    executor: Executor | Literal["thread"] | None = None,
) -> _T: ...
