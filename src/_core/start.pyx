"""Start: from a function to a running process. Layer 10."""

import inspect
from collections.abc import Coroutine
from functools import partial
from types import CoroutineType, FunctionType, GeneratorType, MethodType

from cpython.object cimport PyObject

from fastask._core.current cimport current_or_none, current_process, current_scheduler
from fastask._core.executor cimport check_executor
from fastask._core.names cimport check_free, register_process
from fastask._core.process cimport DEAD, Process
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport kill_later, link_processes, monitor_process
from fastask._core.wait cimport Wait
from fastask._core.wheel cimport duration_of

from fastask._core.errors import ExitSignal
from fastask._core.executor import call_plain

cdef extern from "Python.h":
    ctypedef struct PyCodeObject:
        int co_flags
    PyObject *PyFunction_GET_CODE(object function)

cdef enum:
    CO_GENERATOR = 0x20
    CO_COROUTINE = 0x80
    CO_ITERABLE_COROUTINE = 0x100
    CO_ASYNC_GENERATOR = 0x200

# What the hot path compares with, as C variables.
cdef object _CoroutineType = CoroutineType
cdef object _FunctionType = FunctionType
cdef object _MethodType = MethodType
cdef object _partial = partial


cdef bint is_async(object fn) except -1:
    """Tell whether calling `fn` makes a coroutine; raise when it cannot be run."""
    cdef int flags
    cdef object inner = fn
    while type(inner) is _partial:
        inner = inner.func
    if type(inner) is _MethodType:
        inner = inner.__func__
    if type(inner) is _FunctionType:
        flags = (<PyCodeObject *>PyFunction_GET_CODE(inner)).co_flags
        if flags & CO_ASYNC_GENERATOR:
            raise TypeError(f"fn must not be an asynchronous generator, got {fn!r}")
        if flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE):
            return True
        return getattr(inner, "__fastask_wait__", False)
    if not callable(inner):
        raise TypeError(
            f"fn must be an async function, a plain function or a coroutine, got {fn!r}"
        )
    if getattr(inner, "__fastask_wait__", False):
        return True
    return inspect.iscoroutinefunction(inner) or (
        not isinstance(inner, type)
        and inspect.iscoroutinefunction(getattr(inner, "__call__", None))
    )


cdef inline bint _is_wait(object fn):
    if type(fn) is _FunctionType:
        if (<PyCodeObject *>PyFunction_GET_CODE(fn)).co_flags & CO_COROUTINE:
            return False
    return getattr(fn, "__fastask_wait__", False)


async def _waiting(fn, args):
    # A verb of ours that waits, `sleep` say: called in the process that is to wait.
    return await fn(*args)


cdef inline bint _is_coroutine(object fn):
    if type(fn) is _FunctionType or type(fn) is _MethodType:
        return False  # asking the ABC takes longer than starting a process
    return type(fn) is _CoroutineType or (
        isinstance(fn, Coroutine) and not isinstance(fn, Wait)
    )


cdef int _check_given(Scheduler scheduler, object coroutine, tuple args) except -1:
    """Raise what is wrong with a coroutine object that was handed in."""
    if args:
        if coroutine not in scheduler.given:
            coroutine.close()
        raise TypeError(
            f"fn must be a function where it is given arguments, got {coroutine!r} "
            f"with {args!r}"
        )
    if coroutine in scheduler.given:
        raise ValueError(f"coroutine must not run in another process: {coroutine!r}")
    if type(coroutine) is _CoroutineType and (
        inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED
    ):
        raise ValueError(f"coroutine must not have been started, got {coroutine!r}")
    return 0


cdef Process start_process(
    Scheduler scheduler, object fn, tuple args, object executor, Process parent
):
    """Make a process that runs `fn(*args)`; nothing is left when that fails."""
    cdef object coroutine
    cdef Process process
    if scheduler.ended:
        if _is_coroutine(fn):
            fn.close()
        raise RuntimeError("the event loop is ending: it starts no process any more")
    if _is_coroutine(fn):
        _check_given(scheduler, fn, args)
        if executor is not None:
            fn.close()
            check_executor(executor, fn)
            raise TypeError(f"executor must be None for a coroutine, got {executor!r}")
        scheduler.given.add(fn)
        try:
            process = scheduler.spawn(fn, fn, parent)
        except BaseException:  # raised again
            scheduler.given.discard(fn)
            raise
        process.given = True
        return process
    if is_async(fn):
        if executor is not None:
            check_executor(executor, fn)
            raise TypeError(
                f"executor must be None for an async function, got {executor!r}"
            )
        coroutine = _waiting(fn, args) if _is_wait(fn) else fn(*args)
        if type(coroutine) is _CoroutineType:
            pass
        elif not _is_coroutine(coroutine):
            if not isinstance(coroutine, GeneratorType):
                raise TypeError(f"fn must return a coroutine, got {coroutine!r}")
    else:
        check_executor(executor, fn)
        coroutine = call_plain(scheduler, fn, args, executor)
    return scheduler.spawn(coroutine, fn, parent)


