from fastask._core.process cimport Process
from fastask._core.step cimport Stepper


cdef class Dispatcher(Stepper):
    cdef object drain_callback      # the bound methods, made once
    cdef object look_callback
    cdef object armed_timer         # the loop's handle, or None
    cdef long long armed_for        # ns: what it is armed for
    cdef Py_ssize_t timer_holders   # of the handle, when the loop had it
    cdef object inbox               # deque of calls from other threads
    cdef bint inbox_signalled
    cdef bint closed                # the loop is let go of, and takes nothing in any more
    cdef object inbox_handle        # the loop's, of the call that sees to the inbox
    cdef list last_calls            # what is called when the turn is over (I29)
    cdef object keeper              # asynchronous generator that the loop closes
    cdef int stride                 # steps until the drain looks at the clock

    cdef int keep(self) except -1
    cdef int post(self, tuple call) except -1
    cdef int _signal_inbox(self) except -1

    cdef int _make_last_calls(self) except -1
    cdef int _turn(self, Process process, object call, object argument) except -1
    cdef int _run(self, Process process, object call, object argument) except -1
    cdef int _step_after(self, object call, object argument) except -1
    cdef int _step_in_order(self) except -1
    cdef int _step_until(self, long long end) except -1
    cdef int _call_back(self, Process process) except -1
    cdef int _step_chosen(self) except -1
    cdef Process _take_chosen(self)
    cdef int _arm_timer(self) except -1
    cdef bint _timer_is_lost(self) except -1
    cdef int _arm_timer_in(self, double seconds) except -1
    cdef int _take_inbox(self) except -1
