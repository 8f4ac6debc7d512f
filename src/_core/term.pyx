"""Term: what most messages are made of, written and read without pickle. Layer 13.

Numbers, texts, bytes, tuples, lists and dicts of them, and processes: what is written is
a pickle, as `pickle` reads it and could have written it, but none of its machinery is
set up for it. Everything else is left to `pickle`: `write` and `read` say so, and have
changed nothing.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next, PyDict_SetItem
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.list cimport PyList_Append, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport (
    PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM,
)
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcmp, memcpy

from fastask._core.hub cimport Hub
from fastask._core.process cimport Extra, Process
from fastask._core.remote cimport PROCESS, Remote

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

cdef enum:
    LONGEST = 1024      # bytes of what is written here; pickle is quick with more
    DEEPEST = 8         # containers in one another
    MOST_INSIDE = 16    # containers in all
    MOST_ITEMS = 128    # that wait for their container while it is read
    HANDLE = 24         # bytes of the two numbers of a process, and of what ties them

cdef enum Opcode:       # of pickle
    MARK = 0x28
    STOP = 0x2e
    NONE = 0x4e
    TRUE = 0x88
    FALSE = 0x89
    INT4 = 0x4a
    INT1 = 0x4b
    INT2 = 0x4d
    INT = 0x8a          # and how many bytes it has
    FLOAT = 0x47
    TEXT1 = 0x8c        # and a length of one byte
    TEXT4 = 0x58        # and one of four
    BYTES1 = 0x43
    BYTES4 = 0x42
    EMPTY_TUPLE = 0x29
    TUPLE1 = 0x85
    TUPLE2 = 0x86
    TUPLE3 = 0x87
    TUPLE = 0x74        # of what follows the mark
    EMPTY_LIST = 0x5d
    APPENDS = 0x65
    EMPTY_DICT = 0x7d
    SET_ITEMS = 0x75
    REDUCE = 0x52

OTHER = object()


cdef struct Writer:
    Py_ssize_t size
    int depth
    int inside
    PyObject *containers[MOST_INSIDE]   # borrowed from the value that is written
    unsigned char room[LONGEST]


cdef struct Reader:
    const unsigned char *at
    const unsigned char *end
    int items
    int marks
    int mark[MOST_INSIDE]
    PyObject *item[MOST_ITEMS]          # owned


@cython.final
cdef class Terms:
    """Writes plain values for another node, and reads those that it wrote."""

    def __init__(self, Hub hub, mark, bytes theirs, bytes ours):
        self.hub = hub
        self.mark = mark
        self.theirs = theirs
        self.ours = ours

    cdef object write(self, object session, object value):
        """Return a value as bytes, or None: it is none of those."""
        cdef Writer writer
        writer.size = 2
        writer.depth = writer.inside = 0
        writer.room[0] = 0x80
        writer.room[1] = 5
        if not _write(self, session, &writer, value) or writer.size == LONGEST:
            return None
        writer.room[writer.size] = STOP
        return PyBytes_FromStringAndSize(<char *>writer.room, writer.size + 1)

    cdef object read(self, object session, const unsigned char *data, Py_ssize_t size):
        """Return what was written, or `OTHER` where that takes pickle."""
        cdef Reader reader
        cdef object value = OTHER
        if size < 4 or data[0] != 0x80 or data[1] != 5 or data[size - 1] != STOP:
            return OTHER
        reader.at = data + 2
        reader.end = data + size - 1
        reader.items = reader.marks = 0
        try:
            if _read(self, session, &reader) and reader.items == 1:
                value = <object>reader.item[0]
        finally:
            _drop(&reader, 0)
        return value


# Writing. All of these tell whether they could: False is "leave it to pickle".

cdef inline bint _put_byte(Writer *writer, int byte) noexcept:
    if writer.size >= LONGEST:
        return False
    writer.room[writer.size] = byte
    writer.size += 1
    return True


cdef inline bint _put(Writer *writer, const void *data, Py_ssize_t size) noexcept:
    if size > LONGEST - writer.size:
        return False
    memcpy(writer.room + writer.size, data, size)
    writer.size += size
    return True


cdef inline bint _put_number(
    Writer *writer, int opcode, unsigned long long number, int size
) noexcept:
    """Write an opcode and a number of `size` bytes, the lowest first."""
    cdef int i
    if size + 1 > LONGEST - writer.size:
        return False
    writer.room[writer.size] = opcode
    for i in range(size):
        writer.room[writer.size + 1 + i] = number >> (8 * i) & 255
    writer.size += size + 1
    return True


cdef bint _put_long(Writer *writer, unsigned long long number, bint negative) noexcept:
    """Write a number of nine bytes, so that 64 bits and a sign are in it."""
    return (
        _put_byte(writer, INT) and _put_number(writer, 9, number, 8)
        and _put_byte(writer, 255 if negative else 0)
    )


cdef bint _write_int(Writer *writer, object value) except -1:
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        return False
    if 0 <= number < 256:
        return _put_number(writer, INT1, number, 1)
    if 0 <= number < 65536:
        return _put_number(writer, INT2, number, 2)
    if -0x80000000 <= number < 0x80000000:
        return _put_number(writer, INT4, <unsigned long long>number, 4)
    return _put_long(writer, <unsigned long long>number, number < 0)


cdef bint _write_float(Writer *writer, object value) noexcept:
    cdef double number = PyFloat_AS_DOUBLE(value)
    cdef unsigned long long bits
    cdef int i
    memcpy(&bits, &number, 8)
    if writer.size + 9 > LONGEST:
        return False
    writer.room[writer.size] = FLOAT
    for i in range(8):  # the highest first
        writer.room[writer.size + 1 + i] = bits >> (56 - 8 * i) & 255
    writer.size += 9
    return True


cdef bint _write_bytes(
    Writer *writer, const char *data, Py_ssize_t size, int opcode1, int opcode4
) noexcept:
    if size < 256:
        return _put_number(writer, opcode1, size, 1) and _put(writer, data, size)
    return (
        size < LONGEST
        and _put_number(writer, opcode4, size, 4) and _put(writer, data, size)
    )


cdef bint _write_text(Writer *writer, str value) except -1:
    cdef Py_ssize_t size = 0
    cdef const char *data
    if len(value) >= LONGEST:
        return False
    try:
        data = PyUnicode_AsUTF8AndSize(value, &size)
    except UnicodeEncodeError:  # of half a character
        return False
    return _write_bytes(writer, data, size, TEXT1, TEXT4)


cdef bint _write(Terms terms, object session, Writer *writer, object value) except -1:
    if type(value) is str:
        return _write_text(writer, <str>value)
    if type(value) is int:
        return _write_int(writer, value)
    if value is None:
        return _put_byte(writer, NONE)
    if type(value) is bool:
        return _put_byte(writer, TRUE if value else FALSE)
    if type(value) is float:
        return _write_float(writer, value)
    if type(value) is bytes:
        return _write_bytes(
            writer, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), BYTES1, BYTES4
        )
    if type(value) is Process:
        return _write_process(terms, writer, <Process>value)
    if type(value) is Remote:
        return _write_remote(terms, session, writer, <Remote>value)
    if type(value) is tuple and PyTuple_GET_SIZE(value) == 0:
        return _put_byte(writer, EMPTY_TUPLE)
    if type(value) is tuple or type(value) is list or type(value) is dict:
        return _write_container(terms, session, writer, value)
    return False


cdef bint _write_container(
    Terms terms, object session, Writer *writer, object value
) except -1:
    cdef int i
    cdef bint written
    if writer.depth == DEEPEST or writer.inside == MOST_INSIDE:
        return False
    for i in range(writer.inside):
        if writer.containers[i] is <PyObject *>value:
            return False  # it stands in two places, and is one there, too
    writer.containers[writer.inside] = <PyObject *>value
    writer.inside += 1
    writer.depth += 1
    if type(value) is tuple:
        written = _write_tuple(terms, session, writer, value)
    elif type(value) is list:
        written = _write_list(terms, session, writer, value)
    else:
        written = _write_dict(terms, session, writer, value)
    writer.depth -= 1
    return written


# Nothing below runs code of a user, so no container changes while it is written.

cdef bint _write_tuple(Terms terms, object session, Writer *writer, object value) except -1:
    cdef Py_ssize_t i
    cdef Py_ssize_t count = PyTuple_GET_SIZE(value)
    if count > 3 and not _put_byte(writer, MARK):
        return False
    for i in range(count):
        if not _write(terms, session, writer, <object>PyTuple_GET_ITEM(value, i)):
            return False
    return _put_byte(writer, TUPLE if count > 3 else TUPLE1 + count - 1)


cdef bint _write_list(Terms terms, object session, Writer *writer, object value) except -1:
    cdef Py_ssize_t i
    if not _put_byte(writer, EMPTY_LIST) or not _put_byte(writer, MARK):
        return False
    for i in range(PyList_GET_SIZE(value)):
        if not _write(terms, session, writer, <object>PyList_GET_ITEM(value, i)):
            return False
    return _put_byte(writer, APPENDS)


cdef bint _write_dict(Terms terms, object session, Writer *writer, object value) except -1:
    cdef PyObject *key = NULL
    cdef PyObject *item = NULL
    cdef Py_ssize_t position = 0
    if not _put_byte(writer, EMPTY_DICT) or not _put_byte(writer, MARK):
        return False
    while PyDict_Next(value, &position, &key, &item):
        if not _write(terms, session, writer, <object>key):
            return False
        if not _write(terms, session, writer, <object>item):
            return False
    return _put_byte(writer, SET_ITEMS)


cdef bint _write_process(Terms terms, Writer *writer, Process process) except -1:
    cdef Extra extra = process.extra
    if process.hub is not terms.hub or extra is None or extra.abroad_of != terms.mark:
        return False  # not of this node; or this node has yet to remember its name
    return _write_handle(writer, terms.theirs, extra.abroad[0], extra.abroad[1])


cdef bint _write_remote(
    Terms terms, object session, Writer *writer, Remote remote
) except -1:
    if remote.session is not session or remote.tag != PROCESS:
        return False
    return _write_handle(writer, terms.ours, remote.origin, remote.number)


cdef bint _write_handle(
    Writer *writer, bytes head, unsigned long long origin, unsigned long long number
) noexcept:
    return (
        _put(writer, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
        and _put_long(writer, origin, False) and _put_long(writer, number, False)
        and _put_byte(writer, TUPLE2) and _put_byte(writer, REDUCE)
    )


# Reading. The same; and what is read stays with the reader, who owns it.

cdef inline unsigned long long _number(const unsigned char *at, int size) noexcept:
    cdef unsigned long long number = 0
    cdef int i
    for i in range(size):
        number |= <unsigned long long>at[i] << (8 * i)
    return number


cdef inline bint _push(Reader *reader, object value) noexcept:
    if reader.items == MOST_ITEMS:
        return False
    Py_INCREF(value)  # owned by the reader, from now on
    reader.item[reader.items] = <PyObject *>value
    reader.items += 1
    return True


cdef bint _read(Terms terms, object session, Reader *reader) except -1:
    cdef int opcode
    while reader.at < reader.end:
        opcode = reader.at[0]
        reader.at += 1
        if not _take(terms, session, reader, opcode):
            return False
    return reader.marks == 0


cdef bint _take(Terms terms, object session, Reader *reader, int opcode) except -1:
    """Read what follows an opcode, and do what that says."""
    if opcode == TEXT1:
        return _read_text(terms, session, reader)
    if opcode == INT1:
        return _read_int(reader, 1)
    if TUPLE1 <= opcode <= TUPLE3:
        return _tie(reader, reader.items - (opcode - TUPLE1 + 1))
    if opcode == INT2:
        return _read_int(reader, 2)
    if opcode == INT4:
        return _read_int(reader, 4)
    if opcode == INT:
        return _read_long(reader)
    if opcode == NONE:
        return _push(reader, None)
    if opcode == TRUE:
        return _push(reader, True)
    if opcode == FALSE:
        return _push(reader, False)
    if opcode == FLOAT:
        return _read_float(reader)
    if opcode == BYTES1:
        return _read_bytes(reader, 1, False)
    if opcode == BYTES4:
        return _read_bytes(reader, 4, False)
    if opcode == TEXT4:
        return _read_bytes(reader, 4, True)
    if opcode == EMPTY_TUPLE:
        return _push(reader, ())
    if opcode == EMPTY_LIST:
        return _push(reader, [])
    if opcode == EMPTY_DICT:
        return _push(reader, {})
    if opcode == MARK:
        return _set_mark(reader)
    if opcode == TUPLE or opcode == APPENDS or opcode == SET_ITEMS:
        if reader.marks == 0:
            return False
        reader.marks -= 1
        if opcode == TUPLE:
            return _tie(reader, reader.mark[reader.marks])
        if opcode == APPENDS:
            return _append(reader, reader.mark[reader.marks])
        return _set_items(reader, reader.mark[reader.marks])
    return False


cdef bint _set_mark(Reader *reader) noexcept:
    if reader.marks == MOST_INSIDE:
        return False
    reader.mark[reader.marks] = reader.items
    reader.marks += 1
    return True


cdef bint _read_int(Reader *reader, int size) except -1:
    cdef long long number
    if reader.end - reader.at < size:
        return False
    number = <long long>_number(reader.at, size)
    if size == 4 and number >= 0x80000000:
        number -= 0x100000000
    reader.at += size
    return _push(reader, number)


cdef bint _read_long(Reader *reader) except -1:
    """Read a number as `_put_long` writes it."""
    cdef unsigned long long number
    cdef int sign
    if reader.end - reader.at < 10 or reader.at[0] != 9:
        return False
    number = _number(reader.at + 1, 8)
    sign = reader.at[9]
    reader.at += 10
    if sign == 0:
        return _push(reader, number)
    if sign == 255 and <long long>number < 0:
        return _push(reader, <long long>number)
    return False


cdef bint _read_float(Reader *reader) except -1:
    cdef unsigned long long bits = 0
    cdef double number
    cdef int i
    if reader.end - reader.at < 8:
        return False
    for i in range(8):
        bits = bits << 8 | reader.at[i]
    memcpy(&number, &bits, 8)
    reader.at += 8
    return _push(reader, number)


cdef bint _read_bytes(Reader *reader, int size, bint is_text) except -1:
    cdef unsigned long long length
    cdef const char *data
    if reader.end - reader.at < size:
        return False
    length = _number(reader.at, size)
    if length > <unsigned long long>(reader.end - reader.at - size):
        return False
    data = <const char *>reader.at + size
    reader.at += size + length
    if is_text:
        try:
            return _push(reader, PyUnicode_DecodeUTF8(<char *>data, length, NULL))
        except UnicodeDecodeError:
            return False
    return _push(reader, PyBytes_FromStringAndSize(<char *>data, length))


cdef bint _read_text(Terms terms, object session, Reader *reader) except -1:
    """Read a text; or a process, which begins with one."""
    if _begins(reader, terms.theirs):
        return _read_handle(terms, session, reader, terms.theirs, True)
    if _begins(reader, terms.ours):
        return _read_handle(terms, session, reader, terms.ours, False)
    return _read_bytes(reader, 1, True)


cdef inline bint _begins(Reader *reader, bytes head) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head)
    return (
        reader.end - reader.at >= size - 1 + HANDLE
        and memcmp(reader.at - 1, PyBytes_AS_STRING(head), size) == 0
    )


cdef bint _read_handle(
    Terms terms, object session, Reader *reader, bytes head, bint is_theirs
) except -1:
    cdef const unsigned char *at = reader.at - 1 + PyBytes_GET_SIZE(head)
    cdef unsigned long long origin, number
    if at[0] != INT or at[1] != 9 or at[10] or at[11] != INT or at[12] != 9 or at[21]:
        return False
    if at[22] != TUPLE2 or at[23] != REDUCE:
        return False
    origin = _number(at + 2, 8)
    number = _number(at + 13, 8)
    reader.at = at + HANDLE
    if is_theirs:
        return _push(reader, session.find_process(origin, number))
    return _push(reader, session.own_process(origin, number))


cdef inline bint _is_inside(Reader *reader, int first) noexcept:
    """Tell whether the items from `first` on belong to the container that is read."""
    return first >= 0 and (reader.marks == 0 or first >= reader.mark[reader.marks - 1])


cdef int _drop(Reader *reader, int first) noexcept:
    """Forget the items from `first` on, which their container has."""
    while reader.items > first:
        reader.items -= 1
        Py_XDECREF(reader.item[reader.items])  # owned by the reader
    return 0


cdef bint _tie(Reader *reader, int first) except -1:
    """Make a tuple of the items from `first` on."""
    cdef tuple made
    cdef int i
    if not _is_inside(reader, first):
        return False
    made = PyTuple_New(reader.items - first)
    for i in range(first, reader.items):
        PyTuple_SET_ITEM(made, i - first, <object>reader.item[i])  # which owns it now
    reader.items = first
    return _push(reader, made)


cdef bint _append(Reader *reader, int first) except -1:
    cdef int i
    if not _is_inside(reader, first - 1):
        return False
    if type(<object>reader.item[first - 1]) is not list:
        return False
    for i in range(first, reader.items):
        PyList_Append(<object>reader.item[first - 1], <object>reader.item[i])
    _drop(reader, first)
    return True


cdef bint _set_items(Reader *reader, int first) except -1:
    cdef int i
    if not _is_inside(reader, first - 1) or (reader.items - first) % 2:
        return False
    if type(<object>reader.item[first - 1]) is not dict:
        return False
    for i in range(first, reader.items, 2):
        PyDict_SetItem(
            <object>reader.item[first - 1], <object>reader.item[i], <object>reader.item[i + 1]
        )
    _drop(reader, first)
    return True
