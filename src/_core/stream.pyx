"""Stream: a function over many items, a bounded number at a time. Layer 15.

A stream is a description. Each iteration is a run in the process that iterates: it
fills its slots from the input, waits, delivers one outcome, refills. A slot is the bond
to the process of one item; what it becomes never touches the consumer's mailbox.
"""

import inspect
from importlib import import_module
from types import GenericAlias

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF, Py_REFCNT

from fastask._core.bond cimport LINK, MONITOR, PRIVATE, Bond, attach, bonds_of
from fastask._core.children cimport Children
from fastask._core.current cimport current_process, runs_here
from fastask._core.executor cimport check_executor
from fastask._core.mailbox cimport Letter
from fastask._core.message cimport new_failed, new_ok
from fastask._core.pool cimport keep_memory
from fastask._core.process cimport DEAD, FREE, REMOTE, Process, line_of
from fastask._core.scheduler cimport Scheduler
from fastask._core.signal cimport doom, exit_by_link, kill_later, lose
from fastask._core.start cimport is_async, start_process
from fastask._core.wait cimport FINISHED, FRESH, PARKED, Wait
from fastask._core.wheel cimport IDLE, limit_of, time_of

from fastask._core.errors import ExitSignal, TaskTimeoutError
from fastask._core.reason import KILLED, NORMAL, TIMEOUT
from fastask._core.start import check_many
from fastask._core.thread import cpu_count

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX

cdef object _KILLED = KILLED
cdef object _NORMAL = NORMAL
cdef object _TIMEOUT = TIMEOUT
cdef tuple _ON_TIMEOUT = ("exit", "kill_task")


@cython.final
cdef class Slot(Bond):
    """The process of one item, linked to the consumer."""

    cdef int fire(self) except -1:
        # I13: the time of a task is from its start, whatever the consumer does.
        self.late = True
        return self.target.hub.kill(self.target, _KILLED)

    cdef int exited(self, Process dead, Process survivor, object reason) except -1:
        if dead is self.watcher:
            if self.slot != IDLE:
                survivor.hub.wheel.remove(self)
            if survivor.life == REMOTE:
                return exit_by_link(survivor, dead, reason)  # its node does the rest
            if reason is not _NORMAL and not survivor.traps:
                return exit_by_link(survivor, dead, reason)
            return kill_later(survivor)
        if self.late or survivor.traps or self.run.closed or not self.run.stream.links:
            return 0  # the consumer learns it as an element
        return exit_by_link(survivor, dead, reason)

    cdef int down(self, object reason) except -1:
        if self.slot != IDLE:
            self.target.hub.wheel.remove(self)
        if self.target.returned:
            self.outcome = new_ok(self.target.outcome)
        else:
            reason = _TIMEOUT if self.late else reason
            self.outcome = new_failed(
                (self.item, reason) if self.run.stream.zips else reason
            )
        self.item = None
        return self.run.finish(self)


