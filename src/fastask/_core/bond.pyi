from typing import Never

from typing_extensions import disjoint_base

from fastask._core.wheel import Node

@disjoint_base
class Bond(Node):
    def __init__(self, _: Never, /) -> None: ...
