"""Traffic: what goes over a link between two nodes. Layer 14.

A message to a process, of what `term` can write, goes from one mailbox to the other
without a step in Python. The class above, a session, does whatever is left: what this
does not know, and what is wrong.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from fastask._core.current cimport current_or_none
from fastask._core.frame cimport CONTROL, HEAD, HEADER, SEND, Head, Header, get_header, is_simple
from fastask._core.hub cimport Hub  # no-cython-lint: for its Py_DECREF
from fastask._core.outgoing cimport LONG, Outgoing
from fastask._core.process cimport Process
from fastask._core.remote cimport NAME, PROCESS, Remote
from fastask._core.scheduler cimport scheduler_of
from fastask._core.signal cimport deliver
from fastask._core.term cimport OTHER, Terms

cdef enum:
    TAG = 15                # the bits of the flags that say what a number means
    TAKEN = 256 * 1024      # bytes after which the other side is told of them


cdef class Traffic:
    """Sends and takes what is simple; made by its subclass, a session.

    That has `take`, of a frame, and `heed`, of a message, for the rest; `pickle` and
    `unpickle` for values; `give_back` for credit; `was_not_delivered` and `close`.
    """

    def __init__(self, loop, own_mark, mark, bytes theirs, bytes ours, Outgoing outbox):
        self.hub = scheduler_of(loop)
        self.terms = Terms(self.hub, own_mark, theirs, ours)
        self.exports = self.hub.exported
        self.outbox = outbox
        self.mark = mark
        self.expected = 1  # the greeting was number 0

    # What this node says.

    def message(self, Remote remote, message):
        """Send a message to a process, a name or a ref."""
        cdef Outgoing outbox = self.outbox
        cdef object data
        cdef object buffers = ()
        if remote.tag == NAME:
            message = remote.meant, message
        data = self.terms.write(self, message)
        if data is None:
            data, buffers = self.pickle(message, "message")
        if buffers or outbox.is_ordering or len(data) >= LONG:
            outbox.put(
                SEND, remote.tag, 0, remote.number, remote.origin, data, buffers,
                current_or_none(),
            )
        else:
            outbox.post(SEND, remote.tag, 0, remote.number, remote.origin, <bytes>data)

    def write(self, value):
        """Return a value as bytes, or None where that takes pickle."""
        return self.terms.write(self, value)

    # What the other node says.

    def received(self, frame):
        """Take a frame; whom it wakes has its turn before this returns.

        An interrupt, or the exit of a program, is raised by the loop: what brings the
        frame would take it for an error of the link.
        """
        try:
            self.hub.call_in_turn(self._take, frame)
        except (KeyboardInterrupt, SystemExit) as error:  # raised by the loop
            self.hub.loop.call_soon(_raise, error)

    def _take(self, list frame):
        try:
            if len(frame) != 1 or type(frame[0]) is not bytes:
                self.take(frame)
            elif not self.take_simple(<bytes>frame[0]):
                self.take(frame)
        except (KeyboardInterrupt, SystemExit):  # raised again
            self.close("an interrupt hit what it brought")  # the rest of that is lost
            raise

    cdef bint take_simple(self, bytes frame) except -1:
        """Take a frame of one buffer; False: there is more to it, and nothing is done."""
        cdef Head head
        cdef Py_ssize_t position = HEAD
        cdef Py_ssize_t size = PyBytes_GET_SIZE(frame)
        cdef const char *data = PyBytes_AS_STRING(frame)
        if not is_simple(data, size, &head):
            return False
        if head.mark != self.mark:
            return True  # of an incarnation that is no more
        if head.seq != self.expected:
            return False
        self.expected += 1
        while position < size and not self.is_closed:
            position += self.take_message(frame, position)
        if not head.flags & CONTROL:
            self.count_taken(size)
        return True

    def count_taken(self, Py_ssize_t size):
        """Give credit back, now and then, for what was taken."""
        self.taken += size
        if self.taken >= TAKEN and not self.is_closed:
            self.give_back(self.taken)
            self.taken = 0

    cdef Py_ssize_t take_message(self, bytes frame, Py_ssize_t position) except -1:
        """Do what the message at a place says; return how long it is."""
        cdef const char *data = PyBytes_AS_STRING(frame) + position
        cdef Header header
        get_header(data, &header)
        data += HEADER
        if header.kind == SEND and header.flags & TAG == PROCESS:
            if self.deliver_here(
                header.origin, header.number, <const unsigned char *>data, header.size
            ):
                return HEADER + header.size
        self.heed((
            header.kind, header.flags, header.serial, header.number, header.origin,
            PyBytes_FromStringAndSize(<char *>data, header.size), (),
        ))
        return HEADER + header.size

    cdef bint deliver_here(
        self, unsigned long long origin, unsigned long long number,
        const unsigned char *data, Py_ssize_t size,
    ) except -1:
        """Deliver a message to a process; False: there is none, or none yet."""
        cdef object process = self.exports.get((origin, number))
        cdef object value
        if process is None:
            return False
        try:
            value = self.terms.read(self, data, size)
            if value is OTHER:
                value = self.unpickle(PyBytes_FromStringAndSize(<char *>data, size), ())
            deliver(<Process>process, value)
        except Exception:  # whatever a user's class raises
            self.was_not_delivered()
        return True

    def load(self, data, buffers):
        """Read a value."""
        cdef object value
        if type(data) is bytes and not buffers:
            value = self.terms.read(
                self, <const unsigned char *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
            )
            if value is not OTHER:
                return value
        return self.unpickle(data, buffers)


def _raise(error):
    raise error
