from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from fastask._core.dispatch import Dispatcher
from fastask._core.executor import Pools
from fastask._core.process import Process
from fastask._core.wheel import Node

@disjoint_base
class Scheduler(Dispatcher):
    pools: Pools | None
    roll: object
    witness: Callable[[Process[Any]], object] | None
    def processes(self) -> list[Process[Any]]: ...
    def armed_nodes(self) -> list[Node]: ...
    async def end(self, grace: float) -> None: ...
    def close(self) -> None: ...

def scheduler_for(loop: AbstractEventLoop) -> Scheduler: ...
