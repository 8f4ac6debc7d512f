"""Framer: cuts a stream of bytes into frames, and writes frames to it. Layer 3.

A frame is written as the number of its buffers, their lengths, and what is in them.
Small frames of one buffer are seen to here, and all others by the class above.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from fastask._core.hub cimport Hub  # no-cython-lint: for its Py_DECREF

cdef enum:
    PREFIX = 12             # bytes: 1, as 4 of them, and the length of the one buffer
    SMALL = 64 * 1024       # bytes up to which a buffer is copied


cdef class Framer:
    """A protocol of asyncio; its subclass is the link.

    That has `send_parts` and `collect` for all other frames, and `fail`.
    """

    def send(self, frame):
        """Send a frame; does nothing once closed."""
        cdef bytes written
        cdef Py_ssize_t size
        cdef char *room
        cdef int i
        if self.transport is None or self.transport.is_closing():
            return
        if len(frame) == 1 and type(frame[0]) is bytes:
            size = PyBytes_GET_SIZE(frame[0])
            if size <= SMALL:
                written = PyBytes_FromStringAndSize(NULL, PREFIX + size)
                room = PyBytes_AS_STRING(written)
                for i in range(PREFIX):
                    room[i] = 0
                room[0] = 1
                for i in range(4):  # the lowest first; it has no more than these
                    room[4 + i] = <char>(size >> (8 * i) & 255)
                memcpy(room + PREFIX, PyBytes_AS_STRING(frame[0]), size)
                self.transport.write(written)
                return
        self.send_parts(frame)

    def data_received(self, data):
        """Take some bytes; whole frames go to the receiver."""
        cdef Py_ssize_t position = 0
        try:
            if not self.is_partial and type(data) is bytes:
                position = self.cut(<bytes>data)
                if position == len(data) or self.transport.is_closing():
                    return
            self.collect(memoryview(data)[position:] if position else data)
        except Exception as error:  # of the receiver, or no frame: the link's end
            self.fail(error)

    cdef Py_ssize_t cut(self, bytes data) except -1:
        """Bring the small frames that stand first; return where the rest begins."""
        cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(data)
        cdef Py_ssize_t position = 0
        cdef Py_ssize_t left = PyBytes_GET_SIZE(data)
        cdef unsigned long long size
        cdef int i
        while left >= PREFIX:
            if at[0] != 1 or at[1] or at[2] or at[3]:
                break
            size = 0
            for i in range(8):
                size |= <unsigned long long>at[4 + i] << (8 * i)
            if size > SMALL or <Py_ssize_t>size > left - PREFIX:
                break
            position += PREFIX + <Py_ssize_t>size
            left -= PREFIX + <Py_ssize_t>size
            frame = PyBytes_FromStringAndSize(<char *>at + PREFIX, <Py_ssize_t>size)
            at += PREFIX + size
            self.receiver.received([frame])
            if left and self.transport.is_closing():
                break
        return position
