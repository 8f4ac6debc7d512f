from collections.abc import Callable, Coroutine
from types import CodeType, UnionType
from typing import Any, Never, Protocol, TypeAlias, final, overload

from typing_extensions import TypeVar

from fastask._core.ref import Ref
from fastask._core.wait import Wait

_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")
_D = TypeVar("_D", default=Never)

# A type can be called too. Were it taken for a predicate, `n: int = await receive(str)`
# would be no error: a predicate is what has code, or else says that it returns a bool.
class _Function(Protocol):
    @property
    def __code__(self) -> CodeType: ...
    def __call__(self, message: Any, /) -> object: ...

_Untyped: TypeAlias = Ref | UnionType | _Function | Callable[[Any], bool]
_Pattern: TypeAlias = type[Any] | _Untyped

@final
class Receive(Wait): ...

@final
class Sleep(Wait): ...

@overload
def receive(*, timeout: float | None = None) -> Coroutine[object, None, Any]: ...
@overload
def receive(
    pattern: type[_T1], /, *, timeout: float | None = None
) -> Coroutine[object, None, _T1]: ...
@overload
def receive(
    pattern1: type[_T1], pattern2: type[_T2], /, *, timeout: float | None = None
) -> Coroutine[object, None, _T1 | _T2]: ...
@overload
def receive(
    pattern1: type[_T1],
    pattern2: type[_T2],
    pattern3: type[_T3],
    /,
    *,
    timeout: float | None = None,
) -> Coroutine[object, None, _T1 | _T2 | _T3]: ...
@overload
def receive(
    pattern1: _Untyped, /, *patterns: _Pattern, timeout: float | None = None
) -> Coroutine[object, None, Any]: ...
@overload
def receive(
    pattern1: type[Any],
    pattern2: _Untyped,
    /,
    *patterns: _Pattern,
    timeout: float | None = None,
) -> Coroutine[object, None, Any]: ...
@overload
def receive(
    pattern1: type[Any],
    pattern2: type[Any],
    pattern3: _Untyped,
    /,
    *patterns: _Pattern,
    timeout: float | None = None,
) -> Coroutine[object, None, Any]: ...
@overload
def receive(
    pattern1: type[Any],
    pattern2: type[Any],
    pattern3: type[Any],
    pattern4: _Pattern,
    /,
    *patterns: _Pattern,
    timeout: float | None = None,
) -> Coroutine[object, None, Any]: ...
def receive_even_in_exit(pattern: _Pattern) -> Coroutine[object, None, Any]: ...
@overload
def receive_nowait(*, default: object = ...) -> Any: ...
@overload
def receive_nowait(pattern: type[_T1], /, *, default: _D = ...) -> _T1 | _D: ...
@overload
def receive_nowait(
    pattern1: type[_T1], pattern2: type[_T2], /, *, default: _D = ...
) -> _T1 | _T2 | _D: ...
@overload
def receive_nowait(
    pattern1: type[_T1],
    pattern2: type[_T2],
    pattern3: type[_T3],
    /,
    *,
    default: _D = ...,
) -> _T1 | _T2 | _T3 | _D: ...
@overload
def receive_nowait(
    pattern1: _Untyped, /, *patterns: _Pattern, default: object = ...
) -> Any: ...
@overload
def receive_nowait(
    pattern1: type[Any],
    pattern2: _Untyped,
    /,
    *patterns: _Pattern,
    default: object = ...,
) -> Any: ...
@overload
def receive_nowait(
    pattern1: type[Any],
    pattern2: type[Any],
    pattern3: _Untyped,
    /,
    *patterns: _Pattern,
    default: object = ...,
) -> Any: ...
@overload
def receive_nowait(
    pattern1: type[Any],
    pattern2: type[Any],
    pattern3: type[Any],
    pattern4: _Pattern,
    /,
    *patterns: _Pattern,
    default: object = ...,
) -> Any: ...
def sleep(seconds: float | None) -> Coroutine[object, None, None]: ...
