from typing_extensions import disjoint_base

from fastask._core.wheel import Node

@disjoint_base
class Aim(Node): ...
