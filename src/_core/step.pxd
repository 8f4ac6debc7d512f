from cpython.object cimport PyObject

from fastask._core.hub cimport Hub
from fastask._core.process cimport Process
from fastask._core.wheel cimport Node


cdef class Deadline(Node):
    cdef Process process


cdef class Stepper(Hub):
    cdef Py_hash_t loop_hash
    cdef object swap_current        # asyncio's function from 3.14 on, else None
    cdef PyObject *entered          # the current task as we set it; only compared
    cdef set given                  # coroutine objects that processes run
    cdef object rests               # deque of lists: a handle, and who goes on by its call
    cdef list last_rest             # of them
    cdef object rest_callback       # the bound method, made once
    cdef Process stepped            # whose step goes on; also while it is not on the stack
    cdef Process running            # whose coroutine is on top of the stack
    cdef readonly unsigned long long steps
    cdef int kills                  # depth of kills inside kills
    cdef public Process root        # whose end is the end of `run`
    cdef bint halted                # it has ended: step nobody until `end` is called

    cdef object _enter(self, object task)
    cdef int step(self, Process process) except -1
    cdef int step_at_once(self, Process process) except -1

    cdef object _interruption(self, Process process)
    cdef int _yielded(self, Process process, object what) except -1
    cdef int _give_loop_a_turn(self, Process process) except -1
    cdef int _rest(self, Process process) except -1
    cdef int _wake_all(self, list batch) except -1
    cdef int find_lost_rest(self) except -1
    cdef int _leave_future(self, Process process) except -1
    cdef bint _start_grace(self, Process process) except -1
    cdef int _rescue(self, Process process, object error) except -1
    cdef int _failed(self, Process process, object error) except -1
    cdef int _finish(self, Process process, object reason) except -1
    cdef int _close(self, Process process) except -1


cdef int silence(object coroutine) except -1
