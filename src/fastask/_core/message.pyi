from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, Generic, Literal, Never, final, overload

from typing_extensions import TypeVar, disjoint_base

from fastask._core.process import Process
from fastask._core.ref import Ref

_T_co = TypeVar("_T_co", covariant=True, default=Any)

# A Sequence by registration, so that `case (ref, value)` matches.
@final
class Reply(Sequence[Any], Generic[_T_co]):
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    __match_args__ = ("ref", "value")
    def __init__(self, ref: Ref, value: _T_co) -> None: ...
    @property
    def ref(self) -> Ref: ...
    @property
    def value(self) -> _T_co: ...
    def __len__(self) -> Literal[2]: ...
    @overload
    def __getitem__(self, index: int, /) -> Any: ...
    @overload
    def __getitem__(self, index: slice, /) -> tuple[Any, ...]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
@dataclass(frozen=True)
class Down:
    ref: Ref
    process: Process[Any] | Hashable
    reason: Any

@final
@dataclass(frozen=True)
class Exited:
    process: Process[Any] | None  # None: the signal came from outside of a process
    reason: Any

@final
@dataclass(frozen=True)
class Timeout:
    ref: Ref
    message: Any

@disjoint_base
@dataclass(frozen=True)
class Ok(Generic[_T_co]):
    value: _T_co
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def unwrap(self) -> _T_co: ...

@disjoint_base
@dataclass(frozen=True)
class Failed:
    reason: Any
    def unwrap(self) -> Never: ...
