"""Threads for plain functions: daemon threads that nobody has to wait for. Layer 6.

A job belongs to the process that waits for it. When that process ends, a job that has
not begun never does; one that runs is abandoned: its thread is no longer counted, its
result is dropped, and the thread ends when the function returns.
"""

import contextvars
import functools
import inspect
import logging
import os
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from queue import SimpleQueue

from fastask._core.process import function_name

_LOGGER = logging.getLogger("fastask")


class Job:
    """One call of a plain function for one process."""

    __slots__ = ("call", "context", "future", "loop", "thread", "over", "__weakref__")

    def __init__(self, loop, call):
        self.loop = loop
        self.call = call
        self.context = contextvars.copy_context()
        self.future = loop.create_future()
        self.thread = None
        self.over = False

    def run(self):
        """Call the function; return what settles the future, and with what."""
        function, arguments = self.call
        try:
            value = self.context.run(_checked, function, *arguments)
        except BaseException as error:
            if isinstance(error, StopIteration):  # a future refuses it
                error = RuntimeError(f"{function_name(function)} raised StopIteration")
            return self.future.set_exception, error
        return self.future.set_result, value

    def deliver(self, setter, outcome):
        """Settle the future, in the thread of its loop."""

        def settle():
            if not self.future.done():
                setter(outcome)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more


def _checked(function, *arguments):
    value = function(*arguments)
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            f"fn must be an async function where it returns a coroutine, "
            f"got the plain function {function_name(function)}"
        )
    return value


class ThreadPool:
    """Worker threads of one scheduler, started when needed, at most `limit`."""

    make_job = Job

    def __init__(self, loop, limit=None):
        self.loop = loop
        self.limit = limit or min(32, (os.cpu_count() or 1) + 4)
        self.jobs = SimpleQueue()
        self.lock = threading.Lock()
        self.threads = set()
        self.abandoned = set()
        self.idle = 0
        self.started = 0

    def submit(self, job):
        with self.lock:
            if self.idle > 0:
                self.idle -= 1
            elif len(self.threads) < self.limit:
                self._start_thread()
        self.jobs.put(job)

    def _start_thread(self):
        self.started += 1
        thread = threading.Thread(
            target=self._work, name=f"fastask-thread-{self.started}", daemon=True
        )
        self.threads.add(thread)
        thread.start()

    def _work(self):
        me = threading.current_thread()
        while True:
            job = self.jobs.get()
            if job is None:
                break
            with self.lock:
                begun = not job.over
                if begun:
                    job.thread = me
            settlement = job.run() if begun else None
            with self.lock:
                job.over = True
                job.thread = None
                if me in self.abandoned:
                    self.abandoned.discard(me)
                    return
                if self.jobs.empty():
                    self.idle += 1
            if settlement is not None:
                job.deliver(*settlement)
            job = settlement = None
        with self.lock:
            self.threads.discard(me)

    def abandon(self, job):
        """Its process is gone: never begin the job, or forget its thread."""
        with self.lock:
            if job.over:
                return
            job.over = True
            thread = job.thread
            if thread is None:
                return
            self.threads.discard(thread)
            self.abandoned.add(thread)
            thread.job = job
            if not self.jobs.empty():
                self._start_thread()  # its place is free for who waits

    def close(self):
        """Let idle threads go; name those that run on, but do not wait for them."""
        with self.lock:
            for _ in self.threads:
                self.jobs.put(None)
            stuck = [
                (thread.name, function_name(thread.job.call[0]))
                for thread in self.abandoned
            ]
        for thread, function in stuck:
            _LOGGER.warning(
                "%s still runs %s, whose process has ended: it cannot be stopped, "
                "and its result will be dropped", thread, function,
            )


async def call_in_thread(scheduler, function, arguments, executor=None):
    """Call a plain function in a worker thread, with the caller's context."""
    if isinstance(executor, Executor):
        call = functools.partial(_checked, function, *arguments)
        if isinstance(executor, ThreadPoolExecutor):
            call = functools.partial(contextvars.copy_context().run, call)
        return await scheduler.loop.run_in_executor(executor, call)
    if scheduler.threads is None:
        scheduler.threads = ThreadPool(scheduler.loop)
    pool = scheduler.threads
    job = pool.make_job(scheduler.loop, (function, arguments))
    pool.submit(job)
    try:
        return await job.future
    finally:
        pool.abandon(job)
