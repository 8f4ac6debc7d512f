"""Answer: what a callback of a server may return besides a plain value. Layer 1."""

cimport cython
from cython cimport dataclasses

from types import GenericAlias

from fastask._core.reason cimport normalise
from fastask._core.wheel cimport limit_of

cdef object _MISSING = object()


@dataclasses.dataclass(frozen=True, repr=False)
@cython.final
cdef class Continue:
    """Run `handle_continue(argument)` next, before any message.

    Elixir: `{:continue, argument}`.
    """

    def __reduce__(self):
        return Continue, (self.argument,)

    def __repr__(self):
        return f"Continue(argument={self.argument!r})"


@cython.final
cdef class IdleTimeout:
    """Deliver `TIMEOUT` to `handle_info` when no message comes for `seconds`.

    A message that is queued already counts. Any message ends the wait for good; a
    request of `fastask.sys` begins it anew. None means no limit.

    Raises:
        ValueError: If `seconds` is negative.

    Elixir: an integer as the last element of what a callback returns.
    """

    __match_args__ = ("seconds",)

    def __init__(self, seconds):
        self.nanoseconds = limit_of("seconds", seconds)
        self.seconds = seconds

    def __eq__(self, other):
        if type(other) is IdleTimeout:
            return self.seconds == (<IdleTimeout>other).seconds
        return NotImplemented

    def __hash__(self):
        return hash((IdleTimeout, self.seconds))

    def __reduce__(self):
        return IdleTimeout, (self.seconds,)

    def __repr__(self):
        return f"IdleTimeout({self.seconds!r})"


@cython.final
cdef class Ignore:
    """Returned by `init`: the server does not start, and that is no error.

    Elixir: `:ignore`.
    """

    def __init__(self):
        pass

    def __eq__(self, other):
        return type(other) is Ignore or NotImplemented

    def __hash__(self):
        return hash(Ignore)

    def __reduce__(self):
        return Ignore, ()

    def __repr__(self):
        return "Ignore()"


@cython.final
cdef class Hibernate:
    """A hint that the server will be idle for long; accepted, and without effect.

    Elixir: `:hibernate`.
    """

    def __init__(self):
        pass

    def __eq__(self, other):
        return type(other) is Hibernate or NotImplemented

    def __hash__(self):
        return hash(Hibernate)

    def __reduce__(self):
        return Hibernate, ()

    def __repr__(self):
        return "Hibernate()"


@cython.final
cdef class Answer:
    """Reply with `value`, and then do something else.

    Args:
        value: The reply.
        then: `Continue`, `IdleTimeout`, `Hibernate` or None.

    Elixir: `{:reply, value, state, then}`.
    """

    __match_args__ = ("value", "then")
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, value, then=None):
        self.value = value
        self.then = then

    def __eq__(self, other):
        if type(other) is Answer:
            return (self.value, self.then) == (
                (<Answer>other).value, (<Answer>other).then
            )
        return NotImplemented

    def __hash__(self):
        return hash((Answer, self.value, self.then))

    def __reduce__(self):
        return Answer, (self.value, self.then)

    def __repr__(self):
        return f"Answer({self.value!r}, then={self.then!r})"


@cython.final
cdef class NoReply:
    """Do not reply now: `GenServer.reply` does it later.

    Args:
        then: `Continue`, `IdleTimeout`, `Hibernate` or None.

    Elixir: `{:noreply, state}`.
    """

    __match_args__ = ("then",)

    def __init__(self, then=None):
        self.then = then

    def __eq__(self, other):
        if type(other) is NoReply:
            return self.then == (<NoReply>other).then
        return NotImplemented

    def __hash__(self):
        return hash((NoReply, self.then))

    def __reduce__(self):
        return NoReply, (self.then,)

    def __repr__(self):
        return f"NoReply(then={self.then!r})"


@cython.final
cdef class Stop:
    """End the server: `terminate(reason)` runs, the reply is sent, the process ends.

    Args:
        reason: The exit reason.
        reply: For the call that is being handled; without it the caller gets
            `CallError` with the reason.

    Elixir: `{:stop, reason, reply, state}`.
    """

    __match_args__ = ("reason",)

    def __init__(self, reason="normal", reply=_MISSING):
        self.reason = normalise(reason)
        self.has_reply = reply is not _MISSING
        self._reply = reply if self.has_reply else None

    @property
    def reply(self):
        """The reply, or None when there is none."""
        return self._reply

    def __eq__(self, other):
        cdef Stop stop
        if type(other) is Stop:
            stop = <Stop>other
            return (self.reason, self.has_reply, self._reply) == (
                stop.reason, stop.has_reply, stop._reply
            )
        return NotImplemented

    def __hash__(self):
        return hash((Stop, self.reason, self._reply))

    def __reduce__(self):
        return Stop, (self.reason, self._reply) if self.has_reply else (self.reason,)

    def __repr__(self):
        if self.has_reply:
            return f"Stop({self.reason!r}, reply={self._reply!r})"
        return f"Stop({self.reason!r})"
