from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Literal, TypeAlias, TypeVar, TypeVarTuple

from fastask._core.scheduler import Scheduler
from fastask._core.thread import ThreadPool

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# What a plain function may be run by.
_AnyExecutor: TypeAlias = Executor | Literal["thread", "process", "interpreter"]

class Pools:
    loop: AbstractEventLoop
    limits: dict[str, int]
    made: dict[str, ThreadPool]
    interpreters: Executor | None
    def __init__(self, loop: AbstractEventLoop) -> None: ...
    def pool(self, kind: str) -> ThreadPool: ...
    def class_of(self, kind: str) -> type[ThreadPool]: ...
    def interpreter_executor(self) -> Executor: ...
    def limit(self, kind: str, limit: int) -> int: ...
    def close(self) -> None: ...

async def call_plain(
    scheduler: Scheduler,
    function: Callable[[*_Ts], _T],
    arguments: tuple[*_Ts],
    executor: _AnyExecutor | None,
) -> _T: ...
def limit_executor(executor: Literal["thread", "process"], limit: int) -> int: ...
