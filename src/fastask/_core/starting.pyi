from collections.abc import Callable
from typing import Any, final

from fastask._core.bond import Bond
from fastask._core.errors import StartError
from fastask._core.wait import Wait

@final
class Starting(Bond): ...

@final
class StartWait(Wait): ...

def start_error(function: Callable[..., Any], reason: object) -> StartError: ...
