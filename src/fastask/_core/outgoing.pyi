from collections.abc import Sequence
from typing import Any

from typing_extensions import disjoint_base

from fastask._core.hub import Hub

@disjoint_base
class Outgoing:
    link: Any
    is_closed: bool
    is_waiting: bool
    is_ordering: bool
    credit: int
    def __init__(self, hub: Hub, mark: int, credit: int) -> None: ...
    def __call__(self) -> None: ...
    def put(
        self,
        kind: int,
        flags: int,
        serial: int,
        number: int,
        origin: int,
        data: bytes,
        buffers: Sequence[bytes] = (),
        sender: object = None,
    ) -> None: ...
    def put_parts(self, first: bytes, buffers: list[Any], size: int) -> None: ...
    def schedule(self) -> None: ...
    def flush(self) -> None: ...
    def forget(self) -> None: ...
    def send(
        self, messages: bytes, buffers: list[Any], count: int, flags: int
    ) -> None: ...
    def send_waiting(self, frame: bytes, buffers: list[Any], count: int) -> None: ...
