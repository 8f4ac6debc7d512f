"""Frame: how frames of one buffer and the messages in them lie in memory. Layer 0.

`fastask._nodes.wire` tells what the fields are, and reads whatever is not as simple as
this, or wrong.
"""


cdef inline unsigned long long _get(const char *data, int size) noexcept:
    cdef unsigned long long number = 0
    cdef int i
    for i in range(size):  # the lowest byte first
        number |= <unsigned long long>(<unsigned char>data[i]) << (8 * i)
    return number


cdef inline void _put(char *room, unsigned long long number, int size) noexcept:
    cdef int i
    for i in range(size):
        room[i] = <char>(number >> (8 * i) & 255)


cdef void put_head(
    char *room, int flags, unsigned int count, unsigned long long mark, unsigned long long seq
) noexcept:
    _put(room, MAGIC, 2)
    room[2] = VERSION
    room[3] = <char>flags
    _put(room + 4, count, 4)
    _put(room + 8, mark, 8)
    _put(room + 16, seq, 8)


cdef void put_header(
    char *room, int kind, int flags, unsigned int size, unsigned long long serial,
    unsigned long long number, unsigned long long origin,
) noexcept:
    """Write the header of a message without buffers of its own."""
    room[0] = <char>kind
    room[1] = <char>flags
    _put(room + 2, 0, 2)
    _put(room + 4, size, 4)
    _put(room + 8, serial, 8)
    _put(room + 16, number, 8)
    _put(room + 24, origin, 8)


cdef void get_header(const char *data, Header *header) noexcept:
    header.kind = <unsigned char>data[0]
    header.flags = <unsigned char>data[1]
    header.size = _get(data + 4, 4)
    header.serial = _get(data + 8, 8)
    header.number = _get(data + 16, 8)
    header.origin = _get(data + 24, 8)


cdef bint is_simple(const char *data, Py_ssize_t size, Head *head) noexcept:
    """Read the head of a frame; tell whether it is right to its last byte.

    False says that it is wrong, or that a message of it has buffers of its own.
    """
    cdef Py_ssize_t position = HEAD
    cdef unsigned long long length
    cdef unsigned int left
    cdef int kind
    if size < HEAD or _get(data, 2) != MAGIC or data[2] != VERSION:
        return False
    head.flags = <unsigned char>data[3]
    head.count = left = <unsigned int>_get(data + 4, 4)
    head.mark = _get(data + 8, 8)
    head.seq = _get(data + 16, 8)
    if head.flags & ~CONTROL:
        return False
    while left > 0:
        if size - position < HEADER:
            return False
        kind = <unsigned char>data[position]
        if not LEAST_KIND <= kind <= MOST_KIND or data[position + 2] or data[position + 3]:
            return False
        length = _get(data + position + 4, 4)
        position += HEADER
        if <unsigned long long>(size - position) < length:
            return False
        position += <Py_ssize_t>length
        left -= 1
    return position == size
