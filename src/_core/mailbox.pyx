"""Mailbox: one ordered queue of letters, with an index by ref. Layer 1.

The letters form a doubly linked list in order of arrival. Those whose message is
tagged with a ref are also found by that ref, oldest first, in constant time (I6).
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_CLEAR, Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

from collections import deque

from fastask._core.message cimport Down, Reply, Timeout
from fastask._core.ref cimport Ref


cdef extern from *:
    """
    #define FASTASK_LETTER_SIZE (sizeof(PyObject) + 4 * sizeof(PyObject *) + 2 * sizeof(int))

    /* PyType_GenericAlloc for a type that it need not ask about. */
    static PyObject *fastask_alloc_letter(PyTypeObject *type, Py_ssize_t Py_UNUSED(items)) {
        PyObject *object = (PyObject *)PyObject_Malloc(FASTASK_LETTER_SIZE);
        if (object == NULL) return PyErr_NoMemory();
        memset(object, 0, FASTASK_LETTER_SIZE);
        return PyObject_Init(object, type);
    }

    static void fastask_allocate_letters(PyTypeObject *type) {
        if (type->tp_basicsize == FASTASK_LETTER_SIZE) type->tp_alloc = fastask_alloc_letter;
    }
    """
    void allocate_letters "fastask_allocate_letters"(PyTypeObject *type)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Letter:
    pass


allocate_letters(<PyTypeObject *>Letter)


cdef inline object _first_of(object message):
    return <object>PyTuple_GET_ITEM(message, 0) if PyTuple_GET_SIZE(message) else None


cdef Ref tag_of(object message):
    """Return the ref that `message` is tagged with, or None."""
    cdef object first
    if type(message) is tuple:
        first = _first_of(message)
    elif type(message) is Reply:
        first = (<Reply>message).ref
    elif type(message) is Down:
        first = (<Down>message).ref
    elif type(message) is Timeout:
        first = (<Timeout>message).ref
    elif isinstance(message, tuple):  # a NamedTuple, say
        first = _first_of(message)
    else:
        return None
    return <Ref>first if type(first) is Ref else None


cdef inline Letter _letter(object message, Ref tag):
    cdef Letter letter = Letter.__new__(Letter)
    letter.message = message
    letter.tag = tag
    return letter


cdef Letter put(Mailbox *box, object message, Ref tag):
    """Append a message and return its letter."""
    cdef Letter letter = _letter(message, tag)
    if tag is not None:
        _enter(box, letter)
    letter.older = box.tail
    letter.newer = NULL
    if box.tail is NULL:
        box.head = <PyObject *>letter
    else:
        (<Letter>box.tail).newer = <PyObject *>letter
    box.tail = <PyObject *>letter
    letter.queued = True
    box.letters += 1
    Py_INCREF(letter)  # released in take_out
    return letter


cdef int insert_after(Mailbox *box, Letter place, object message, Ref tag) except -1:
    """Put a message with the same tag right behind a queued letter."""
    cdef Letter letter = _letter(message, tag)
    cdef dict index = <dict>box.index
    cdef object group = index[tag]
    if type(group) is Letter:
        index[tag] = deque((group, letter))
    else:
        group.insert(group.index(place) + 1, letter)
    letter.older = <PyObject *>place
    letter.newer = place.newer
    if place.newer is NULL:
        box.tail = <PyObject *>letter
    else:
        (<Letter>place.newer).older = <PyObject *>letter
    place.newer = <PyObject *>letter
    letter.queued = True
    box.letters += 1
    Py_INCREF(letter)  # released in take_out
    return 0


cdef int take_out(Mailbox *box, Letter letter) except -1:
    """Remove a queued letter, leaving the others in place and in order."""
    if letter.tag is not None:
        _leave(box, letter)
    if letter.older is NULL:
        box.head = letter.newer
    else:
        (<Letter>letter.older).newer = letter.newer
    if letter.newer is NULL:
        box.tail = letter.older
    else:
        (<Letter>letter.newer).older = letter.older
    letter.older = letter.newer = NULL
    letter.queued = False
    box.letters -= 1
    box.removals += 1
    if letter.packed:
        letter.packed = False
        box.packed -= 1
    Py_DECREF(letter)  # taken in put or insert_after
    return 0


cdef int retag(Mailbox *box, Letter letter, Ref tag) except -1:
    """Index a queued letter under a ref that was made after it had arrived."""
    letter.tag = tag
    try:
        _enter(box, letter)
    except MemoryError:
        letter.tag = None  # it is not in the index (I6)
        raise
    return 0


cdef Letter find(Mailbox *box, Ref tag):
    """Return the oldest letter with that tag, or None."""
    cdef object group
    if box.index is NULL:
        return None
    group = (<dict>box.index).get(tag)
    if group is None or type(group) is Letter:
        return <Letter>group
    return <Letter>group[0]


cdef list letters_with(Mailbox *box, Ref tag):
    """Return all letters with that tag, oldest first."""
    cdef object group
    if box.index is NULL:
        return []
    group = (<dict>box.index).get(tag)
    if group is None:
        return []
    return [group] if type(group) is Letter else list(group)


cdef int empty(Mailbox *box) except -1:
    """Drop everything; what a message's end runs finds an empty mailbox."""
    cdef PyObject *cursor = box.head
    cdef PyObject *following
    cdef Letter letter
    box.head = box.tail = NULL
    box.letters = box.packed = 0
    box.removals += 1
    Py_CLEAR(box.index)
    while cursor is not NULL:
        letter = <Letter>cursor
        following = letter.newer
        letter.older = letter.newer = NULL
        letter.queued = letter.packed = False
        letter.message = letter.tag = None  # a packed letter and its task hold each other
        Py_DECREF(letter)  # taken in put or insert_after
        letter = None
        cursor = following
    return 0


cdef int _enter(Mailbox *box, Letter letter) except -1:
    cdef dict index
    cdef object group
    if box.index is NULL:
        index = {}
        Py_INCREF(index)  # released in _leave or empty
        box.index = <PyObject *>index
    index = <dict>box.index
    group = index.get(letter.tag)
    if group is None:
        index[letter.tag] = letter
    elif type(group) is Letter:
        index[letter.tag] = deque((group, letter))
    else:
        group.append(letter)
    return 0


cdef int _leave(Mailbox *box, Letter letter) except -1:
    cdef dict index = <dict>box.index
    cdef object group = index[letter.tag]
    if type(group) is not Letter:
        if group[0] is letter:
            group.popleft()
        else:
            group.remove(letter)
        if group:
            return 0
    del index[letter.tag]
    if not index:
        Py_CLEAR(box.index)
    return 0
