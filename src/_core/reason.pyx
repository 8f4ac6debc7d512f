"""Exit reasons: the named ones, and which class a reason belongs to. Layer 0."""

from enum import Enum, StrEnum


class Reason(StrEnum):
    """The exit reasons that have a name; each equals the string it is spelled as."""

    __module__ = "fastask"

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    KILL = "kill"
    KILLED = "killed"
    NOPROC = "noproc"
    NOCONNECTION = "noconnection"
    TIMEOUT = "timeout"


class BrutalKill(Enum):
    """The type of `BRUTAL_KILL`, a time limit that means: kill without asking.

    The package does not give it a name, so it is pickled as one of this module.
    """

    BRUTAL_KILL = "brutal_kill"

    def __repr__(self):
        return self.name


NORMAL = Reason.NORMAL
SHUTDOWN = Reason.SHUTDOWN
KILL = Reason.KILL
KILLED = Reason.KILLED
NOPROC = Reason.NOPROC
NOCONNECTION = Reason.NOCONNECTION
TIMEOUT = Reason.TIMEOUT
BRUTAL_KILL = BrutalKill.BRUTAL_KILL

cdef object _NORMAL = NORMAL
cdef object _SHUTDOWN = SHUTDOWN
cdef dict _BY_VALUE = {member.value: member for member in Reason}


cpdef object normalise(object reason):
    """Return the `Reason` that a plain string spells, and anything else as it is."""
    if type(reason) is str:
        return _BY_VALUE.get(reason, reason)
    return reason


cpdef bint is_expected(object reason) except -1:
    """Tell whether `reason` is of the expected class: no report, no restart."""
    if reason is _NORMAL or reason is _SHUTDOWN:
        return True
    return type(reason) is tuple and len(reason) == 2 and reason[0] == "shutdown"
