from collections.abc import Coroutine, Iterable
from typing import Any, Literal, TypeVar, final

from fastask._core.message import Failed, Ok
from fastask._core.reason import BrutalKill
from fastask._core.task import Task
from fastask._core.wait import Wait

_T = TypeVar("_T")

@final
class AwaitMany(Wait): ...

def await_(
    task: Task[_T], timeout: float | None = 5.0
) -> Coroutine[object, None, _T]: ...
def await_many(
    tasks: Iterable[Task[_T]], timeout: float | None = 5.0
) -> Coroutine[object, None, list[_T]]: ...
def yield_(
    task: Task[_T], timeout: float | None = 5.0
) -> Coroutine[object, None, Ok[_T] | Failed | None]: ...
def yield_many(
    tasks: Iterable[Task[_T]],
    timeout: float | None = 5.0,
    *,
    limit: int | None = None,
    on_timeout: Literal["nothing", "ignore", "kill_task"] = "nothing",
) -> Coroutine[object, None, list[tuple[Task[_T], Ok[_T] | Failed | None]]]: ...
def shutdown(
    task: Task[_T],
    timeout: float | Literal[BrutalKill.BRUTAL_KILL] | None = 5.0,
) -> Coroutine[object, None, Ok[_T] | Failed | None]: ...
def ignore(task: Task[_T]) -> Ok[_T] | Failed | None: ...
def find(tasks: Iterable[Task[_T]], message: Any) -> tuple[_T, Task[_T]] | None: ...
