"""Reports: what is logged of a process that crashed unobserved. Layer 3."""

import logging

from fastask._core.process cimport Process, line_members
from fastask._core.process import function_name
from fastask._core.wheel cimport time_of

cdef extern from *:
    """
    static int fastask_frame_goes_on(PyObject *frame) {
        PyObject *generator = PyFrame_GetGenerator((PyFrameObject *)frame);
        int goes_on = generator != NULL && generator != Py_None; /* None: 3.14 */
        Py_XDECREF(generator);
        return goes_on;
    }
    """
    bint fastask_frame_goes_on(object frame)

_LOGGER = logging.getLogger("fastask")


cdef dict crash_record(Process process, bint observed):
    """Return all that a report says, before the process lets go of it."""
    return {
        "process_id": process.id,
        "process_registered_name": process.name,
        "process_label": process.label,
        "process_function": (
            None if process.function is None else function_name(process.function)
        ),
        "process_ancestors": line_members(process.ancestors, False),
        "process_callers": line_members(process.callers, True),
        "process_age": (time_of(process.hub.wheel) - process.born) / 1e9,
        "process_observed": observed,
        "exit_reason": process.reason,
    }


cdef int report_crash(dict record) except -1:
    """Log a crash, once, when it happens: logger `fastask`, level ERROR.

    What the record holds are attributes of the log record too.
    """
    reason = record["exit_reason"]
    crashed = isinstance(reason, BaseException)
    lines = [f"process #{record['process_id']} crashed: {_headline(reason)}"]
    for title, value in (
        ("name", _shown(record["process_registered_name"])),
        ("label", _shown(record["process_label"])),
        ("function", record["process_function"] or "-"),
        ("ancestors", _shown(record["process_ancestors"])),
        ("callers", _shown(record["process_callers"])),
        ("age", f"{record['process_age']:.6f} s"),
    ):
        lines.append(f"    {title}: {value}")
    information = (type(reason), reason, reason.__traceback__) if crashed else None
    _LOGGER.error("%s", "\n".join(lines), exc_info=information, extra=record)
    return 0


cdef int release_frames(object error) except -1:
    """Let go of the local variables that the traceback of a crash keeps alive.

    The lines stay. Frames of generators and coroutines that still go on are left alone:
    an exception may have come through them before it came here.
    """
    cdef set seen = set()
    cdef list errors = [error]
    while errors:
        error = errors.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        errors += (error.__context__, error.__cause__)
        trace = error.__traceback__
        while trace is not None:
            if not fastask_frame_goes_on(trace.tb_frame):
                try:
                    trace.tb_frame.clear()
                except RuntimeError:
                    pass  # it is executing
            trace = trace.tb_next
    return 0


cdef str _headline(object reason):
    if not isinstance(reason, BaseException):
        return f"exit reason {_safe(reason)}"
    try:
        return f"{type(reason).__name__}: {reason}"
    except Exception:  # whatever its __str__ does, the crash is reported
        return type(reason).__name__


cdef str _shown(object value):
    if value is None or (type(value) is list and not value):
        return "-"
    return _safe(value)


cdef str _safe(object value):
    try:
        return repr(value)
    except Exception:  # whatever its __repr__ does, the crash is reported
        return object.__repr__(value)
