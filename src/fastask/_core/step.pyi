from asyncio import AbstractEventLoop
from typing import Any

from typing_extensions import disjoint_base

from fastask._core.hub import Hub
from fastask._core.process import Process
from fastask._core.wheel import Node

DEFAULT_GRACE: float

@disjoint_base
class Deadline(Node): ...

@disjoint_base
class Stepper(Hub):
    def __init__(self, loop: AbstractEventLoop) -> None: ...
    root: Process[Any] | None
    default_grace: float
    @property
    def steps(self) -> int: ...
    @property
    def on_stack(self) -> Process[Any] | None: ...
