"""What the runtime sends, and the two outcomes of a task. Layer 0.

All are frozen values: compared by value, usable in `match` by position and keyword.
Their reprs are written out, as those that Cython makes work in one thread only.
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cython cimport dataclasses

from collections.abc import Sequence
from types import GenericAlias

from fastask._core.errors import Exit

cdef extern from *:
    """
    /* So that `case (ref, value):` matches. `Sequence.register` leaves types alone that
       were not made by a class statement. */
    static void fastask_match_sequences(PyTypeObject *type) {
        type->tp_flags |= Py_TPFLAGS_SEQUENCE;
    }
    """
    void match_sequences "fastask_match_sequences"(PyTypeObject *type)
    int generic_set "PyObject_GenericSetAttr"(
        object value, object name, PyObject *field
    ) except -1


@cython.final
cdef class Reply:
    """The result of a task, as a message in its owner's mailbox.

    Equals and unpacks like the tuple `(ref, value)`. Elixir: `{ref, result}`.
    """

    __match_args__ = ("ref", "value")
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, ref, value):
        self.ref = ref
        self.value = value

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (self.ref, self.value)[index]

    def __iter__(self):
        return iter((self.ref, self.value))

    def __eq__(self, other):
        if type(other) is Reply:
            return (self.ref, self.value) == ((<Reply>other).ref, (<Reply>other).value)
        if isinstance(other, tuple):
            return (self.ref, self.value) == other
        return NotImplemented

    def __hash__(self):
        return hash((self.ref, self.value))

    def __setattr__(self, name, value):
        _set_field(self, name, <PyObject *>value)

    def __delattr__(self, name):
        _set_field(self, name, NULL)

    def __reduce__(self):
        return Reply, (self.ref, self.value)

    def __repr__(self):
        return f"Reply(ref={self.ref!r}, value={self.value!r})"


Sequence.register(Reply)
match_sequences(<PyTypeObject *>Reply)


@dataclasses.dataclass(frozen=True, repr=False)
@cython.final
cdef class Down:
    """A monitor fired: `process` (as it was monitored) ended with `reason`.

    Elixir: `{:DOWN, ref, :process, object, reason}`.
    """

    def __setattr__(self, name, value):
        _set_field(self, name, <PyObject *>value)

    def __delattr__(self, name):
        _set_field(self, name, NULL)

    def __reduce__(self):
        return Down, (self.ref, self.process, self.reason)

    def __repr__(self):
        return f"Down(ref={self.ref!r}, process={self.process!r}, reason={self.reason!r})"


@dataclasses.dataclass(frozen=True, repr=False)
@cython.final
cdef class Exited:
    """A trapped exit signal: it came from `process`, with `reason`.

    Elixir: `{:EXIT, from, reason}`.
    """

    def __setattr__(self, name, value):
        _set_field(self, name, <PyObject *>value)

    def __delattr__(self, name):
        _set_field(self, name, NULL)

    def __reduce__(self):
        return Exited, (self.process, self.reason)

    def __repr__(self):
        return f"Exited(process={self.process!r}, reason={self.reason!r})"


@dataclasses.dataclass(frozen=True, repr=False)
@cython.final
cdef class Timeout:
    """A timer of `start_timer` ran out. Elixir: `{:timeout, ref, message}`."""

    def __setattr__(self, name, value):
        _set_field(self, name, <PyObject *>value)

    def __delattr__(self, name):
        _set_field(self, name, NULL)

    def __reduce__(self):
        return Timeout, (self.ref, self.message)

    def __repr__(self):
        return f"Timeout(ref={self.ref!r}, message={self.message!r})"


@dataclasses.dataclass(frozen=True, repr=False)
cdef class Ok:
    """A task returned `value`. Elixir: `{:ok, value}`."""

    def __setattr__(self, name, value):
        _set_field(self, name, <PyObject *>value)

    def __delattr__(self, name):
        _set_field(self, name, NULL)

    def __reduce__(self):
        return Ok, (self.value,)

    def __repr__(self):
        return f"Ok(value={self.value!r})"

    __class_getitem__ = classmethod(GenericAlias)

    def unwrap(self):
        """Return the value."""
        return self.value


@dataclasses.dataclass(frozen=True, repr=False)
cdef class Failed:
    """A task ended without a value, for `reason`. Elixir: `{:exit, reason}`."""

    def __setattr__(self, name, value):
        _set_field(self, name, <PyObject *>value)

    def __delattr__(self, name):
        _set_field(self, name, NULL)

    def __reduce__(self):
        return Failed, (self.reason,)

    def __repr__(self):
        return f"Failed(reason={self.reason!r})"

    def unwrap(self):
        """Raise the reason when it is an exception, else `Exit(reason)`."""
        raise failure_of(self.reason)


cdef Reply new_reply(object ref, object value):
    cdef Reply message = Reply.__new__(Reply)
    message.ref = ref
    message.value = value
    return message


cdef Down new_down(object ref, object process, object reason):
    cdef Down message = Down.__new__(Down)
    message.ref = ref
    message.process = process
    message.reason = reason
    return message


cdef Exited new_exited(object process, object reason):
    cdef Exited message = Exited.__new__(Exited)
    message.process = process
    message.reason = reason
    return message


cdef Timeout new_timeout(object ref, object message):
    cdef Timeout timeout = Timeout.__new__(Timeout)
    timeout.ref = ref
    timeout.message = message
    return timeout


cdef Ok new_ok(object value):
    cdef Ok outcome = Ok.__new__(Ok)
    outcome.value = value
    return outcome


cdef Failed new_failed(object reason):
    cdef Failed outcome = Failed.__new__(Failed)
    outcome.reason = reason
    return outcome


cdef object failure_of(object reason):
    """Return what awaiting something that ended with `reason` raises."""
    return reason if isinstance(reason, BaseException) else Exit(reason)


cdef int _set_field(object value, object name, PyObject *field) except -1:
    """Refuse as a frozen dataclass does; a subclass may have attributes of its own."""
    if type(value) in _FROZEN or name in value.__match_args__:
        from dataclasses import FrozenInstanceError  # few need it, and it takes long

        verb = "delete" if field is NULL else "assign to"
        raise FrozenInstanceError(f"cannot {verb} field {name!r}")
    return generic_set(value, name, field)


cdef tuple _FROZEN = (Reply, Down, Exited, Timeout, Ok, Failed)
