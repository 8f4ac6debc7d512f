from fastask._core.dispatch cimport Dispatcher
from fastask._core.process cimport Process


cdef class Scheduler(Dispatcher):
    # I10: nothing mutable lives at module level; a scheduler hangs on its loop.
    cdef object __weakref__
    cdef public object roll         # what tells asyncio of its tasks, or None
    cdef public object pools        # of threads and workers for plain functions, or None
    cdef public object witness      # called with each process that starts, or None
    cdef bint ended                 # starts nothing any more

    cdef Process spawn(self, object coroutine, object function, Process parent)
    cdef Process adopt(self, object task)


cdef Scheduler scheduler_of(object loop)
