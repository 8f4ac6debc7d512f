from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fastask._core.process import Process

LOCAL_NODE: str

class Located:
    def whereis(self) -> Process[Any] | None: ...

class Via(Located):
    def register(self, process: Process[Any]) -> None: ...

@dataclass(frozen=True)
class Address:
    name: object
    node: str

def register(name: Hashable, p: Process[Any] | None = None) -> None: ...
def unregister(name: Hashable) -> None: ...
def whereis(name: Hashable) -> Process[Any] | None: ...
def registered() -> list[Hashable]: ...
