from cpython.object cimport PyObject

from fastask._core.hub cimport Hub
from fastask._core.process cimport Process
from fastask._core.wheel cimport Node


cdef class Deadline(Node):
    cdef Process process


cdef class Scheduler(Hub):
    # I10: nothing mutable lives at module level; a scheduler hangs on its loop.
    cdef object __weakref__
    cdef Py_hash_t loop_hash
    cdef object drain_callback      # the bound methods, made once
    cdef object look_callback
    cdef object armed_timer         # the loop's handle, or None
    cdef long long armed_for        # ns: what it is armed for
    cdef object inbox               # deque of calls from other threads
    cdef bint inbox_signalled
    cdef object keeper              # asynchronous generator that the loop closes
    cdef set given                  # coroutine objects that processes run
    cdef public object roll         # what tells asyncio of its tasks, or None
    cdef public object pools        # of threads and workers for plain functions, or None
    cdef object swap_current        # asyncio's function from 3.14 on, else None
    cdef PyObject *entered          # the current task as we set it; only compared
    cdef Process stepped            # whose step goes on; also while it is not on the stack
    cdef Process running            # whose coroutine is on top of the stack
    cdef readonly unsigned long long steps
    cdef int stride                 # steps until the drain looks at the clock
    cdef int kills                  # depth of kills inside kills
    cdef public Process root        # whose end is the end of `run`
    cdef public object witness      # called with each process that starts, or None
    cdef bint halted                # it has ended: step nobody until `end` is called
    cdef bint ended                 # starts nothing any more

    cdef Process spawn(self, object coroutine, object function, Process parent)
    cdef Process adopt(self, object task)
    cdef int step(self, Process process) except -1
    cdef int post(self, tuple call) except -1

    cdef int step_at_once(self, Process process) except -1
    cdef int _turn(self, Process process) except -1
    cdef int _run(self, Process process) except -1
    cdef int _step_in_order(self) except -1
    cdef int _call_back(self, Process process) except -1
    cdef int _step_chosen(self) except -1
    cdef Process _take_chosen(self)
    cdef int _rescue(self, Process process, object error) except -1
    cdef object _enter(self, object task)
    cdef object _interruption(self, Process process)
    cdef int _yielded(self, Process process, object what) except -1
    cdef int _give_loop_a_turn(self, Process process) except -1
    cdef bint _start_grace(self, Process process) except -1
    cdef int _await_future(self, Process process, object future) except -1
    cdef bint _await_quickly(self, Process process, object future) except -1
    cdef bint _await_process(self, Process process, Process other) except -1
    cdef int _now_awaits(self, Process process, object future) except -1
    cdef int _refuse_yield(self, Process process, str message) except -1
    cdef int _leave_future(self, Process process) except -1
    cdef int _detach_future(self, Process process) except -1
    cdef int _failed(self, Process process, object error) except -1
    cdef int _finish(self, Process process, object reason) except -1
    cdef int _close(self, Process process) except -1
    cdef int _arm_timer(self) except -1
    cdef int _arm_timer_in(self, double seconds) except -1
    cdef int _take_inbox(self) except -1


cdef int silence(object coroutine) except -1
cdef Scheduler scheduler_of(object loop)
cdef Process current_process()
cdef Process current_or_none()
cdef Scheduler current_scheduler()
cdef bint runs_here(Process process) except -1
cdef object stranger()
