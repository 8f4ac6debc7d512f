from collections.abc import Coroutine, Hashable
from types import CodeType
from typing import Any, Literal, final

from fastask._core.process import Process
from fastask._core.wait import Wait

@final
class Server(Wait):
    @property
    def cr_await(self) -> Any: ...
    @property
    def cr_code(self) -> CodeType | None: ...
    @property
    def cr_running(self) -> Literal[False]: ...
    def throw(
        self,
        kind: BaseException | type[BaseException],
        value: Any = None,
        traceback: Any = None,
    ) -> Any: ...

def start_server(
    kind: type,
    args: tuple[Any, ...],
    name: Hashable | None,
    timeout: float | None,
    links: bool,
    supervises: bool = False,
    shown: object = None,
) -> Coroutine[Any, Any, Process[None] | None]: ...
def is_server(process: Process[Any]) -> bool: ...
def served_by(process: Process[Any]) -> Any: ...
