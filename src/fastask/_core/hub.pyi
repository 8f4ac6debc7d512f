from asyncio import AbstractEventLoop

from typing_extensions import disjoint_base

@disjoint_base
class Hub:
    @property
    def loop(self) -> AbstractEventLoop: ...
