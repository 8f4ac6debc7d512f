from collections.abc import Callable, Coroutine, Hashable
from typing import (
    Any,
    ClassVar,
    Concatenate,
    ParamSpec,
    TypeAlias,
    final,
    overload,
)

from typing_extensions import TypeVar

from fastask._core.answer import Answer, NoReply, Stop
from fastask._core.process import Process
from fastask._core.request import GenCall, Method
from fastask._core.wait import Wait

_T = TypeVar("_T")
_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)
_M_co = TypeVar("_M_co", covariant=True)

_Returned: TypeAlias = _T | Answer[_T] | NoReply | Stop

@final
class CallMethod(Method[_P, _R_co, _M_co]):
    __fastask_wait__: ClassVar[bool]
    def __init__(
        self, function: Callable[..., Any], timeout: float | None = 5.0
    ) -> None: ...
    @property
    def timeout(self) -> float | None: ...
    def __call__(
        self, dest: Hashable, /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Coroutine[Any, Any, _R_co]: ...

@final
class CastMethod(Method[_P, None, _M_co]):
    def __call__(
        self, dest: Hashable, /, *args: _P.args, **kwargs: _P.kwargs
    ) -> None: ...

@final
class CallWait(Wait): ...

# An async method comes first: it is a method that returns an awaitable, too.
class _Decorator:
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, _P], Coroutine[Any, Any, Answer[_T]]]
    ) -> CallMethod[_P, _T, Coroutine[Any, Any, Answer[_T]]]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, _P], Answer[_T]]
    ) -> CallMethod[_P, _T, Answer[_T]]: ...
    @overload
    def __call__(
        self,
        function: Callable[Concatenate[Any, _P], Coroutine[Any, Any, _Returned[_T]]],
    ) -> CallMethod[_P, _T, Coroutine[Any, Any, _T]]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, _P], _Returned[_T]]
    ) -> CallMethod[_P, _T, _T]: ...

@overload
def call(
    function: Callable[Concatenate[Any, _P], Coroutine[Any, Any, Answer[_T]]], /
) -> CallMethod[_P, _T, Coroutine[Any, Any, Answer[_T]]]: ...
@overload
def call(
    function: Callable[Concatenate[Any, _P], Answer[_T]], /
) -> CallMethod[_P, _T, Answer[_T]]: ...
@overload
def call(
    function: Callable[Concatenate[Any, _P], Coroutine[Any, Any, _Returned[_T]]], /
) -> CallMethod[_P, _T, Coroutine[Any, Any, _T]]: ...
@overload
def call(
    function: Callable[Concatenate[Any, _P], _Returned[_T]], /
) -> CallMethod[_P, _T, _T]: ...
@overload
def call(*, timeout: float | None = 5.0) -> _Decorator: ...
@overload
def cast(
    function: Callable[Concatenate[Any, _P], Coroutine[Any, Any, Any]], /
) -> CastMethod[_P, Coroutine[Any, Any, Any]]: ...
@overload
def cast(function: Callable[Concatenate[Any, _P], _T], /) -> CastMethod[_P, _T]: ...
def call_server(
    dest: Hashable, request: object, timeout: float | None
) -> Coroutine[Any, Any, Any]: ...
def call_system(
    dest: Hashable, request: tuple[Any, ...], timeout: float | None
) -> Coroutine[Any, Any, Any]: ...
def stop_server(
    dest: Hashable, reason: object, timeout: float | None
) -> Coroutine[Any, Any, None]: ...
def stop_soon(process: Process[Any], reason: object) -> None: ...
def cast_request(dest: Hashable, request: object) -> None: ...
def reply_to(from_: GenCall, value: object) -> None: ...