@cython.final
cdef class Run:
    """One iteration of a stream."""

    cdef int begin(self, Process consumer) except -1:
        """Bind the run to the process that iterates, and open the input."""
        cdef Stream stream = self.stream
        self.consumer = consumer
        self.free = stream.max_concurrency
        if stream.ordered:
            self.early = {}
        if stream.supervisor is not None:
            children = stream.supervisor()
            if type(children) is Children:
                self.children = <Children>children
            else:
                self.abroad = children
        if self.source_is_async:
            self.source = stream.iterable.__aiter__()
        else:
            self.source = iter(stream.iterable)
        if stream.progress is not None:
            self._begin_progress()
        return 0

    def _begin_progress(self):
        try:
            total = len(self.stream.iterable)
        except TypeError:
            total = None
        if self.stream.progress is True:
            self.bar = import_module("tqdm").tqdm(total=total)
            self.report = lambda done: self.bar.update(1)
        else:
            progress = self.stream.progress
            self.report = lambda done: progress(done, total)

    cdef int pull_one(self) except -1:
        """Start a task for the next item: 1; 0 when the input makes us wait or ended."""
        cdef object item
        if not self.source_is_async:
            try:
                item = next(self.source)
            except StopIteration:
                self.exhausted = True
                return 0
            return self.start(item)
        if self.pull_future is not None:
            if not self.pull_future.done():
                return 0
            self.pull_future = None
        self.spinning = False
        self.inner = None
        if self.pull is None:
            self.pull = self.source.__anext__().__await__()
        try:
            wanted = self.pull.send(None)
        except StopIteration as stop:
            self.pull = None
            return self.start(stop.value)
        except StopAsyncIteration:
            self.pull = None
            self.exhausted = True
            return 0
        except BaseException:  # raised again
            self.pull = None
            raise
        self._wait_for(wanted)
        return 0

    def throw_into_source(self, error):
        """Raise in the source where it awaits, as plain `async for` would."""
        future, self.pull_future = self.pull_future, None
        if future is not None:
            future.remove_done_callback(self._source_ready)
            future.cancel()
        try:
            wanted = self.pull.throw(error)
        except StopIteration as stop:
            self.pull = None
            self.start(stop.value)
        except StopAsyncIteration:
            self.pull = None
            self.exhausted = True
        except BaseException:  # raised again
            self.pull = None
            raise
        else:
            self._wait_for(wanted)

    def _wait_for(self, wanted):
        # What the source awaits must rouse us, but so must a task that finishes.
        cdef Process consumer = self.consumer
        if isinstance(consumer.parked, Wait) and consumer.parked is not self.wait:
            self.inner = <Wait>consumer.parked
        if wanted is None or wanted is consumer.hub:
            self.spinning = True
        elif not isinstance(wanted, Wait):
            wanted._asyncio_future_blocking = False
            wanted.add_done_callback(self._source_ready, context=consumer.own_context())
            self.pull_future = wanted

    def _source_ready(self, future):
        if self.wait is not None:
            self.wait.rouse()

    cdef int start(self, object item) except -1:
        """Start the task of an item in a free slot; return 1."""
        cdef Process consumer = self.consumer
        cdef Stream stream = self.stream
        cdef tuple args = (item, *stream.args) if stream.args else (item,)
        cdef Scheduler scheduler = <Scheduler>consumer.hub
        cdef Process process
        cdef Slot slot
        cdef object coroutine
        cdef Process parent = consumer
        if self.children is not None:
            self.children.check()
            parent = self.children.supervisor
        if self.abroad is not None:
            process = <Process?>self.abroad.start_item(
                consumer, stream.fn, args, stream.executor, stream.shutdown
            )
        elif stream.makes_coroutines and not scheduler.ended:
            coroutine = stream.fn(*args)
            process = scheduler.spawn(coroutine, stream.fn, parent)
        else:
            process = start_process(scheduler, stream.fn, args, stream.executor, parent)
        if self.abroad is not None:
            pass
        elif self.children is None:
            process.callers = process.ancestors
        else:
            process.callers = line_of(consumer)
            self.children.enter(process, stream.shutdown)
        slot = Slot.__new__(Slot)
        slot.run = self
        slot.watcher = consumer
        slot.target = process
        slot.flags = LINK | MONITOR | PRIVATE
        slot.index = self.pulled
        if stream.zips:
            slot.item = item
        attach(slot)
        self.pulled += 1
        self.free -= 1
        self.in_flight += 1
        if stream.limit >= 0:
            consumer.hub.wheel.add(slot, time_of(consumer.hub.wheel) + stream.limit)
        if self.abroad is not None and process.life == DEAD:
            lose(process)
        return 1

    cdef int finish(self, Slot slot) except -1:
        """The process of a slot ended."""
        self.in_flight -= 1
        if self.closed:
            return 0
        if self.last_finished is None:
            self.first_finished = slot
        else:
            self.last_finished.next_finished = slot
        self.last_finished = slot
        if self.wait is not None:
            self.wait.rouse()
        return 0

    cdef object settle(self, Slot slot):
        """Free the slot of a finished task; return its outcome if it is due, or None."""
        self.free += 1
        self.done += 1
        if slot.late and not self.stream.kills_late:
            raise TaskTimeoutError(
                f"a task of the stream did not finish within {self.stream.timeout:g} s",
                timeout=self.stream.timeout,
            )
        if self.report is not None:
            self.report(self.done)
        if self.early is not None and slot.index != self.delivered:
            self.early[slot.index] = slot.outcome
            return None
        self.delivered += 1
        return slot.outcome

    cdef int leave(self) except -1:
        """End the run: kill what is in flight, drop what is not delivered.

        What a dying consumer leaves behind dies of its reason.
        """
        cdef Process consumer = self.consumer
        cdef Bond bond
        cdef Process process
        cdef Slot slot
        if self.closed:
            return 0
        self.closed = True
        self.spare = None
        if self.wait is not None:
            self.wait.rouse()
        self.stream.runs.discard(self)
        if consumer is None:
            return 0
        for bond in bonds_of(consumer, False):
            if type(bond) is Slot and (<Slot>bond).run is self:
                process = bond.target
                if consumer.fate != FREE and not process.traps:
                    doom(process, consumer.reason)
                process.hub.kill(process, _KILLED)
        while self.first_finished is not None:
            slot = self.first_finished
            self.first_finished = slot.next_finished
            slot.next_finished = None  # or a long chain would be freed recursively
        self.last_finished = None
        self.early = None
        if self.bar is not None:
            self.bar.close()
        if not self.source_is_async and not self.exhausted:
            close = getattr(self.source, "close", None)
            self.source = None
            if close is not None:
                close()
        return 0

    async def aclose(self):
        """Leave, and close an asynchronous input."""
        self.leave()
        source, self.source = self.source, None
        if source is None or not self.source_is_async or self.exhausted:
            return
        pull, self.pull = self.pull, None
        if pull is not None:
            await _Stopping(pull)
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()

    async def anext_of_async(self):
        """Return the next outcome; close the asynchronous input when that fails."""
        try:
            return await stream_wait(self)
        except StopAsyncIteration:
            raise
        except BaseException:  # raised again
            if self.closed:
                await self.aclose()
            raise


