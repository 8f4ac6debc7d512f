from cpython.object cimport PyObject
from cpython.ref cimport Py_REFCNT

cimport fastask._core.refcount
from fastask._core.context cimport context_with, is_context, is_untouched
from fastask._core.slot cimport peek
from fastask._core.wheel cimport Wheel

cdef extern from *:
    """
    /* PyIter_Send of None. A coroutine that fails without an exception is a SystemError,
       as of a call: Python 3.12 and 3.13 clear the exception when there is no memory for
       the frame of the caller (`take_ownership` in Python/frame.c). */
    static inline PySendResult fastask_send(PyObject *coroutine, PyObject **out) {
        PySendResult status = PyIter_Send(coroutine, Py_None, out);
        if (status == PYGEN_ERROR && !PyErr_Occurred())
            PyErr_SetString(
                PyExc_SystemError, "a coroutine failed without an exception");
        return status;
    }
    """
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    PySendResult fastask_send(object coroutine, PyObject **out)


cdef class Hub:
    # The part of a scheduler that the rooms below it may touch. One per event loop.
    cdef readonly object loop
    cdef object context             # empty; for the callbacks that the loop runs
    cdef object spare               # context that nobody has at the moment, or None
    cdef object current_tasks       # asyncio's dict of loop -> task, or None (3.14+)
    cdef Wheel wheel
    cdef long long clock            # ns: when the drain last looked
    cdef PyObject *run_head         # runnable processes, linked by `run_next`;
    cdef PyObject *run_tail         # the queue owns one reference to each
    cdef PyObject *live_head        # live processes, linked by `live_next`;
    cdef PyObject *live_tail        # the table owns one reference to each (I1)
    cdef Py_ssize_t live
    cdef unsigned long long spawned
    cdef dict names                 # name key -> Process
    cdef dict adopted               # asyncio task -> Process
    cdef object cluster             # this node's part in one, or None (I27)
    cdef dict exported              # what other nodes call them -> live processes
    cdef double grace               # seconds that an unwinding process may take
    cdef object vacated             # future set when a process leaves the table, or None
    cdef int immediate              # waits that were over at once, in this turn
    cdef int patience               # how many of them a turn may have
    cdef object chooser             # decides what is left open, or None
    cdef bint keeps_frames          # of crashes, for debuggers: in debug mode
    cdef bint draining
    cdef bint stepping              # the drain goes on with the run queue
    cdef int armed                  # drains that are scheduled in the loop
    cdef object handle              # the loop's, of the one that was armed last
    cdef int number                 # of that one; 0 when no other was armed before it
    cdef object ready               # what the loop calls next, or None if it hides that
    cdef int opened                 # batches of the run queue after the first (I24)

    cdef bint place(self) except -1
    cdef bint is_armed(self) except -1
    cdef int arm(self) except -1
    cdef int arm_again(self) except -1
    cdef int resume(self, object process) except -1
    cdef int call_in_turn(self, object call, object argument) except -1
    cdef int call_last(self, object call) except -1
    cdef int kill(self, object process, object reason) except -1
    cdef int begin_exit(self, object process) except -1
    cdef bint interrupts(self) except -1
    cdef PyObject *current(self) except? NULL   # see `current_of`


cdef inline PyObject *current_of(Hub hub) except? NULL:
    """Return asyncio's current task of the loop (borrowed), or NULL."""
    cdef PyObject *task = NULL
    if hub.current_tasks is not None:
        task = peek(<PyObject *>hub.current_tasks, <PyObject *>hub.loop)
    return hub.current() if task is NULL else task


cdef inline object lend(Hub hub, object given):
    """Return a context to enter, with the variables that were `given` (I25)."""
    cdef object spare
    if is_context(given):
        return given
    spare = hub.spare
    hub.spare = None
    return context_with(spare, given)


cdef inline bint take_back(
    Hub hub, object context, object given, Py_ssize_t references
) noexcept:
    """Tell whether what was lent is the hub's again; else it is whose it was.

    `references` are those to the context that the caller knows of.
    """
    if context is given or not is_untouched(context, given, references):
        return False
    hub.spare = context
    return True


cdef inline Py_ssize_t holders(PyObject *handle) noexcept:
    """Count who has a handle of the loop: we, and its queue until the call (I26)."""
    return Py_REFCNT(<object>handle)


cdef PyObject *running_hub() noexcept
cdef PyObject *swap_running_hub(PyObject *hub) noexcept
cdef bint is_here(Hub hub) except -1
cdef object call_soon(Hub hub, object callback, object argument)
