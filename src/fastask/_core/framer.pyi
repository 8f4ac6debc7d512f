from collections.abc import Sequence
from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class Framer:
    transport: Any
    receiver: Any
    is_partial: bool
    def send(self, frame: Sequence[Any]) -> None: ...
    def data_received(self, data: bytes) -> None: ...
