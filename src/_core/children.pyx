"""Children: the table of a task supervisor. Layer 14.

A supervised start is an entry in this table, made by whoever starts; the supervisor's
process takes a turn only when a child has to be restarted or stopped.
"""

cimport cython
from cpython.object cimport PyObject

from fastask._core.bond cimport KEPT, LINK, Bond, attach
from fastask._core.hub cimport is_here
from fastask._core.process cimport DEAD, Process, line_of
from fastask._core.reason cimport is_expected
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport deliver, exit_by_link, kill_later
from fastask._core.start cimport caller_for, discard, start_process

from fastask._core.errors import MaxChildrenError, NoProcessError
from fastask._core.reason import NORMAL

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX
    void PyObject_GC_UnTrack(object tracked)

cdef object _NORMAL = NORMAL
cdef dict _RESTARTS = {
    "temporary": TEMPORARY, "transient": TRANSIENT, "permanent": PERMANENT,
}


@cython.final
cdef class Again:
    pass


@cython.final
cdef class Child(Bond):
    """Ties a child to its task supervisor."""

    @property
    def process(self):
        return self.target

    @property
    def function(self):
        return self.target.function if self.again is None else self.again.fn

    cdef int exited(self, Process dead, Process survivor, object reason) except -1:
        cdef Children table = self.table
        if dead is self.watcher:
            # It stops its children before it ends; these are left of one that was killed.
            if reason is _NORMAL:
                return kill_later(survivor)
            return exit_by_link(survivor, dead, reason)
        if self.restart != TEMPORARY and not table.closed:
            if self.restart == PERMANENT or not is_expected(reason):
                self.reason = reason
                self.waits = True
                return deliver(survivor, self)
        table.count -= 1
        return 0


@cython.final
cdef class Children:
    """The children of one task supervisor."""

    def __init__(self, Process supervisor, most=None):
        self.supervisor = supervisor
        self.most = -1 if most is None else min(most, PY_SSIZE_T_MAX)

    cdef int check(self) except -1:
        """Raise when no child can be started."""
        if self.closed or self.supervisor.life == DEAD:
            raise NoProcessError(f"supervisor must be alive, got {self.supervisor!r}")
        if not is_here(self.supervisor.hub):
            raise ValueError(f"{self.supervisor!r} belongs to another event loop")
        if self.most >= 0 and self.count >= self.most:
            raise MaxChildrenError(
                f"{self.supervisor!r} has {self.count} children, and max_children "
                f"is {self.most}"
            )
        return 0

    cdef Child enter(self, Process process, object shutdown):
        """Make a process that was just started a temporary child."""
        cdef Child child = Child.__new__(Child)
        child.watcher = self.supervisor
        child.target = process
        child.flags = LINK | KEPT
        child.table = self
        child.shutdown = shutdown
        attach(child)
        # The lists of bonds are not seen by the cyclic collector, so it could free none
        # of them: with many children alive it is spared to look (I2, I18).
        PyObject_GC_UnTrack(child)
        self.count += 1
        return child

    def start(self, fn, args, restart, shutdown):
        """Start a child that the caller is not tied to; return its process."""
        cdef Process me = caller_for(fn)
        cdef Process process
        cdef Child child
        try:
            self.check()
        except BaseException:  # raised again
            discard(fn)
            raise
        process = start_process(
            <Scheduler>me.hub, fn, args, None, self.supervisor
        )
        process.callers = line_of(me)
        child = self.enter(process, shutdown)
        child.restart = _RESTARTS[restart]
        if child.restart != TEMPORARY:
            child.again = Again.__new__(Again)
            child.again.fn = fn
            child.again.args = args
            child.again.callers = process.callers
        return process

    def start_again(self, Child child):
        """Start the function of a child that has ended anew, under the same entry."""
        cdef Again again = child.again
        cdef Process process = start_process(
            <Scheduler>self.supervisor.hub, again.fn, again.args, None, self.supervisor
        )
        process.callers = again.callers
        child.waits = False
        child.target = process
        child.reason = None
        attach(child)
        return process

    def forget(self, Child child):
        """A child that waited for its restart is not restarted."""
        if child.waits:
            child.waits = False
            self.count -= 1

    def close(self):
        """Start nothing any more; return the children that are alive."""
        self.closed = True
        return self.alive()

    def alive(self):
        """Return the children that are alive, oldest first."""
        cdef list children = []
        cdef PyObject *cursor = self.supervisor.bonds_out
        while cursor is not NULL:
            if type(<Bond>cursor) is Child:
                children.append(<Bond>cursor)
            cursor = (<Bond>cursor).out_later
        return children

    def find(self, process):
        """Return the child whose process that is, or None."""
        cdef PyObject *cursor
        if not isinstance(process, Process):
            return None
        cursor = (<Process>process).bonds_in
        while cursor is not NULL:
            if type(<Bond>cursor) is Child and (<Child><Bond>cursor).table is self:
                return <Bond>cursor
            cursor = (<Bond>cursor).in_later
        return None

    def spare(self, Child child):
        """Do not restart a child that is about to be stopped."""
        child.restart = TEMPORARY
        child.target.reported = True
