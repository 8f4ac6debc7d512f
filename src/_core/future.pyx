"""Future: what a process awaits that is no wait of ours. Layer 3.

A future of asyncio, another process, or whatever does as a future: it tells the process
by a callback that it is done. Nothing here steps a process.
"""

import asyncio
from types import GetSetDescriptorType

from fastask._core.hub cimport Hub
from fastask._core.process cimport DEAD, DOOMED, Process

cdef extern from *:
    """
    /* Attributes of a type of C, without looking for them by name each time. */
    static PyObject *fastask_read(PyObject *descriptor, PyObject *object) {
        return Py_TYPE(descriptor)->tp_descr_get(
            descriptor, object, (PyObject *)Py_TYPE(object));
    }
    static int fastask_write(PyObject *descriptor, PyObject *object, PyObject *value) {
        return Py_TYPE(descriptor)->tp_descr_set(descriptor, object, value);
    }
    """
    object read "fastask_read"(object descriptor, object thing)
    int write "fastask_write"(object descriptor, object thing, object value) except -1

cdef object _Future = asyncio.Future
cdef object _future_loop = vars(_Future)["_loop"]
cdef object _future_blocking = vars(_Future).get("_asyncio_future_blocking")
cdef object _add_done_callback = vars(_Future)["add_done_callback"]
if type(_future_loop) is not GetSetDescriptorType:
    _Future = None  # asyncio runs without its part in C
cdef object _wakeup = vars(Process)["_wakeup"]


cdef int await_future(Hub hub, Process process, object future) except -1:
    """Have a process of `hub` wait for what it yielded; refuse what is no future."""
    cdef object blocking
    if type(future) is _Future and _await_quickly(hub, process, future):
        return 0
    if isinstance(future, Process) and _await_process(process, <Process>future):
        return 0
    blocking = getattr(future, "_asyncio_future_blocking", None)
    if blocking is None:
        return refuse_yield(process, f"Task got bad yield: {future!r}")
    try:
        loop = _loop_of(future)
    except Exception as error:
        return refuse_yield(process, f"bad yield: {future!r}: {error!r}")
    if loop is not hub.loop:
        return refuse_yield(
            process, f"Task {process!r} got Future {future!r} attached to a different loop"
        )
    if not blocking:
        return refuse_yield(
            process, f"yield was used instead of yield from in {process!r} with {future!r}"
        )
    if future is process:
        return refuse_yield(process, f"Task cannot await on itself: {process!r}")
    future._asyncio_future_blocking = False
    future.add_done_callback(process._wakeup, context=hub.context)
    return _now_awaits(process, future)


cdef bint _await_quickly(Hub hub, Process process, object future) except -1:
    """Do as `await_future` for a future of C, if there is nothing wrong with it."""
    if read(_future_loop, future) is not hub.loop:
        return False
    if read(_future_blocking, future) is not True:
        return False
    write(_future_blocking, future, False)
    _add_done_callback(future, read(_wakeup, process), context=hub.context)
    _now_awaits(process, future)
    return True


cdef bint _await_process(Process process, Process other) except -1:
    """Await a process of the same loop, if there is nothing wrong with that."""
    if other.hub is not process.hub or other is process or other.life == DEAD:
        return False
    if not other._asyncio_future_blocking:
        return False
    other._asyncio_future_blocking = False
    other.join_by(process)
    _now_awaits(process, other)
    return True


cdef int _now_awaits(Process process, object future) except -1:
    cdef object message = None
    process.awaited = future
    if process.must_cancel:
        if process.extra is not None:
            message = process.extra.cancel_message
        if future.cancel(message):
            process.must_cancel = False
    if process.fate == DOOMED:
        process.wake()
    return 0


cdef int refuse_yield(Process process, str message) except -1:
    """Raise an error where the process yielded what nobody can wait for."""
    process.outcome = RuntimeError(message)
    process.must_throw = True
    return process.wake()


cdef int detach_future(Process process) except -1:
    """Cancel what a process awaits, and do not wait for that."""
    cdef object future = process.awaited
    process.awaited = None
    try:
        if isinstance(future, Process):
            (<Process>future).leave_to(process)
        future.remove_done_callback(process._wakeup)
        future.cancel()
    except Exception:  # whatever a foreign future does, the process goes on
        pass
    return 0


cdef object _loop_of(object future):
    try:
        return future.get_loop()
    except AttributeError:  # as asyncio has it
        return future._loop
