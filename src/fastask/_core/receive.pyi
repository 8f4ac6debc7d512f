from collections.abc import Callable, Coroutine
from types import UnionType
from typing import Any, TypeAlias, TypeGuard, TypeVar, final, overload

from typing_extensions import TypeIs

from fastask._core.ref import Ref
from fastask._core.wait import Wait

_T = TypeVar("_T")
_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")
_D = TypeVar("_D")

_Pattern: TypeAlias = Ref | type[Any] | UnionType | Callable[[Any], object]

@final
class Receive(Wait): ...

@final
class Sleep(Wait): ...

# What is tagged with a ref, and what an ordinary predicate accepts, may be anything.
@overload
def receive(
    pattern: type[_T], /, *, timeout: float | None = None
) -> Coroutine[object, None, _T]: ...
@overload
def receive(
    pattern: Callable[[Any], TypeIs[_T]], /, *, timeout: float | None = None
) -> Coroutine[object, None, _T]: ...
@overload
def receive(
    pattern: Callable[[Any], TypeGuard[_T]], /, *, timeout: float | None = None
) -> Coroutine[object, None, _T]: ...
@overload
def receive(
    pattern: type[_T1], pattern2: type[_T2], /, *, timeout: float | None = None
) -> Coroutine[object, None, _T1 | _T2]: ...
@overload
def receive(
    pattern: type[_T1],
    pattern2: type[_T2],
    pattern3: type[_T3],
    /,
    *,
    timeout: float | None = None,
) -> Coroutine[object, None, _T1 | _T2 | _T3]: ...
@overload
def receive(
    *patterns: _Pattern, timeout: float | None = None
) -> Coroutine[object, None, Any]: ...
@overload
def receive_nowait(pattern: type[_T], /) -> _T: ...
@overload
def receive_nowait(pattern: type[_T], /, *, default: _D) -> _T | _D: ...
@overload
def receive_nowait(pattern: Callable[[Any], TypeIs[_T]], /) -> _T: ...
@overload
def receive_nowait(
    pattern: Callable[[Any], TypeIs[_T]], /, *, default: _D
) -> _T | _D: ...
@overload
def receive_nowait(pattern: Callable[[Any], TypeGuard[_T]], /) -> _T: ...
@overload
def receive_nowait(
    pattern: Callable[[Any], TypeGuard[_T]], /, *, default: _D
) -> _T | _D: ...
@overload
def receive_nowait(pattern: type[_T1], pattern2: type[_T2], /) -> _T1 | _T2: ...
@overload
def receive_nowait(
    pattern: type[_T1], pattern2: type[_T2], /, *, default: _D
) -> _T1 | _T2 | _D: ...
@overload
def receive_nowait(
    pattern: type[_T1], pattern2: type[_T2], pattern3: type[_T3], /
) -> _T1 | _T2 | _T3: ...
@overload
def receive_nowait(
    pattern: type[_T1], pattern2: type[_T2], pattern3: type[_T3], /, *, default: _D
) -> _T1 | _T2 | _T3 | _D: ...
@overload
def receive_nowait(*patterns: _Pattern, default: object = ...) -> Any: ...
def sleep(seconds: float | None) -> Coroutine[object, None, None]: ...
