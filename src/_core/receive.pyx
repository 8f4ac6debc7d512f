"""Receive: taking messages from one's own mailbox, and sleeping. Layer 9."""

from types import GenericAlias, UnionType

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastask._core.current cimport current_process, quick_process
from fastask._core.mailbox cimport Letter, find, take_out
from fastask._core.pool cimport keep_memory, keep_one, take_one
from fastask._core.process cimport FREE, Process
from fastask._core.ref cimport Ref
from fastask._core.signal cimport unpack
from fastask._core.wait cimport FRESH, PARKED, Wait
from fastask._core.wheel cimport limit_of

cdef extern from *:
    """
    /* Cython has a function that takes `*patterns` called with a tuple. Most calls have
       one pattern or none, and need no tuple to say so. */
    static PyObject *(*fastask_few)(PyObject *pattern) = NULL;

    static PyObject *fastask_call_few(
        PyObject *function, PyObject *const *args, size_t flags, PyObject *names
    ) {
        Py_ssize_t count = PyVectorcall_NARGS(flags);
        PyObject *patterns, *options, *result;
        PyCFunctionWithKeywords method;
        if (names == NULL && count <= 1) return fastask_few(count ? args[0] : NULL);
        patterns = PyTuple_New(count);
        options = names == NULL ? NULL : PyDict_New();
        if (patterns == NULL || (names != NULL && options == NULL)) goto failed;
        for (Py_ssize_t i = 0; i < count; i++)
            PyTuple_SET_ITEM(patterns, i, Py_NewRef(args[i]));
        for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++)
            if (PyDict_SetItem(options, PyTuple_GET_ITEM(names, i), args[count + i]) < 0)
                goto failed;
        method = (PyCFunctionWithKeywords)(void *)((PyCFunctionObject *)function)
            ->m_ml->ml_meth;
        result = method(((PyCFunctionObject *)function)->m_self, patterns, options);
        Py_DECREF(patterns);
        Py_XDECREF(options);
        return result;
    failed:
        Py_XDECREF(patterns);
        Py_XDECREF(options);
        return NULL;
    }

    static void fastask_call_quickly(PyObject *function, void *few) {
        Py_ssize_t place = Py_TYPE(function)->tp_vectorcall_offset;
        if (place <= 0) return;
        fastask_few = (PyObject *(*)(PyObject *))few;
        *(vectorcallfunc *)((char *)function + place) = fastask_call_few;
    }
    """
    void call_quickly "fastask_call_quickly"(object function, void *few)

cdef object _MISSING = object()


@cython.final
cdef class Receive(Wait):
    """Takes the oldest message that matches, out of the process's own mailbox."""

    cdef str verb(self):
        return "receive"

    cdef bint poll(self) except -1:
        return self.take()

    cdef int expire(self) except -1:
        raise TimeoutError(f"no matching message within {self.limit():g} s")

    cdef bint wants(self, Letter letter) except -1:
        # Types and predicates may run code of the user: they are tried in the
        # receiver's own turn, never in the sender's.
        return type(self.pattern) is not Ref or letter.tag is self.pattern

    cdef bint take(self) except -1:
        """Take the oldest matching message into `value`; False when there is none."""
        cdef Process process = self.process
        cdef Letter letter
        if self.pattern is None:
            if process.mailbox.head is NULL:
                return False
            letter = <Letter>process.mailbox.head
        elif type(self.pattern) is Ref:
            letter = find(&process.mailbox, <Ref>self.pattern)
        else:
            letter = self._scan(process)
        if letter is None:
            return False
        if letter.packed:
            unpack(process, letter)
        self.value = letter.message
        take_out(&process.mailbox, letter)
        return True

    cdef Letter _scan(self, Process process):
        """Try the letters that were not tried yet, oldest first."""
        cdef PyObject *cursor
        cdef Letter letter
        cdef unsigned int removals = process.mailbox.removals
        if self.seen is not None and self.removals == removals:
            cursor = self.seen.newer
        else:
            cursor = process.mailbox.head
        while cursor is not NULL:
            letter = <Letter>cursor
            if letter.packed:
                unpack(process, letter)
            if self._matches(letter) and letter.queued:
                self.seen = None
                return letter
            if process.mailbox.removals != removals:
                # A predicate took messages itself: begin anew.
                removals = process.mailbox.removals
                cursor = process.mailbox.head
                continue
            self.seen = letter
            cursor = letter.newer
        self.removals = removals
        return None

    cdef bint _matches(self, Letter letter) except -1:
        for pattern in <tuple>self.pattern:
            if type(pattern) is Ref:
                if letter.tag is pattern:
                    return True
            elif isinstance(pattern, (type, UnionType)):
                if isinstance(letter.message, pattern):
                    return True
            elif pattern(letter.message):
                return True
        return False


@cython.final
cdef class Sleep(Wait):
    """Waits for time to pass."""

    cdef str verb(self):
        return "sleep"

    cdef bint poll(self) except -1:
        return False

    cdef int _step(self, PyObject **out) except -1:
        if (
            self.alarm is None or self.alarm.limit != 0 or self.process.fate != FREE
        ):
            return Wait._step(self, out)
        self.unawaited = False
        if self.stage == FRESH:
            self.stage = PARKED
            return self._take_turn(out)
        self.leave()
        out[0] = <PyObject *>None
        Py_INCREF(None)  # given to the caller
        return 1


