from collections.abc import Hashable
from typing import Any, Never, final

from fastask._core.aim import Aim
from fastask._core.process import Process
from fastask._core.ref import Ref

@final
class Timer(Aim):
    def __init__(self, _: Never, /) -> None: ...
    @property
    def ref(self) -> Ref: ...
    def cancel(self) -> float | None: ...
    def remaining(self) -> float | None: ...

def monotonic_time() -> float: ...
def send_after(
    dest: Process[Any] | Ref | Hashable,
    message: object,
    seconds: float,
    *,
    absolute: bool = False,
) -> Timer: ...
def start_timer(
    seconds: float, dest: Process[Any] | Ref | Hashable, message: object
) -> Timer: ...
