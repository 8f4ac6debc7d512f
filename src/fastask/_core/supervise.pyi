from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
)
from concurrent.futures import Executor
from typing import Any, Literal, TypeAlias, TypeVar, TypeVarTuple, overload

from typing_extensions import disjoint_base

from fastask._core.children import Children
from fastask._core.process import Process
from fastask._core.reason import BrutalKill
from fastask._core.stream import Stream
from fastask._core.task import Task

_I = TypeVar("_I")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_Executor: TypeAlias = Executor | Literal["thread", "process", "interpreter"] | None
_Progress: TypeAlias = bool | Callable[[int, int | None], object] | None
_Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
_Shutdown: TypeAlias = float | Literal[BrutalKill.BRUTAL_KILL] | None

# An async function comes first: it is a function that returns an awaitable, too.
@disjoint_base
class Supervising:
    table: Children | None
    known_as: object
    def _resolve(self) -> Children: ...
    def _current_table(self) -> Children: ...
    @overload
    def async_(
        self,
        fn: Callable[[*_Ts], Awaitable[_T]],
        /,
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        executor: None = None,
    ) -> Task[_T]: ...
    @overload
    def async_(
        self,
        fn: Callable[[*_Ts], _T],
        /,
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        executor: _Executor = None,
    ) -> Task[_T]: ...
    @overload
    def async_(
        self,
        fn: Coroutine[Any, Any, _T],
        /,
        *,
        shutdown: _Shutdown = 5.0,
        executor: None = None,
    ) -> Task[_T]: ...
    @overload
    def async_nolink(
        self,
        fn: Callable[[*_Ts], Awaitable[_T]],
        /,
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        executor: None = None,
    ) -> Task[_T]: ...
    @overload
    def async_nolink(
        self,
        fn: Callable[[*_Ts], _T],
        /,
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        executor: _Executor = None,
    ) -> Task[_T]: ...
    @overload
    def async_nolink(
        self,
        fn: Coroutine[Any, Any, _T],
        /,
        *,
        shutdown: _Shutdown = 5.0,
        executor: None = None,
    ) -> Task[_T]: ...
    @overload
    def async_stream(
        self,
        iterable: Iterable[_I] | AsyncIterable[_I],
        fn: Callable[[_I, *_Ts], Awaitable[_T]],
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = 5.0,
        on_timeout: Literal["exit", "kill_task"] = "exit",
        zip_input_on_exit: bool = False,
        executor: None = None,
        progress: _Progress = None,
    ) -> Stream[_T]: ...
    @overload
    def async_stream(
        self,
        iterable: Iterable[_I] | AsyncIterable[_I],
        fn: Callable[[_I, *_Ts], _T],
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = 5.0,
        on_timeout: Literal["exit", "kill_task"] = "exit",
        zip_input_on_exit: bool = False,
        executor: _Executor = None,
        progress: _Progress = None,
    ) -> Stream[_T]: ...
    @overload
    def async_stream_nolink(
        self,
        iterable: Iterable[_I] | AsyncIterable[_I],
        fn: Callable[[_I, *_Ts], Awaitable[_T]],
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = 5.0,
        on_timeout: Literal["exit", "kill_task"] = "exit",
        zip_input_on_exit: bool = False,
        executor: None = None,
        progress: _Progress = None,
    ) -> Stream[_T]: ...
    @overload
    def async_stream_nolink(
        self,
        iterable: Iterable[_I] | AsyncIterable[_I],
        fn: Callable[[_I, *_Ts], _T],
        *args: *_Ts,
        shutdown: _Shutdown = 5.0,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = 5.0,
        on_timeout: Literal["exit", "kill_task"] = "exit",
        zip_input_on_exit: bool = False,
        executor: _Executor = None,
        progress: _Progress = None,
    ) -> Stream[_T]: ...
    @overload
    def start_child(
        self,
        fn: Callable[[*_Ts], Awaitable[_T]],
        /,
        *args: *_Ts,
        restart: _Restart = "temporary",
        shutdown: _Shutdown = 5.0,
    ) -> Process[_T]: ...
    @overload
    def start_child(
        self,
        fn: Callable[[*_Ts], _T],
        /,
        *args: *_Ts,
        restart: _Restart = "temporary",
        shutdown: _Shutdown = 5.0,
    ) -> Process[_T]: ...
    @overload
    def start_child(
        self,
        fn: Coroutine[Any, Any, _T],
        /,
        *,
        restart: Literal["temporary"] = "temporary",
        shutdown: _Shutdown = 5.0,
    ) -> Process[_T]: ...

def check_child(fn: object, restart: object, shutdown: object) -> None: ...
