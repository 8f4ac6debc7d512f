from fastask._core.process cimport Process


cdef class AsyncioTask(Process):
    # I23: the table does not own it: like every task of asyncio, it lives as long as
    # something holds it, which is what wakes it, or the run queue.
    cdef object coro                # kept after the end, for people
    cdef object task_name           # None: made of the id when asked for
    cdef object waiter              # a process that awaits it, or a callback, or None
    cdef object waiter_context      # of the callback; None: it is a process
    cdef list waiters               # pairs of those, from the second on
    cdef object traceback           # of the exception, before it was raised again
    cdef object source_traceback    # where it was made, in debug mode
    cdef dict __dict__              # what other people's code hangs on it
    cdef bint tells_of_loss         # that it was destroyed while it was pending
    cdef bint unread                # nobody has seen the exception yet
    cdef bint listed                # asyncio's set of tasks has it

    cdef int begin(self, object loop, object coro, object context) except -1
    cdef object error(self)
    cdef int _end_unseen(self) except -1
    cdef int start(self, bint eager) except -1
    cdef int _add(self, object waiter, object context) except -1
    cdef list _pairs(self)
    cdef int _put_back(self, list pairs) except -1
    cdef int _settle_one(self) except -1
    cdef int _settle_all(self) except -1
    cdef int _queue_callbacks(self) except -1
    cdef int _call(self, object callback, object context) except -1