class _Stopping:
    """Cancels a step of an asynchronous source and lets it end."""

    def __init__(self, step):
        self.step = step

    def __await__(self):
        from asyncio import CancelledError
        try:
            wanted = self.step.throw(CancelledError())
            while True:
                sent = yield wanted
                wanted = self.step.send(sent)
        except (StopIteration, StopAsyncIteration, CancelledError):
            return


@cython.final
cdef class StreamWait(Wait):
    """Waits for the next outcome of a run."""

    def throw(self, kind, value=None, traceback=None):
        """Raise in an asynchronous input that is being pulled, else where we wait."""
        cdef Run run = self.run
        if value is None:
            value = kind() if isinstance(kind, type) else kind
        if run.pull is None or run.closed or isinstance(value, (ExitSignal, GeneratorExit)):
            return Wait.throw(self, value)
        try:
            run.throw_into_source(value)
        except BaseException:  # raised again
            self.leave()
            run.leave()
            raise
        return self.send(None)

    cdef bint poll(self) except -1:
        cdef Run run = self.run
        if run.wait is not None and run.wait is not self:
            raise RuntimeError("the stream is being waited for already")
        try:
            return self._advance(run)
        except BaseException:  # raised again
            self.leave()
            run.leave()
            raise

    cdef bint _advance(self, Run run) except -1:
        cdef object outcome
        cdef Slot slot
        if run.closed:
            raise StopAsyncIteration
        if run.consumer is None:
            run.begin(self.process)
        run.wait = self
        while True:
            while run.free > 0 and not run.exhausted:
                if not run.pull_one():
                    break
            if run.early is not None and run.delivered in run.early:
                self.value = run.early.pop(run.delivered)
                run.delivered += 1
                return True
            if run.first_finished is not None:
                slot = run.first_finished
                run.first_finished = slot.next_finished
                slot.next_finished = None
                if run.first_finished is None:
                    run.last_finished = None
                outcome = run.settle(slot)
                if outcome is not None:
                    self.value = outcome
                    return True
                continue
            if run.exhausted and run.in_flight == 0:
                raise StopAsyncIteration
            return False

    cdef int leave(self) except -1:
        if self.run.wait is self:
            self.run.wait = None
        return Wait.leave(self)

    cdef bint wants(self, Letter letter) except -1:
        cdef Wait inner = self.run.inner
        if inner is None or not inner.wants(letter):
            return False
        if inner.gate is None:
            return True
        inner.rouse()  # and its gate rouses us
        return False

    cdef int _park(self, PyObject **out) except -1:
        if self.run.spinning:
            self.stage = PARKED  # a bare yield is one turn for the others
            out[0] = <PyObject *>None
            Py_INCREF(None)  # given to the caller
            return 0
        return Wait._park(self, out)


