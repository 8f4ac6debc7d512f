"""Executors: where a plain function runs. Layer 9."""

import concurrent.futures
import sys
from asyncio import CancelledError
from concurrent.futures import Executor
from contextvars import copy_context

from fastask._core.current cimport current_process, current_scheduler
from fastask._core.scheduler cimport Scheduler

from fastask._core.errors import ExitSignal
from fastask._core.process import function_name
from fastask._core.thread import ThreadPool, check_value, cpu_count


def _interpreter_pool():
    """Return the class of Python 3.14 and later, or None."""
    return getattr(concurrent.futures, "InterpreterPoolExecutor", None)


cdef int check_executor(object executor, object fn) except -1:
    """Raise when `executor` is nothing that a plain function can run in."""
    if executor is None or isinstance(executor, Executor):
        return 0
    if not isinstance(executor, str):
        error = TypeError
    elif executor == "thread" or executor == "process":
        return 0
    elif executor == "interpreter":
        if _interpreter_pool() is not None:
            return 0
        raise ValueError(
            "executor must be another than 'interpreter' before Python 3.14, this is "
            + ".".join(map(str, sys.version_info[:3]))
        )
    else:
        error = ValueError
    raise error(
        "executor must be 'thread', 'process', 'interpreter', a "
        f"concurrent.futures.Executor or None, got {executor!r}"
    )


class Pools:
    """The threads and workers of one scheduler, made when they are first needed."""

    def __init__(self, loop):
        self.loop = loop
        self.limits = {}
        self.made = {}
        self.interpreters = None

    def pool(self, kind):
        """Return the pool of a kind, making it if needed."""
        pool = self.made.get(kind)
        if pool is None:
            pool = self.made[kind] = self.class_of(kind)(self.loop, self.limits.get(kind))
        return pool

    def class_of(self, kind):
        if kind == "thread":
            return ThreadPool
        # multiprocessing takes a while to import, and few need it.
        from fastask._core.worker import WorkerPool
        return WorkerPool

    def interpreter_executor(self):
        """Return the executor of subinterpreters, making it if needed."""
        if self.interpreters is None:
            self.interpreters = _interpreter_pool()(cpu_count())
        return self.interpreters

    def limit(self, kind, limit):
        """Set a limit; return the one before."""
        if kind in self.made:
            before = self.made[kind].limit
            self.made[kind].set_limit(limit)
        else:
            before = self.limits.get(kind) or self.class_of(kind).default_limit()
        self.limits[kind] = limit
        return before

    def close(self):
        for pool in self.made.values():
            pool.close()
        self.made.clear()
        if self.interpreters is not None:
            self.interpreters.shutdown(wait=False, cancel_futures=True)
            self.interpreters = None


cdef object pools_of(Scheduler scheduler):
    if scheduler.pools is None:
        scheduler.pools = Pools(scheduler.loop)
    return scheduler.pools


async def call_plain(scheduler, function, arguments, executor):
    """Call a plain function where `executor` says, for the running process."""
    pools = pools_of(scheduler)
    if executor == "interpreter":
        executor = pools.interpreter_executor()
    if isinstance(executor, Executor):
        return await _call_in(executor, scheduler, function, arguments)
    pool = pools.pool(executor or "thread")
    job = pool.make_job(scheduler.loop, (function, arguments))
    pool.submit(job)
    try:
        return await job.future
    finally:
        pool.abandon(job)


async def _call_in(executor, scheduler, function, arguments):
    process = current_process()
    submission = _Submission(executor)
    future = scheduler.loop.run_in_executor(
        submission, *_with_context(executor), function, *arguments
    )
    try:
        value = await future
    except CancelledError as error:
        if type(error) is ExitSignal or process.cancelling() or not future.cancelled():
            raise
        raise RuntimeError(
            f"the executor was shut down before it ran {function_name(function)}"
        ) from error
    finally:
        submission.job.cancel()  # what has not begun never does
        future.cancel()  # what has is not looked at any more
    check_value(function, value)
    return value


class _Submission(Executor):
    """Stands before an executor for one job, which can so be cancelled at once.

    When asyncio's future for it is cancelled, that reaches the job a turn later.
    """

    def __init__(self, executor):
        self.executor = executor
        self.job = None

    def submit(self, function, *arguments):
        self.job = self.executor.submit(function, *arguments)
        return self.job


def _with_context(executor):
    """Return what is called with the function where context variables go along."""
    interpreters = _interpreter_pool()
    if interpreters is not None and isinstance(executor, interpreters):
        return ()  # it is a ThreadPoolExecutor, but no object reaches its threads
    threads = concurrent.futures.ThreadPoolExecutor
    return (copy_context().run,) if isinstance(executor, threads) else ()


def limit_executor(executor, limit):
    """Set how many plain functions may run at a time, in the running event loop.

    Further ones wait, in the order in which they were started, and their time limits
    run meanwhile. A process that ends while it waits gives up its place.

    The place of a process that ends while its function runs is free, too. Its worker
    process is killed. Its thread cannot be: it runs on until the function returns, and
    another thread takes its place. When as many threads run on as the limit says,
    further functions wait for one of them, and the log says so once.

    Args:
        executor: `"thread"` or `"process"`.
        limit: An integer >= 1. At first it is the number of CPUs for `"process"`, and
            four more, but 32 at most, for `"thread"`. Where it is lowered, what runs is
            not disturbed.

    Returns:
        The limit before.

    Raises:
        TypeError: If `limit` is no integer.
        ValueError: If `limit` is less than 1, or there is no such executor.
        RuntimeError: If no event loop is running.

    Example:
        ```python
        import fastask

        async def main() -> None:
            fastask.limit_executor("thread", 100)  # of them, most wait for sockets
            assert await fastask.async_(len, "four") == 4

        fastask.run(main)
        ```

    Elixir: no counterpart; the size of the pool of dirty schedulers is set by `+SDio`.
    """
    if executor not in ("thread", "process"):
        raise ValueError(f"executor must be 'thread' or 'process', got {executor!r}")
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit must be an integer >= 1, got {limit!r}")
    if limit < 1:
        raise ValueError(f"limit must be an integer >= 1, got {limit!r}")
    return pools_of(current_scheduler()).limit(executor, limit)
