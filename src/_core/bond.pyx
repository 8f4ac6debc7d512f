"""Bond: one record for what ties two processes: link, monitor, task. Layer 3.

The record lies in an intrusive list of either process. A task is one record that is
link, monitor and reply address at once; `link` and `monitor` make plain ones.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastask._core.mailbox cimport retag
from fastask._core.process cimport Process
from fastask._core.ref cimport Ref, new_ref
from fastask._core.wheel cimport Node


cdef class Bond(Node):
    def __init__(self):
        raise TypeError("a bond is made by link(), monitor() or a task")

    cdef Ref reference(self):
        """Return the ref of the bond, making it when it is first asked for."""
        cdef Ref ref
        if self.ref is None:
            ref = new_ref()
            if self.letter is not None and self.letter.queued:
                retag(&self.watcher.mailbox, self.letter, ref)
            ref.bond = self
            self.ref = ref
        return self.ref

    cdef int replied(self) except -1:
        """The target ended: deliver its reply. Comes before exits and downs."""
        return 0

    cdef int exited(self, Process dead, Process survivor, object reason) except -1:
        """One side of the link ended."""
        return 0

    cdef int down(self, object reason) except -1:
        """The target ended: tell the watcher. Comes last."""
        return 0


cdef int attach(Bond bond) except -1:
    """Enter a bond in the lists of its two processes, at the end of each."""
    cdef Process target = bond.target
    cdef Process watcher = bond.watcher
    cdef Bond last
    Py_INCREF(bond)  # owned by the target's list; released in detach
    bond.flags |= ATTACHED
    # The head's `earlier` is the tail, so that appending needs no second pointer.
    if target.bonds_in is NULL:
        target.bonds_in = bond.in_earlier = <PyObject *>bond
    else:
        last = <Bond>(<Bond>target.bonds_in).in_earlier
        last.in_later = <PyObject *>bond
        bond.in_earlier = <PyObject *>last
        (<Bond>target.bonds_in).in_earlier = <PyObject *>bond
    bond.in_later = NULL
    target.bonds += 1
    if watcher.bonds_out is NULL:
        watcher.bonds_out = bond.out_earlier = <PyObject *>bond
    else:
        last = <Bond>(<Bond>watcher.bonds_out).out_earlier
        last.out_later = <PyObject *>bond
        bond.out_earlier = <PyObject *>last
        (<Bond>watcher.bonds_out).out_earlier = <PyObject *>bond
    bond.out_later = NULL
    watcher.bonds += 1
    return 0


cdef bint detach(Bond bond) except -1:
    """Remove a bond from both lists; tell whether it was there."""
    cdef Process target = bond.target
    cdef Process watcher = bond.watcher
    cdef PyObject *this = <PyObject *>bond
    if not bond.flags & ATTACHED:
        return False
    bond.flags &= ~ATTACHED
    if target.bonds_in is this:
        target.bonds_in = bond.in_later
        if bond.in_later is not NULL:
            (<Bond>bond.in_later).in_earlier = bond.in_earlier
    else:
        (<Bond>bond.in_earlier).in_later = bond.in_later
        if bond.in_later is not NULL:
            (<Bond>bond.in_later).in_earlier = bond.in_earlier
        else:
            (<Bond>target.bonds_in).in_earlier = bond.in_earlier
    target.bonds -= 1
    if watcher.bonds_out is this:
        watcher.bonds_out = bond.out_later
        if bond.out_later is not NULL:
            (<Bond>bond.out_later).out_earlier = bond.out_earlier
    else:
        (<Bond>bond.out_earlier).out_later = bond.out_later
        if bond.out_later is not NULL:
            (<Bond>bond.out_later).out_earlier = bond.out_earlier
        else:
            (<Bond>watcher.bonds_out).out_earlier = bond.out_earlier
    watcher.bonds -= 1
    bond.in_earlier = bond.in_later = bond.out_earlier = bond.out_later = NULL
    Py_DECREF(bond)  # taken in attach; the caller holds another
    return True


cdef Bond link_between(Process one, Process other):
    """Return the bond that links the two, or None; looks through the shorter list."""
    cdef Process few, many
    cdef PyObject *cursor
    cdef Bond bond
    few, many = one, other
    if one.bonds > other.bonds:
        few, many = other, one
    cursor = few.bonds_in
    while cursor is not NULL:
        bond = <Bond>cursor
        if bond.flags & LINK and bond.watcher is many:
            return bond
        cursor = bond.in_later
    cursor = few.bonds_out
    while cursor is not NULL:
        bond = <Bond>cursor
        if bond.flags & LINK and bond.target is many:
            return bond
        cursor = bond.out_later
    return None


cdef list bonds_of(Process process, bint incoming):
    """Return the bonds in one of the lists of a process, oldest first."""
    cdef list bonds = []
    cdef PyObject *cursor = process.bonds_in if incoming else process.bonds_out
    while cursor is not NULL:
        bonds.append(<Bond>cursor)
        cursor = (<Bond>cursor).in_later if incoming else (<Bond>cursor).out_later
    return bonds
