"""Hub: what processes need of their scheduler, without looking up at it. Layer 1.

The hub of the drain that runs in this thread is kept in C thread-local storage: it is
the only state outside a hub, it is per thread, and it is NULL between drains (I10).
"""

from asyncio import _get_running_loop

from cpython.object cimport PyObject

from fastask._core.wheel cimport Wheel

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) PyObject *fastask_running_hub = NULL;
    #elif defined(__GLIBC__)
    static __thread PyObject *fastask_running_hub
        __attribute__((tls_model("initial-exec"))) = NULL;
    #else  /* musl, for one, does not load a library that asks for that model */
    static __thread PyObject *fastask_running_hub = NULL;
    #endif
    """
    PyObject *fastask_running_hub


cdef enum:
    MOST_IMMEDIATE = 128    # waits that are over at once, in one turn


cdef class Hub:
    """The base of the scheduler; made by it only."""

    def __cinit__(self):
        self.wheel = Wheel()
        self.names = {}
        self.adopted = {}
        self.exported = {}
        self.patience = MOST_IMMEDIATE

    cdef int arm(self) except -1:
        """Make the loop run a drain soon, unless one runs or is scheduled."""
        raise SystemError("a hub is driven by its scheduler")

    cdef bint is_armed(self) except -1:
        """Tell whether a drain is scheduled, and has not been lost since (I26)."""
        if self.armed and self.ready is not None:
            if holders(<PyObject *>self.handle) != 2 and self.handle not in self.ready:
                self.armed = 0
        return self.armed > 0

    cdef int arm_again(self) except -1:
        """Make the loop run a drain after all that it has been told to call."""
        raise SystemError("a hub is driven by its scheduler")

    cdef bint place(self) except -1:
        """Find the place in the run queue for a process that takes asyncio's turns.

        asyncio would have its loop call the task, after all that the loop was told to
        call before. So a batch of the queue may grow only as long as nobody is told
        after its drain, and the one that is being stepped while the loop has nothing to
        call. Else a batch begins here, with a drain of its own: True is returned.
        """
        if self.chooser is not None or self.ready is None:
            self.arm()
            return False
        if self.stepping:
            if not len(self.ready):
                return False
            if self.armed and self.ready[-1] is self.handle:
                return self.opened == 0
            self.arm_again()
            return True
        if self.armed and len(self.ready) and self.ready[-1] is self.handle:
            return self.draining and self.opened == 0
        self.arm_again()
        return self.draining or self.run_head is not NULL

    cdef int resume(self, object process) except -1:
        """Step a process in the callback of the loop that tells it to go on."""
        raise SystemError("a hub is driven by its scheduler")

    cdef int call_in_turn(self, object call, object argument) except -1:
        """Make a call in a callback of the loop, and have whom it wakes step at once.

        In a drain, or before one that is armed, it is the call alone: that drain steps
        them, in the order that it keeps.
        """
        raise SystemError("a hub is driven by its scheduler")

    cdef int call_last(self, object call) except -1:
        """Have a call made at the end of the turn, or of the next one (I29)."""
        raise SystemError("a hub is driven by its scheduler")

    cdef int kill(self, object process, object reason) except -1:
        """End a process now, honouring no await."""
        raise SystemError("a hub is driven by its scheduler")

    cdef int begin_exit(self, object process) except -1:
        """Begin to unwind an adopted process whose fate was just fixed."""
        raise SystemError("a hub is driven by its scheduler")

    cdef bint interrupts(self) except -1:
        """Tell whether a process that could go on gives the others a turn first."""
        if self.chooser is None or self.immediate > MOST_IMMEDIATE:
            self.immediate = 0
            return True
        return self.run_head is not NULL and self.chooser.choose(2) == 1

    cdef PyObject *current(self) except? NULL:
        """Return asyncio's current task of the loop (borrowed), or NULL."""
        raise SystemError("a hub is driven by its scheduler")


cdef PyObject *running_hub() noexcept:
    """Return the hub whose drain runs in this thread (borrowed), or NULL."""
    return fastask_running_hub


cdef PyObject *swap_running_hub(PyObject *hub) noexcept:
    """Set the hub of this thread (borrowed: the drain holds it); return the last."""
    global fastask_running_hub
    cdef PyObject *last = fastask_running_hub
    fastask_running_hub = hub
    return last


cdef bint is_here(Hub hub) except -1:
    """Tell whether this thread may touch the processes of `hub` directly."""
    if fastask_running_hub is <PyObject *>hub:
        return True
    return _get_running_loop() is hub.loop


cdef object call_soon(Hub hub, object callback, object argument):
    """Have the loop make a call soon; without an argument where that is None.

    A call that is lost would let somebody wait for ever. So for want of memory it is
    tried a second time: what the first try took is free again.
    """
    try:
        return _call_soon(hub, callback, argument)
    except MemoryError:
        return _call_soon(hub, callback, argument)


cdef object _call_soon(Hub hub, object callback, object argument):
    if argument is None:
        return hub.loop.call_soon(callback, context=hub.context)
    return hub.loop.call_soon(callback, argument, context=hub.context)
