"""Threads for plain functions: daemon threads that nobody has to wait for. Layer 3.

A job belongs to the process that waits for it. When that process ends, a job that has
not begun never does; one that runs is abandoned: its place is free for another thread,
its result is dropped, and its own thread ends when the function returns.
"""

import contextvars
import inspect
import logging
import os
import threading

from fastask._core.hub cimport Hub  # no-cython-lint: for its Py_DECREF

from fastask._core.process import function_name

_LOGGER = logging.getLogger("fastask")


def cpu_count():
    """Return how many CPUs this program may use."""
    count = getattr(os, "process_cpu_count", None)
    if count is not None:
        return count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Job:
    """One call of a plain function for one process."""

    __slots__ = (
        "call", "context", "future", "loop", "thread", "over", "when_delivered", "__weakref__",
    )

    def __init__(self, loop, call):
        self.loop = loop
        self.call = call
        self.context = contextvars.copy_context()
        self.future = loop.create_future()
        self.thread = None
        self.over = False
        self.when_delivered = None

    def run(self):
        """Call the function; return what settles the future, and with what."""
        function, arguments = self.call
        try:
            value = self.context.run(function, *arguments)
            check_value(function, value)
        except BaseException as error:  # the future's
            return self.failure(error)
        return self.future.set_result, value

    def forget(self):
        """Let go of what is never called."""
        self.call = self.context = None

    def failure(self, error):
        """Return what settles the future with an exception, and with which."""
        if isinstance(error, StopIteration):  # a future refuses it
            error = RuntimeError(f"{function_name(self.call[0])} raised StopIteration")
        return self.future.set_exception, error

    def deliver(self, setter, outcome):
        """Settle the future, in the thread of its loop."""

        def settle():
            if not self.future.done():
                setter(outcome)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more
        if self.when_delivered is not None:
            self.when_delivered()


def check_value(function, value):
    """Refuse the coroutine that a plain function has returned."""
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            f"fn must be an async function where it returns a coroutine, "
            f"got the plain function {function_name(function)}"
        )


class ThreadPool:
    """Worker threads of one scheduler, started when needed, at most `limit`.

    As many again may run on although their processes have ended. Beyond that, jobs
    wait, and the log says so once. What is written here is guarded by the lock.
    """

    kind = "thread"
    make_job = Job
    patience = None  # seconds after which an idle thread ends

    def __init__(self, loop, limit=None):
        import queue  # few programs need threads

        self.loop = loop
        self.limit = limit or self.default_limit()
        self.jobs = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.threads = set()
        self.abandoned = {}
        self.spare = 0  # I21: threads that want a job, less the jobs that want a thread
        self.started = 0
        self.closed = False
        self.warned = False

    @staticmethod
    def default_limit():
        return min(32, cpu_count() + 4)

    def submit(self, job):
        with self.lock:
            self.spare -= 1
            try:
                warning = self._employ()
            except BaseException:  # raised again
                self.spare += 1
                raise
            self.jobs.put(job)
        self._warn(warning)

    def set_limit(self, limit):
        """Change the limit; threads beyond it end when they have nothing to do."""
        with self.lock:
            self.limit = limit
            for _ in range(min(self.spare, len(self.threads) - limit)):
                self.spare -= 1
                self.jobs.put(None)
            warning = self._employ()
        self._warn(warning)

    def _employ(self):
        """Start threads for the jobs that wait; return a warning, or None."""
        while self.spare < 0 and not self.closed and len(self.threads) < self.limit:
            if len(self.threads) + len(self.abandoned) >= 2 * self.limit:
                return self._say_that_it_is_full()
            self._start_thread()
            self.spare += 1
        return None

    def _say_that_it_is_full(self):
        if self.warned:
            return None
        self.warned = True
        return (
            "%d threads run functions whose processes have ended, and cannot be "
            "stopped, %s among them; others wait for one of these to return "
            "(limit_executor(%r, %d))",
            len(self.abandoned),
            function_name(next(iter(self.abandoned.values())).call[0]),
            self.kind, self.limit,
        )

    @staticmethod
    def _warn(warning):
        # Outside of the lock: a handler may run code of the user.
        if warning is not None:
            _LOGGER.warning(*warning)

    def _start_thread(self):
        self.started += 1
        thread = threading.Thread(
            target=self._work, name=f"fastask-{self.kind}-{self.started}", daemon=True
        )
        self.threads.add(thread)
        try:
            thread.start()
        except BaseException:  # raised again
            self.threads.discard(thread)
            raise

    def _work(self):
        me = threading.current_thread()
        stays = True
        while stays:
            job = self._next_job(me)
            if job is None:
                break
            settlement = self._perform(job, me)
            wanted, stays = self._finished(job, me)
            if wanted:
                job.deliver(*settlement)
            job = settlement = None
            self._rest(me)
        self._leave(me)

    def _next_job(self, thread):
        """Return the next job that somebody waits for; None when the thread shall end."""
        import queue

        while True:
            try:
                job = self.jobs.get(timeout=self.patience)
            except queue.Empty:
                with self.lock:
                    if self.spare <= 0:  # a job is on its way
                        continue
                    self.spare -= 1
                    self.threads.discard(thread)
                    return None
            with self.lock:
                if job is None:
                    self.threads.discard(thread)
                    return None
                if job.over or self.closed:
                    continue
                job.thread = thread
                return job

    def _perform(self, job, thread):
        """Do a job in its thread; return how its future is to be settled."""
        return job.run()

    def _rest(self, thread):
        """Do what remains to be done after a job."""

    def _leave(self, thread):
        """Do what remains to be done when a thread ends."""

    def _finished(self, job, thread):
        """Tell whether somebody waits for the outcome, and whether the thread stays."""
        with self.lock:
            wanted = not job.over
            job.over = True
            job.thread = None
            if self.abandoned.pop(thread, None) is not None:
                if len(self.threads) < self.limit and not self.closed:
                    self.threads.add(thread)
            elif len(self.threads) > self.limit:
                self.threads.discard(thread)
            stays = thread in self.threads
            if stays:
                self.spare += 1
            return wanted, stays

    def abandon(self, job):
        """Its process is gone: never begin the job, or let go of its outcome."""
        with self.lock:
            if job.over:
                return
            job.over = True
            if job.thread is None:  # it waits, or is about to
                job.forget()
                self.spare += 1
                return
            warning = self._give_up(job)
        self._warn(warning)

    def _give_up(self, job):
        """Let the thread of a job run on without being counted."""
        self.threads.discard(job.thread)
        self.abandoned[job.thread] = job
        return self._employ()  # its place is free for who waits

    def close(self):
        """Let idle threads go; name those that run on, but do not wait for them."""
        with self.lock:
            self.closed = True
            for _ in self.threads:
                self.jobs.put(None)
            stuck = [
                (thread.name, function_name(job.call[0]))
                for thread, job in self.abandoned.items()
            ]
        for thread, function in stuck:
            _LOGGER.warning(
                "%s still runs %s, whose process has ended: it cannot be stopped, "
                "and its result will be dropped", thread, function,
            )
