from asyncio import AbstractEventLoop
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.util import Finalize
from threading import Lock, Thread
from typing import Any

from fastask._core.thread import Job, ThreadPool

SPAWN: SpawnContext
PATIENCE: float
TIME_TO_LEAVE: float

class RemoteTraceback(Exception):
    text: str
    def __init__(self, text: str) -> None: ...

def pack(function: Callable[..., Any], arguments: tuple[Any, ...]) -> memoryview: ...
def serve(connection: Connection[Any, Any]) -> None: ...

class Worker:
    lock: Lock
    connection: Connection[Any, Any]
    process: SpawnProcess
    ended: int
    descriptor: int | None
    is_ready: bool
    is_busy: bool
    is_lost: bool
    def __init__(self, name: str, lock: Lock) -> None: ...
    def call(self, name: str, payload: memoryview) -> tuple[str, bytes]: ...
    def is_idle(self) -> bool: ...
    def kill(self) -> None: ...
    def end(self) -> None: ...

class WorkerJob(Job):
    payload: memoryview
    name: str

class WorkerPool(ThreadPool):
    workers: dict[Thread, Worker]
    at_exit: Finalize
    def __init__(self, loop: AbstractEventLoop, limit: int | None = None) -> None: ...
