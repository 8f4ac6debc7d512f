"""Outgoing: messages on their way out by a link, gathered into frames. Layer 3.

A frame is one `bytes` with a head, and the long buffers that its messages refer to. It
leaves when the turn is over (I29). What is long, and what has to wait for credit, is
seen to by the class above, in Python.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memcpy

from fastask._core.frame cimport HEAD, HEADER, put_head, put_header
from fastask._core.hub cimport Hub

cdef enum:
    FULL = LONG             # bytes, and
    MANY = 256              # messages, with which a frame leaves at once
    ROOM = 4096             # bytes that are kept for what is gathered


cdef class Outgoing:
    """One direction of a link, while nothing of it is long or has to wait.

    Its subclass has `put_long` for long messages, `wait` for frames that may not leave
    yet, and `pump`, which sends those.
    """

    def __init__(self, Hub hub, mark, Py_ssize_t credit):
        self.hub = hub
        self.mark = mark
        self.seq = 1  # the greeting was number 0
        self.credit = credit
        self.long_ones = []

    def __dealloc__(self):
        PyMem_Free(self.room)

    # Messages.

    def put(
        self, int kind, int flags, serial, number, origin, bytes data, buffers=(), sender=None
    ):
        """Have a message leave soon, after those that `sender` sent before."""
        if self.is_closed:
            return
        if buffers or self.is_ordering or len(data) >= LONG:
            self.put_long(kind, flags, serial, number, origin, data, buffers, sender)
        else:
            self.post(kind, flags, serial, number, origin, data)

    cdef int post(
        self, int kind, int flags, unsigned long long serial, unsigned long long number,
        unsigned long long origin, bytes data,
    ) except -1:
        """Gather a short message."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef char *room
        if self.is_closed:
            return 0
        self.plan()
        room = self.claim(HEADER + size)
        put_header(room, kind, flags, <unsigned int>size, serial, number, origin)
        memcpy(room + HEADER, PyBytes_AS_STRING(data), size)
        return self.gathered(HEADER + size, HEADER + size)

    def put_parts(self, bytes first, list buffers, Py_ssize_t size):
        """Gather a message that refers to buffers, `size` bytes in all."""
        cdef Py_ssize_t written = PyBytes_GET_SIZE(first)
        self.plan()
        memcpy(self.claim(written), PyBytes_AS_STRING(first), written)
        self.long_ones.extend(buffers)
        self.gathered(written, size)

    cdef char *claim(self, Py_ssize_t size) except NULL:
        """Return where so many bytes of a message go; they count when all is written."""
        cdef Py_ssize_t capacity = self.capacity
        cdef char *room
        if size > capacity - self.filled:
            capacity = max(<Py_ssize_t>ROOM, 2 * capacity, self.filled + size)
            room = <char *>PyMem_Realloc(self.room, capacity)
            if room is NULL:
                raise MemoryError
            self.room = room
            self.capacity = capacity
        return self.room + self.filled

    cdef int gathered(self, Py_ssize_t written, Py_ssize_t size) except -1:
        """A message was written; it has `size` bytes with its buffers."""
        self.filled += written
        self.count += 1
        self.size += size
        if (self.size >= FULL or self.count >= MANY) and not self.departing:
            self.flush()
        return 0

    cdef int plan(self) except -1:
        """Have what is gathered leave when the turn is over."""
        if not self.planned:
            self.hub.call_last(self)
            self.planned = True
        elif not self.hub.draining:
            self.hub.arm()  # unless that is still to come (I26)
        return 0

    def schedule(self):
        """Have `flush` called when the turn is over."""
        self.plan()

    # Frames.

    def __call__(self):
        """The turn is over."""
        self.planned = False
        self.flush()

    def flush(self):
        """Make a frame of what was gathered, and send what may be sent."""
        if not self.is_closed:
            self.leave()
            if self.is_waiting:
                self.pump()

    cdef int leave(self) except -1:
        """Make a frame of what was gathered.

        The collector may free a handle wherever an object of its kind is made, and then
        a message is gathered: not so between the copy and the reset.
        """
        cdef list fresh, long_ones
        cdef bytes frame
        cdef Py_ssize_t count, size
        if self.count == 0:
            return 0
        fresh = []
        frame = PyBytes_FromStringAndSize(NULL, HEAD + self.filled)
        memcpy(PyBytes_AS_STRING(frame) + HEAD, self.room, self.filled)
        count = self.count
        size = self.size
        long_ones = self.long_ones
        self.long_ones = fresh
        self.reset()
        if self.credit > 0 and not self.is_waiting and self.link is not None:
            self.credit -= size
            return self.depart(frame, long_ones, count, 0)
        self.wait(frame, long_ones, count, size)
        return 0

    cdef void reset(self) noexcept:
        self.filled = self.count = self.size = 0
        if self.capacity > ROOM:
            PyMem_Free(self.room)
            self.room = NULL
            self.capacity = 0

    def forget(self):
        """Let go of what was gathered."""
        self.reset()
        self.long_ones = []

    cdef int depart(self, bytes frame, list long_ones, Py_ssize_t count, int flags) except -1:
        """Send a frame, whose head is written now; nobody else has seen it.

        What the collector has to say meanwhile must not overtake it.
        """
        cdef bint departing = self.departing
        cdef list parts = [frame]
        if long_ones:
            parts += long_ones
        self.departing = True
        try:
            put_head(
                PyBytes_AS_STRING(frame), flags, <unsigned int>count, self.mark, self.seq
            )
            self.seq += 1
            self.link.send(parts)
        finally:
            self.departing = departing
        return 0

    def send(self, bytes messages, list buffers, Py_ssize_t count, int flags):
        """Send some messages and their buffers as a frame."""
        cdef bytes frame = PyBytes_FromStringAndSize(NULL, HEAD + len(messages))
        memcpy(
            PyBytes_AS_STRING(frame) + HEAD, PyBytes_AS_STRING(messages), len(messages)
        )
        self.depart(frame, buffers, count, flags)

    def send_waiting(self, bytes frame, list buffers, Py_ssize_t count):
        """Send a frame that `wait` was given."""
        self.depart(frame, buffers, count, 0)