cdef StreamWait new_stream_wait(Run run):
    cdef StreamWait wait = run.spare
    if wait is not None and wait.stage == FINISHED and Py_REFCNT(wait) == 2:
        wait.stage = FRESH  # nobody but the run and this variable has it
        wait.expired = False
    else:
        wait = StreamWait.__new__(StreamWait)
        wait.run = run
        run.spare = wait
    if run.consumer is not None and runs_here(run.consumer):
        wait.process = run.consumer
        return wait
    wait.process = current_process()
    if run.consumer is not None and run.consumer is not wait.process:
        raise RuntimeError(
            f"a stream goes on in the process that iterates it, {run.consumer!r}; "
            f"{wait.process!r} is another"
        )
    return wait


def stream_wait(Run run):
    """Return the wait for the next outcome of a run."""
    return new_stream_wait(run)


@cython.final
cdef class StreamIterator:
    """One iteration of a stream; dropping it kills what is in flight."""

    def __init__(self):
        raise TypeError("a stream is iterated by `async for`")

    def __aiter__(self):
        return self

    def __anext__(self):
        if self.run.source_is_async:
            return self.run.anext_of_async()
        return new_stream_wait(self.run)

    def aclose(self):
        """Leave: kill what is in flight and close the input."""
        return self.run.aclose()

    def __del__(self):
        cdef Run run = self.run
        if run is None or run.closed:
            return
        if run.consumer is None:
            run.spare = None
            run.stream.runs.discard(run)
            return
        run.leave()
        if run.source is not None and run.source_is_async and not run.exhausted:
            loop = run.consumer.hub.loop
            if not loop.is_closed():
                run.stream.close_later(loop.create_task(run.aclose()))


