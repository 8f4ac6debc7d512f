cimport cython
from cpython.object cimport PyObject

from fastask._core.hub cimport Hub
from fastask._core.mailbox cimport Mailbox
from fastask._core.wheel cimport Node


ctypedef unsigned char flag     # a bint takes four bytes, and a process has ten


cdef enum Life:
    RUNNABLE    # in the run queue
    RUNNING     # its coroutine is on the stack
    WAITING     # parked in a wait of ours, or awaiting a future; adopted: always
    DEAD
    REMOTE      # it stands for a process of another node: `carry` takes what reaches it


cdef enum Carried:
    MESSAGE     # what reaches a process of another node
    EXIT        # the exit signal of a call
    LINK_EXIT   # that of a link
    KILL_NOW    # a kill by who started it: it counts as ended from then on
    LINK_TO
    UNLINK_FROM
    WATCH       # somebody wants to hear of its end
    CALL_TO
    GIVE_UP     # nobody waits for the answer to a call any more


cdef enum Fate:
    FREE        # no fatal signal was accepted
    DOOMED      # one was; it takes effect at the next turn
    UNWINDING   # ExitSignal was thrown into the coroutine
    CLOSING     # the coroutine is being closed: no await is honoured


@cython.final
cdef class Lineage:
    # Who started whom. It names a process without keeping it, see `line_of`.
    cdef object process         # weak reference
    cdef unsigned long long id
    cdef Lineage ancestors
    cdef Lineage callers
    cdef int depth


@cython.final
cdef class Extra:
    # What few processes have, so that the others stay small.
    cdef object name            # registered name, or None
    cdef object key             # under which the name stands in the hub's table
    cdef object label
    cdef list callbacks         # of (callback, context, subject), or who awaits it
    cdef list guests            # waits on this mailbox that another task drives
    cdef Node deadline          # ends the unwinding
    cdef double grace           # negative: that of the hub
    cdef Lineage line
    cdef object cancel_message
    cdef int cancels            # by asyncio, that were not taken back
    cdef PyObject *timers       # that send to the process; borrowed from the wheel
    cdef tuple abroad           # how other nodes name the process, once one knows it (I27)
    cdef unsigned long long abroad_of   # the mark of the node that remembers it under that name


cdef class Process:
    cdef object __weakref__
    cdef Hub hub
    cdef readonly unsigned long long id
    cdef object body            # coroutine; the asyncio task when adopted; None: dead
    cdef object context         # or what to make one of, while it does not run (I25)
    cdef object function        # what it runs, for people; None when dead
    cdef object parked          # the wait of ours it is parked in
    cdef object awaited         # the future it awaits
    cdef object outcome         # what it returned
    cdef object reason          # exit reason, from the moment that it is fixed
    cdef Extra extra
    cdef Lineage ancestors
    cdef Lineage callers
    cdef Mailbox mailbox
    cdef PyObject *live_earlier
    cdef PyObject *live_later
    cdef PyObject *run_next
    cdef PyObject *bonds_in     # bonds whose target it is; it owns one reference each
    cdef PyObject *bonds_out    # bonds whose watcher it is; borrowed
    cdef long long born
    cdef unsigned int bonds     # how many it has, of both kinds
    cdef unsigned char life
    cdef unsigned char fate
    cdef unsigned char own_waits    # reached since it is unwinding
    cdef flag traps
    cdef flag adopted
    cdef flag queued
    cdef flag opens             # it is the first of a batch, see `Hub.place`
    cdef flag must_cancel
    cdef flag must_throw        # `outcome` is an error to throw at the next turn
    cdef flag killing           # a kill came while it was running
    cdef flag returned          # `outcome` is what its function returned
    cdef flag was_cancelled     # it ended by an asyncio cancellation
    cdef flag reported          # its crash is in the log, or its cause is
    cdef flag serves            # it has begun to serve: its crash is always reported
    cdef flag supervises        # a link to it does not make a crash observed
    cdef flag fails             # its body returned the error that it ended with
    cdef flag given             # its coroutine was handed in as an object
    cdef flag as_task           # it stands for an asyncio task; the table does not own it
    cdef flag blocking          # to asyncio, `_asyncio_future_blocking`
    cdef flag foreign           # it is, or was, `REMOTE`

    cdef int wake(self) except -1
    cdef int queue(self) except -1
    cdef int call_back(self) except -1
    cdef Extra extras(self)
    cdef int enter_table(self) except -1
    cdef int leave_table(self) except -1
    cdef int carry(self, int what, object subject, object value) except -1
    cdef int join_by(self, Process waiter) except -1
    cdef int leave_to(self, Process waiter) except -1
    cdef int settle(self) except -1
    cdef object own_context(self)
    cdef object conclude(self)
    cdef object failure(self)


cdef Lineage line_of(Process process)
cdef list line_members(Lineage line, bint callers)
