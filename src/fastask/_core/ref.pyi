from typing import Never, final

@final
class Ref:
    def __init__(self, _: Never, /) -> None: ...

def make_ref() -> Ref: ...
