from asyncio import AbstractEventLoop
from collections.abc import Sequence
from typing import Any

from typing_extensions import disjoint_base

from fastask._core.outgoing import Outgoing
from fastask._core.process import Process
from fastask._core.remote import Remote

@disjoint_base
class Traffic:
    outbox: Any
    expected: int
    taken: int
    is_closed: bool
    def __init__(
        self,
        loop: AbstractEventLoop,
        own_mark: int,
        mark: int,
        theirs: bytes,
        ours: bytes,
        outbox: Outgoing,
    ) -> None: ...
    @property
    def exports(self) -> dict[tuple[int, int], Process[Any]]: ...
    @property
    def mark(self) -> int: ...
    def message(self, remote: Remote, message: object) -> None: ...
    def write(self, value: object) -> bytes | None: ...
    def received(self, frame: list[Any]) -> None: ...
    def count_taken(self, size: int) -> None: ...
    def load(self, data: Any, buffers: Sequence[Any]) -> Any: ...
