from typing import final

from fastask._core.hub import Hub

@final
class Terms:
    def __init__(self, hub: Hub, mark: int, theirs: bytes, ours: bytes) -> None: ...
