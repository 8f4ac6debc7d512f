cdef enum:              # as `fastask._nodes.wire` has them
    MAGIC = 0xFA57
    VERSION = 1
    CONTROL = 1         # the flag of a frame that needs no credit
    HEAD = 24           # bytes
    HEADER = 32
    LEAST_KIND = 1
    MOST_KIND = 22
    SEND = 8            # the kind of a plain message


cdef struct Head:
    # What a frame begins with.
    unsigned int flags
    unsigned int count              # of its messages
    unsigned long long mark         # of the node that sent it
    unsigned long long seq


cdef struct Header:
    # What a message begins with.
    unsigned int kind
    unsigned int flags
    Py_ssize_t size                 # of what follows
    unsigned long long serial
    unsigned long long number
    unsigned long long origin


cdef void put_head(
    char *room, int flags, unsigned int count, unsigned long long mark, unsigned long long seq
) noexcept
cdef void put_header(
    char *room, int kind, int flags, unsigned int size, unsigned long long serial,
    unsigned long long number, unsigned long long origin,
) noexcept
cdef bint is_simple(const char *data, Py_ssize_t size, Head *head) noexcept
cdef void get_header(const char *data, Header *header) noexcept
