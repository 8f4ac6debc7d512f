cimport cython

from fastask._core.bond cimport Bond
from fastask._core.mailbox cimport Letter
from fastask._core.process cimport Process
from fastask._core.scheduler cimport Scheduler
from fastask._core.wait cimport Wait


cdef enum Taken:
    NOTHING
    VALUE
    FAILURE


cdef class Task(Bond):
    # I5: while the reply of a task waits packed in its owner's mailbox, `letter` is
    # that letter; the value stays in the process.
    cdef object value           # of a completed task
    cdef object taken           # what `take` took, until its caller has it
    cdef Wait waiter            # the wait on many tasks that counts this one
    cdef bint completed
    cdef bint down_included     # the packed letter stands for the Down too
    cdef public bint _asyncio_future_blocking

    cdef int take(self) except -1
    cdef int forget(self) except -1
    cdef int check_owner(self, str verb) except -1


@cython.final
cdef class Await(Wait):
    cdef Task task
    cdef bint yields


@cython.final
cdef class Shutdown(Wait):
    cdef Task task
    cdef bint brutal
    cdef bint sent      # the exit signal
    cdef bint late      # the time of a soft shutdown ran out

    cdef bint _take(self) except -1


cdef Await new_await(Task task, str verb, object timeout, bint yields)
cdef Shutdown new_shutdown(Task task, object timeout)
cdef object kill_task(Task task)
cdef object ignore_task(Task task)
cdef Task start_task(
    Scheduler scheduler, Process owner, object fn, tuple args, object executor, int flags
)
