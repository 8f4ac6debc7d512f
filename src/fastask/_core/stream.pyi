from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor
from types import GenericAlias
from typing import (
    Any,
    Generic,
    Literal,
    Never,
    Self,
    TypeVarTuple,
    final,
    overload,
)

from typing_extensions import TypeVar

from fastask._core.bond import Bond
from fastask._core.message import Failed, Ok
from fastask._core.wait import Wait

_I = TypeVar("_I")
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True, default=Any)
_Ts = TypeVarTuple("_Ts")

@final
class Slot(Bond): ...

@final
class Run:
    async def aclose(self) -> None: ...
    async def anext_of_async(self) -> Ok[Any] | Failed: ...
    def throw_into_source(self, error: BaseException) -> None: ...

@final
class StreamWait(Wait): ...

def stream_wait(run: Run) -> StreamWait: ...

@final
class StreamIterator(AsyncIterator[Ok[_T_co] | Failed]):
    def __init__(self, _: Never, /) -> None: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Awaitable[Ok[_T_co] | Failed]: ...
    async def aclose(self) -> None: ...
    def __del__(self) -> None: ...

@final
class Stream(Generic[_T_co]):
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def __init__(self, _: Never, /) -> None: ...
    def __aiter__(self) -> StreamIterator[_T_co]: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *error: object) -> None: ...
    async def aclose(self) -> None: ...

# An async function comes first: it is a function that returns an awaitable, too.
@overload
def async_stream(
    iterable: Iterable[_I] | AsyncIterable[_I],
    fn: Callable[[_I, *_Ts], Awaitable[_T]],
    *args: *_Ts,
    max_concurrency: int | None = None,
    ordered: bool = True,
    timeout: float | None = 5.0,
    on_timeout: Literal["exit", "kill_task"] = "exit",
    zip_input_on_exit: bool = False,
    executor: None = None,
    progress: bool | Callable[[int, int | None], object] | None = None,
) -> Stream[_T]: ...
@overload
def async_stream(
    iterable: Iterable[_I] | AsyncIterable[_I],
    fn: Callable[[_I, *_Ts], _T],
    *args: *_Ts,
    max_concurrency: int | None = None,
    ordered: bool = True,
    timeout: float | None = 5.0,
    on_timeout: Literal["exit", "kill_task"] = "exit",
    zip_input_on_exit: bool = False,
    executor: Executor | Literal["thread", "process", "interpreter"] | None = None,
    progress: bool | Callable[[int, int | None], object] | None = None,
) -> Stream[_T]: ...
