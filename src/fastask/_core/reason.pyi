from enum import Enum, StrEnum
from typing import Final

class Reason(StrEnum):
    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    KILL = "kill"
    KILLED = "killed"
    NOPROC = "noproc"
    NOCONNECTION = "noconnection"
    TIMEOUT = "timeout"

class BrutalKill(Enum):
    BRUTAL_KILL = "brutal_kill"

NORMAL: Final = Reason.NORMAL
SHUTDOWN: Final = Reason.SHUTDOWN
KILL: Final = Reason.KILL
KILLED: Final = Reason.KILLED
NOPROC: Final = Reason.NOPROC
NOCONNECTION: Final = Reason.NOCONNECTION
TIMEOUT: Final = Reason.TIMEOUT
BRUTAL_KILL: Final = BrutalKill.BRUTAL_KILL

def normalise(reason: object) -> object: ...
def is_expected(reason: object) -> bool: ...
