cimport cython

from fastask._core.bond cimport Bond
from fastask._core.children cimport Children
from fastask._core.mailbox cimport Letter
from fastask._core.process cimport Process
from fastask._core.scheduler cimport Scheduler
from fastask._core.wait cimport Wait


@cython.final
cdef class Stream:
    cdef object iterable
    cdef object fn
    cdef tuple args
    cdef Py_ssize_t max_concurrency
    cdef bint ordered
    cdef long long limit        # ns a task; negative: none
    cdef object timeout
    cdef bint kills_late        # on_timeout="kill_task"
    cdef bint zips
    cdef object executor
    cdef object progress
    cdef bint makes_coroutines  # fn is an async function, called directly
    cdef set runs               # the iterations that go on
    cdef list closing           # asyncio tasks that close inputs of iterators that went
    cdef object supervisor      # resolves to the table of children, or None
    cdef object shutdown        # of the children
    cdef bint links             # the tasks to the consumer

    cdef int close_later(self, object task) except -1


@cython.final
cdef class Run:
    # One iteration. The slots in flight are those bonds of the consumer whose `run` is
    # this one (I13).
    cdef object __weakref__
    cdef Stream stream
    cdef Process consumer
    cdef object source
    cdef Children children      # of the supervisor, or None
    cdef object abroad          # the supervisor, when it is of another node, or None
    cdef bint source_is_async
    cdef object pull            # the step of an asynchronous source that goes on
    cdef object pull_future     # what that step awaits
    cdef Wait inner             # or the wait of ours that it is parked in
    cdef bint spinning          # that step asked for a turn
    cdef bint exhausted
    cdef bint closed
    cdef Py_ssize_t free        # slots
    cdef Py_ssize_t in_flight
    cdef Py_ssize_t pulled
    cdef Py_ssize_t delivered
    cdef Slot first_finished    # a queue of slots, in order of completion
    cdef Slot last_finished
    cdef dict early             # ordered: index -> outcome, of those not yet due
    cdef StreamWait wait        # the wait that is parked
    cdef StreamWait spare       # the last wait, to be used again; None when closed
    cdef object report          # called with the number done, or None
    cdef object bar
    cdef Py_ssize_t done

    cdef int begin(self, Process consumer) except -1
    cdef int leave(self) except -1
    cdef int pull_one(self) except -1
    cdef int start(self, object item) except -1
    cdef int finish(self, Slot slot) except -1
    cdef object settle(self, Slot slot)


@cython.final
cdef class Slot(Bond):
    cdef Run run
    cdef object item
    cdef object outcome
    cdef Slot next_finished
    cdef Py_ssize_t index
    cdef bint late


@cython.final
@cython.freelist(8)
cdef class StreamWait(Wait):
    cdef Run run

    cdef bint _advance(self, Run run) except -1


@cython.final
cdef class StreamIterator:
    cdef Run run


cdef Stream new_stream(object iterable, object fn, tuple args, dict options)
