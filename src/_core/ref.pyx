"""Ref: a unique token that names a monitor, a task, a timer or an alias. Layer 0."""

import threading

cimport cython

cdef object _here = threading.local()


@cython.final
cdef class Ref:
    """A unique token: equal to itself only, hashable, made by `make_ref` and others.

    A ref tags messages (`receive(ref)` finds them at once) and, as an alias, is a
    destination for `send`. Elixir: `reference`.
    """

    def __cinit__(self):
        self.mode = NO_ALIAS

    def __init__(self):
        raise TypeError("a Ref is made by make_ref(), monitor(), alias() or a task")

    def __repr__(self):
        return f"<Ref {id(self):#x}>"

    def __reduce__(self):
        cdef object exporter = exporter_here()
        if exporter is None:
            raise TypeError("a Ref means nothing outside its event loop: cannot pickle it")
        return exporter.ref(self)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


cdef Ref new_ref():
    return Ref.__new__(Ref)


cdef object exporter_here():
    """Return what names processes and refs for the node that is written to, or None."""
    return getattr(_here, "exporter", None)


def export_by(exporter):
    """Have `exporter` name what is pickled in this thread; return the one before."""
    cdef object before = exporter_here()
    _here.exporter = exporter
    return before


def make_ref():
    """Return a fresh `Ref`, equal to no other.

    Example:
        ```python
        import fastask

        assert fastask.make_ref() != fastask.make_ref()
        ```

    Elixir: `make_ref/0`.
    """
    return new_ref()
