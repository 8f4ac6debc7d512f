from asyncio import AbstractEventLoop, Task
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar, final

from typing_extensions import disjoint_base

from fastask._core.process import Process
from fastask._core.scheduler import Scheduler

_T = TypeVar("_T")

@disjoint_base
class AsyncioTask(Process[_T]):
    def __init__(
        self,
        coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
        *,
        loop: AbstractEventLoop | None = None,
        name: str | None = None,
        context: Context | None = None,
        eager_start: bool = False,
    ) -> None: ...

@final
class Roll:
    def __init__(self, scheduler: Scheduler) -> None: ...
    def __call__(self, *args: object, **kwargs: object) -> None: ...

def task_factory(
    loop: AbstractEventLoop,
    coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
    *,
    name: str | None = None,
    context: Context | None = None,
    eager_start: bool | None = None,
) -> Task[_T]: ...
def eager_task_factory(
    loop: AbstractEventLoop,
    coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
    *,
    name: str | None = None,
    context: Context | None = None,
    eager_start: bool | None = True,
) -> Task[_T]: ...