@cython.final
cdef class Stream:
    """What `async_stream` returns: an asynchronous iterable of outcomes.

    It starts nothing until it is iterated, and each `async for` runs anew, in the
    process that iterates. As a context manager it is left in order: after
    `async with stream:` nothing of it runs, whatever ended the block.
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self):
        raise TypeError("a stream is made by async_stream()")

    def __aiter__(self):
        cdef StreamIterator iterator = StreamIterator.__new__(StreamIterator)
        cdef Run run = Run.__new__(Run)
        run.stream = self
        run.source_is_async = hasattr(self.iterable, "__aiter__")
        self.runs.add(run)
        iterator.run = run
        return iterator

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.aclose()

    async def aclose(self):
        """End every iteration: kill what is in flight and close the input."""
        for run in list(self.runs):
            await run.aclose()
        closing, self.closing = self.closing, []
        for task in closing:
            await task

    cdef int close_later(self, object task) except -1:
        """Remember a task that closes an input, until it is done or waited for."""
        self.closing = [other for other in self.closing if not other.done()]
        self.closing.append(task)
        return 0

    def __repr__(self):
        return (
            f"<Stream of {self.fn!r}, max_concurrency={self.max_concurrency}, "
            f"ordered={self.ordered}>"
        )


cdef bint _flag(str name, object value) except -1:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


cdef Py_ssize_t _concurrency(object value) except -1:
    if value is None:
        return cpu_count()
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"max_concurrency must be an integer >= 1, got {value!r}")
    if value < 1:
        raise ValueError(f"max_concurrency must be an integer >= 1, got {value!r}")
    return min(value, PY_SSIZE_T_MAX)


cdef object _progress(object value):
    if value is None or value is False:
        return None
    if value is True:
        try:
            import_module("tqdm")
        except ImportError:
            raise ImportError(
                "progress=True needs tqdm: install fastask-otp[progress]"
            ) from None
        return True
    if not callable(value):
        raise TypeError(f"progress must be True, False or callable, got {value!r}")
    return value


def async_stream(
    iterable,
    fn,
    *args,
    max_concurrency=None,
    ordered=True,
    timeout=5.0,
    on_timeout="exit",
    zip_input_on_exit=False,
    executor=None,
    progress=None,
):
    """Run `fn(item, *args)` for each item, a bounded number at a time.

    Nothing starts until the stream is iterated. The input is pulled in the process that
    iterates, one item at a time and only into a free slot, so it may be infinite. The
    tasks are linked to that process: when one crashes, the process dies with the same
    reason, unless it traps exits; then, and when a task ends without a value, the
    element is `Failed(reason)`. Leaving the stream early, by `break`, an exception,
    `aclose()` or the end of the process, kills what is in flight; nothing of the stream
    ever shows in the mailbox.

    Args:
        iterable: The items: an iterable or an asynchronous iterable.
        fn: An async function, or a plain function (it runs in worker threads).
        args: Further positional arguments of `fn`.
        max_concurrency: How many tasks at a time; None means the number of CPUs.
        ordered: Whether outcomes come in the order of the items, or as they finish.
            Either way a task that finishes frees its slot.
        timeout: Seconds for each task from its start, or None for no limit.
        on_timeout: `"exit"`: the consumer gets `TaskTimeoutError`, and the stream ends.
            `"kill_task"`: the task is killed, and its element is `Failed(TIMEOUT)`.
        zip_input_on_exit: Whether a failure is `Failed((item, reason))`.
        executor: Where a plain function runs, see `async_`. Beyond the limit of an
            executor, tasks wait for it, and their time runs.
        progress: True for a `tqdm` bar (extra `fastask-otp[progress]`), or a callable
            that is given the number done and the total, or None where it is unknown.

    Returns:
        A stream of `Ok(value)` and `Failed(reason)`.

    Raises:
        TypeError: If an argument is of a wrong type.
        ValueError: If an option has no such value.
        ImportError: If `progress` is True and tqdm is not installed.

    Example:
        ```python
        import fastask

        async def double(x: int) -> int:
            return 2 * x

        async def main() -> None:
            total = 0
            async with fastask.async_stream(range(100), double) as stream:
                async for outcome in stream:
                    total += outcome.unwrap()
            assert total == 9900

        fastask.run(main)
        ```

    Elixir: `Task.async_stream/3`.
    """
    return new_stream(
        iterable,
        fn,
        args,
        {
            "max_concurrency": max_concurrency,
            "ordered": ordered,
            "timeout": timeout,
            "on_timeout": on_timeout,
            "zip_input_on_exit": zip_input_on_exit,
            "executor": executor,
            "progress": progress,
        },
    )


cdef Stream new_stream(object iterable, object fn, tuple args, dict options):
    """Return a stream with its options checked; nothing starts."""
    cdef Stream stream = Stream.__new__(Stream)
    if not hasattr(iterable, "__aiter__") and not isinstance(iterable, (str, bytes)):
        check_many("iterable", iterable, "items")
    if options["on_timeout"] not in _ON_TIMEOUT:
        raise ValueError(f"on_timeout must be 'exit' or 'kill_task', got {options['on_timeout']!r}")
    if not callable(fn):
        raise TypeError(f"fn must be a function, got {fn!r}")
    calls_async = is_async(fn)
    executor = options["executor"]
    check_executor(executor, fn)
    if calls_async and executor is not None:
        raise TypeError(
            f"executor must be None for an async function, got {executor!r}"
        )
    stream.makes_coroutines = calls_async and inspect.iscoroutinefunction(fn)
    stream.iterable = iterable
    stream.fn = fn
    stream.args = args
    stream.max_concurrency = _concurrency(options["max_concurrency"])
    stream.ordered = _flag("ordered", options["ordered"])
    stream.limit = limit_of("timeout", options["timeout"])
    stream.timeout = options["timeout"]
    stream.kills_late = options["on_timeout"] == "kill_task"
    stream.zips = _flag("zip_input_on_exit", options["zip_input_on_exit"])
    stream.executor = executor
    stream.progress = _progress(options["progress"])
    stream.runs = set()
    stream.closing = []
    stream.links = True
    return stream


keep_memory(<PyTypeObject *>Slot, 128)
