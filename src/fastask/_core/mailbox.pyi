from typing import final

@final
class Letter: ...