cdef Receive _blank():
    """Return a receive of the running process, for any message."""
    cdef PyObject *known = quick_process()
    cdef Process process = current_process() if known is NULL else <Process>known
    cdef PyObject *over = take_one()
    cdef Receive wait
    if over is NULL:
        wait = Receive.__new__(Receive)
    else:
        wait = <Receive>over
        Py_DECREF(wait)  # the variable holds it
    wait.process = process
    return wait


cdef bint _wipe(PyObject *freed) noexcept:
    """Make a receive that nobody refers to as new; False when it cannot be."""
    # A variable of its type would count as a reference, and free the receive again.
    if (<Receive>freed).stage == PARKED or (<Receive>freed).unawaited:
        return False
    if type((<Receive>freed).pattern) is tuple:
        return False
    (<Receive>freed).process = None
    (<Receive>freed).value = None
    (<Receive>freed).pattern = None
    (<Receive>freed).alarm = None
    (<Receive>freed).stage = FRESH
    (<Receive>freed).expired = (<Receive>freed).honoured = False
    return True


cdef Receive new_receive(tuple patterns):
    """Return a receive of the running process, with its patterns checked."""
    cdef Receive wait = _blank()
    if not patterns:
        return wait
    if len(patterns) == 1 and type(patterns[0]) is Ref:
        wait.pattern = patterns[0]
        return wait
    for pattern in patterns:
        if type(pattern) is Ref or isinstance(pattern, (type, UnionType)):
            continue
        if not callable(pattern) or isinstance(pattern, GenericAlias):
            raise TypeError(
                f"patterns must be a Ref, a type or a predicate, got {pattern!r}"
            )
    wait.pattern = patterns
    return wait


def receive(*patterns, timeout=None):
    """Take the oldest message that matches from one's own mailbox, waiting for it.

    Messages that do not match stay in place and in order. A message that is queued
    beats `timeout=0`; the time counts once from entry, whatever else arrives. An exit
    signal ends the wait as it ends every other. Nothing is lost when the wait is
    cancelled: the message stays in the mailbox.

    Args:
        patterns: Any of which may match: a `Ref` (the message tagged with it, found at
            once whatever else is queued), a type (by `isinstance`), or a predicate.
            None given: any message.
        timeout: Seconds, or None for no limit.

    Returns:
        The message.

    Raises:
        TimeoutError: If no message matched in time.
        TypeError: If a pattern is none.
        ValueError: If `timeout` is negative.
        RuntimeError: If no process is running.

    Example:
        ```python
        import fastask

        async def main() -> None:
            fastask.send(fastask.self_(), ("price", 3))
            fastask.send(fastask.self_(), "noise")
            assert await fastask.receive(str) == "noise"
            assert await fastask.receive() == ("price", 3)

        fastask.run(main)
        ```

    Elixir: `receive/1`, with predicates in the place of patterns and guards.
    """
    cdef Receive wait = new_receive(patterns)
    wait.limit_to(timeout)
    wait.unawaited = True
    return wait


def receive_even_in_exit(pattern):
    """Receive as `receive` does, also while an exit signal unwinds the process.

    For the ends of blocks that fastask offers itself. The grace of the process is the
    limit then.
    """
    cdef Receive wait = new_receive((pattern,))
    wait.honoured = wait.unawaited = True
    return wait


def receive_nowait(*patterns, default=_MISSING):
    """Take the oldest queued message that matches, without waiting.

    Args:
        patterns: As for `receive`.
        default: What to return when nothing matches.

    Returns:
        The message, or `default`.

    Raises:
        LookupError: If nothing matches and no default was given.
        TypeError: If a pattern is none.
        RuntimeError: If no process is running.

    Example:
        ```python
        import fastask

        async def main() -> None:
            assert fastask.receive_nowait(default=None) is None
            fastask.send(fastask.self_(), 7)
            assert fastask.receive_nowait(int) == 7

        fastask.run(main)
        ```

    Elixir: `receive ... after 0`.
    """
    cdef Receive wait = new_receive(patterns)
    if wait.take():
        return wait.value
    if default is _MISSING:
        raise LookupError("no matching message is queued")
    return default


def sleep(seconds):
    """Wait for `seconds`, at least; messages that arrive meanwhile stay queued.

    Args:
        seconds: A number >= 0; 0 gives the others one turn. None sleeps for ever.

    Raises:
        ValueError: If `seconds` is negative.
        RuntimeError: If no process is running.

    Example:
        ```python
        import fastask

        async def main() -> None:
            await fastask.sleep(0.01)

        fastask.run(main)
        ```

    Elixir: `Process.sleep/1`.
    """
    cdef Sleep wait = Sleep.__new__(Sleep)
    if seconds is not None:
        wait.set_alarm(limit_of("seconds", seconds))
    wait.process = current_process()
    wait.unawaited = True
    return wait


cdef object _receive_one(PyObject *pattern):
    """Do as `receive`, of one pattern or, for NULL, of none."""
    cdef Receive wait
    if pattern is not NULL and type(<object>pattern) is not Ref:
        wait = new_receive((<object>pattern,))
    else:
        wait = _blank()
        if pattern is not NULL:
            wait.pattern = <object>pattern
    wait.unawaited = True
    return wait


call_quickly(receive, <void *>_receive_one)

for _verb in (receive, sleep):
    _verb.__fastask_wait__ = True  # it can be the function of a process


keep_memory(<PyTypeObject *>Receive, 64)
keep_one(<PyTypeObject *>Receive, <void *>_wipe)
keep_memory(<PyTypeObject *>Sleep, 64)