cdef Process caller_for(object fn):
    """Return the running process; a coroutine object is closed where there is none."""
    cdef Process me
    try:
        me = current_process()
        if me.life == DEAD:  # an adopted task that swallowed its end
            raise ExitSignal(me.reason)
        return me
    except BaseException:  # raised again
        discard(fn)
        raise


cdef int discard(object fn) except -1:
    # A coroutine object that is refused would warn that it was never awaited.
    if type(fn) is _CoroutineType and fn.cr_frame is not None and not fn.cr_running:
        if inspect.getcoroutinestate(fn) == inspect.CORO_CREATED:
            fn.close()
    return 0


cdef Process _spawn(object fn, tuple args, object name, object trap_exit, object grace):
    cdef Scheduler scheduler = None
    cdef Process process
    cdef double seconds = -1.0
    try:
        scheduler = current_scheduler()
        if trap_exit is not True and trap_exit is not False:
            raise TypeError(f"trap_exit must be True or False, got {trap_exit!r}")
        if grace is not None:
            seconds = duration_of("grace", grace)
        if name is not None:
            check_free(scheduler, name)
    except BaseException:  # raised again
        if scheduler is None or not _is_coroutine(fn) or fn not in scheduler.given:
            discard(fn)
        raise
    process = start_process(scheduler, fn, args, None, current_or_none())
    try:
        if name is not None:
            register_process(process, name)
        if grace is not None:
            process.extras().grace = seconds
    except BaseException:  # raised again
        undo(process)
        raise
    if trap_exit is True:
        process.traps = True
    return process


cdef int undo(Process process) except -1:
    """End a process, silently, whose start is incomplete; it has not run."""
    process.reported = True
    return kill_later(process)


cdef int start_linked(Process me, Process process) except -1:
    """Link a process that was just started; it does not stay when that fails."""
    try:
        return link_processes(me, process)
    except BaseException:  # raised again
        undo(process)
        raise


def spawn(fn, *args, name=None, trap_exit=False, grace=None):
    """Start a process that runs `fn(*args)`; it runs when the caller waits next.

    The process is tied to nobody. When it crashes and nobody awaits, links or monitors
    it, the crash is logged at once.

    Args:
        fn: An async function, a plain function (it runs in a worker thread) or a
            coroutine object.
        args: Positional arguments of `fn`; keyword arguments by `functools.partial`.
        name: Registered for the process before it runs.
        trap_exit: Whether exit signals reach it as `Exited` messages.
        grace: Seconds that it may await foreign futures while an exit signal unwinds
            it; None for what `run` says (5.0).

    Returns:
        The process.

    Raises:
        NameTakenError: If the name is taken.
        TypeError: If `fn` cannot be run or called so.
        ValueError: If `grace` is negative or the coroutine was started before.
        RuntimeError: If no event loop is running.

    Example:
        ```python
        import fastask

        async def child(parent: fastask.Process) -> None:
            fastask.send(parent, "hello")

        async def main() -> None:
            fastask.spawn(child, fastask.self_())
            assert await fastask.receive() == "hello"

        fastask.run(main)
        ```

    Elixir: `spawn/1`.
    """
    return _spawn(fn, args, name, trap_exit, grace)


def spawn_link(fn, *args, name=None, trap_exit=False, grace=None):
    """Start a process that is linked to the caller; see `spawn`.

    There is no moment at which it could end unlinked. When either of the two ends
    abnormally, the other one gets an exit signal.

    Elixir: `spawn_link/1`.
    """
    cdef Process me = caller_for(fn)
    cdef Process process = _spawn(fn, args, name, trap_exit, grace)
    start_linked(me, process)
    return process


def spawn_monitor(fn, *args, name=None, trap_exit=False, grace=None):
    """Start a process that the caller monitors; see `spawn`.

    Returns:
        The process and the ref with which `Down` will come, with the real reason.

    Elixir: `spawn_monitor/1`.
    """
    cdef Process me = caller_for(fn)
    cdef Process process = _spawn(fn, args, name, trap_exit, grace)
    try:
        return process, monitor_process(me, process, None, 0)
    except BaseException:  # raised again
        undo(process)
        raise


def start_root(Scheduler scheduler, fn, *args):
    """Start the process that `run` runs; nobody is its parent."""
    return start_process(scheduler, fn, args, None, None)


def check_function(fn):
    """Raise where `fn` cannot be run as a process, or only once."""
    if _is_coroutine(fn):
        raise TypeError(f"fn must be a function, got the coroutine {fn!r}")
    is_async(fn)


def check_many(argument, value, what):
    """Raise where `value` is no iterable of many; what can be awaited is one thing.

    A task, a process and a future can be iterated, as asyncio wants it, but have no end.
    """
    if (
        not (hasattr(value, "__iter__") or hasattr(value, "__getitem__"))
        or hasattr(value, "__await__")
        or isinstance(value, (str, bytes))
    ):
        raise TypeError(f"{argument} must be an iterable of {what}, got {value!r}")


def check_seconds(argument, seconds):
    """Raise where `seconds` is no number of seconds >= 0."""
    duration_of(argument, seconds)
