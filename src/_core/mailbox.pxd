cimport cython
from cpython.object cimport PyObject

cimport fastask._core.refcount
from fastask._core.ref cimport Ref


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Letter:
    # I4: a letter is in one mailbox, which owns one reference to it, or in none.
    cdef PyObject *older
    cdef PyObject *newer
    cdef object message         # a packed letter holds its task instead (I5)
    cdef Ref tag                # the ref that the message is tagged with, or None
    cdef bint packed
    cdef bint queued


cdef struct Mailbox:
    PyObject *head
    PyObject *tail
    PyObject *index         # dict of Ref -> its Letter, or deque of them, or NULL
    unsigned int letters
    unsigned int packed     # letters that stand for two messages
    unsigned int removals   # tells a scan that its place may be gone


cdef Ref tag_of(object message)
cdef Letter put(Mailbox *box, object message, Ref tag)
cdef int insert_after(Mailbox *box, Letter place, object message, Ref tag) except -1
cdef int take_out(Mailbox *box, Letter letter) except -1
cdef int retag(Mailbox *box, Letter letter, Ref tag) except -1
cdef Letter find(Mailbox *box, Ref tag)
cdef list letters_with(Mailbox *box, Ref tag)
cdef int empty(Mailbox *box) except -1
