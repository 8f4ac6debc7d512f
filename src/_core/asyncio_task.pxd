from fastask._core.process cimport Process


cdef class AsyncioTask(Process):
    # I21: the table does not own it: like every task of asyncio, it lives as long as
    # something holds it, which is what wakes it, or the run queue.
    cdef object coro                # kept after the end, for people
    cdef object task_name           # None: made of the id when asked for
    # Who waits: None, a process, or a list of those and of (callback, context).
    cdef object waiters
    cdef object traceback           # of the exception, before it was raised again
    cdef object source_traceback    # where it was made, in debug mode
    cdef dict attributes            # what other people's code hangs on it
    cdef public bint _log_destroy_pending
    cdef bint unread                # nobody has seen the exception yet
    cdef bint listed                # asyncio's set of tasks has it

    cdef int begin(self, object loop, object coro, object context) except -1
    cdef int _tell(self, object waiter) except -1
