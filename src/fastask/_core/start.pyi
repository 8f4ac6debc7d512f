from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, TypeVar, TypeVarTuple, overload

from fastask._core.process import Process
from fastask._core.ref import Ref
from fastask._core.scheduler import Scheduler

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# An async function comes first: it is a function that returns an awaitable, too.
@overload
def spawn(
    fn: Callable[[*_Ts], Awaitable[_T]],
    *args: *_Ts,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> Process[_T]: ...
@overload
def spawn(
    fn: Callable[[*_Ts], _T],
    *args: *_Ts,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> Process[_T]: ...
@overload
def spawn(
    fn: Coroutine[Any, Any, _T],
    *,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> Process[_T]: ...
@overload
def spawn_link(
    fn: Callable[[*_Ts], Awaitable[_T]],
    *args: *_Ts,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> Process[_T]: ...
@overload
def spawn_link(
    fn: Callable[[*_Ts], _T],
    *args: *_Ts,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> Process[_T]: ...
@overload
def spawn_link(
    fn: Coroutine[Any, Any, _T],
    *,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> Process[_T]: ...
@overload
def spawn_monitor(
    fn: Callable[[*_Ts], Awaitable[_T]],
    *args: *_Ts,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> tuple[Process[_T], Ref]: ...
@overload
def spawn_monitor(
    fn: Callable[[*_Ts], _T],
    *args: *_Ts,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> tuple[Process[_T], Ref]: ...
@overload
def spawn_monitor(
    fn: Coroutine[Any, Any, _T],
    *,
    name: Hashable | None = None,
    trap_exit: bool = False,
    grace: float | None = None,
) -> tuple[Process[_T], Ref]: ...
def start_root(
    scheduler: Scheduler,
    fn: Callable[..., Any] | Coroutine[Any, Any, Any],
    *args: Any,
) -> Process[Any]: ...
def check_function(fn: object) -> None: ...
def check_many(argument: str, value: object, what: str) -> None: ...
def check_seconds(argument: str, seconds: object) -> None: ...
