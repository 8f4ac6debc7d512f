"""OS processes for plain functions, each with a thread of ours beside it. Layer 4.

The thread starts its worker, hands it one job after the other and waits for what comes
of it, so that nothing of this holds up the loop. A worker that is killed, or ends by
itself, takes down the job that it does and no other; its thread starts another one for
the next job.
"""

import os
import pickle
import signal
import threading
import time
import traceback
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import Finalize

from fastask._core.hub cimport Hub  # no-cython-lint: for its Py_DECREF

from fastask._core.errors import WorkerError
from fastask._core.process import function_name
from fastask._core.thread import Job, ThreadPool, check_value, cpu_count

# Never `fork`: a copy of a program with threads and a running loop is broken.
SPAWN = get_context("spawn")

PATIENCE = 30.0
"""Seconds after which a worker that has nothing to do ends."""

TIME_TO_LEAVE = 2.0
"""Seconds that a worker which is told to end has for what `atexit` runs in it."""


class RemoteTraceback(Exception):
    """The cause of an exception of a worker: the traceback that it had there."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text

    def __str__(self):
        return f'\n"""\n{self.text}"""'


def _module_of(frame):
    return frame.f_globals.get("__name__", "")


def _pickled(what, thing):
    try:
        return ForkingPickler.dumps(thing)
    except Exception as error:  # whatever `__reduce__` of a user raises
        raise TypeError(
            f"{what} must be picklable for executor='process', got {thing!r}: {error}"
        ) from error


def pack(function, arguments):
    """Pickle a call, or raise a TypeError that names what cannot be pickled."""
    try:
        return ForkingPickler.dumps((function, arguments))
    except Exception:  # whatever `__reduce__` of a user raises
        _pickled("fn", function)
        for number, argument in enumerate(arguments, 1):
            _pickled(f"argument {number} of {function_name(function)}", argument)
        raise


# In the worker.


def serve(connection):
    """Do the jobs of one parent until it has no more of them."""
    # Ctrl-C reaches the whole group, and it is the parent who decides. No SIG_IGN:
    # programs that a function starts would inherit it.
    signal.signal(signal.SIGINT, _pass)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        connection.send_bytes(b"ready")
        while True:
            name = connection.recv_bytes().decode()
            text, outcome = _do(name, connection.recv_bytes())
            connection.send_bytes(text.encode(errors="backslashreplace"))
            connection.send_bytes(outcome)
            outcome = None
    except (EOFError, OSError):
        pass  # the parent has closed its side


def _pass(number, frame):
    pass


def _end_with_parent():
    # Also in the middle of a function, and when the parent was killed.
    parent_process().join()
    os._exit(1)


def _do(name, call):
    """Call a function; return the text of a traceback, or "", and what came of it."""
    try:
        function, arguments = pickle.loads(call)
        call = None
        value = function(*arguments)
        check_value(function, value)
        try:
            return "", ForkingPickler.dumps(value)
        except Exception as error:  # whatever `__reduce__` of a user raises
            raise TypeError(
                f"fn must return a picklable value for executor='process', "
                f"{name} returned one of {type(value)}: {error}"
            ) from None
    except BaseException as error:  # SystemExit too: the parent sees it as in a thread
        return _text_of(error), _packed_error(name, error)


def _text_of(error):
    """Return the traceback of an exception as text, without our own frames."""
    frames = error.__traceback__
    while frames is not None and _module_of(frames.tb_frame).startswith("fastask._core."):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _packed_error(name, error):
    try:
        packed = ForkingPickler.dumps(error)
        # Many an exception with an `__init__` of its own can be written, not read.
        if type(pickle.loads(packed)) is type(error):
            return packed
    except Exception:  # whatever `__reduce__` or `__init__` of a user raises
        pass
    return ForkingPickler.dumps(
        WorkerError(
            f"{name} raised {traceback.format_exception_only(error)[-1].strip()}, "
            "an exception that cannot be pickled"
        )
    )


# In the parent.


class Worker:
    """One OS process, as its thread sees it; others may `kill` it under the lock."""

    def __init__(self, name, lock):
        self.lock = lock
        self.connection, theirs = SPAWN.Pipe()
        try:
            self.process = SPAWN.Process(target=serve, args=(theirs,), name=name)
            self.process.start()
        except BaseException:  # raised again
            self.connection.close()
            raise
        finally:
            theirs.close()
        self.ended = self.process.sentinel
        # The sentinel of POSIX is a pipe, which a fork of the worker holds open too.
        self.descriptor = None
        try:
            if hasattr(os, "pidfd_open"):
                self.ended = self.descriptor = os.pidfd_open(self.process.pid)
        except OSError:
            pass  # an old kernel, or a sandbox
        self.is_ready = False
        self.is_busy = False
        self.is_lost = False  # killed, or ended by itself; set before it is reaped

    def call(self, name, payload):
        """Have a call done; return what `_do` returned."""
        self.is_busy = True
        try:
            if not self.is_ready:
                self._receive()
                self.is_ready = True
            self.connection.send_bytes(name.encode(errors="backslashreplace"))
            self.connection.send_bytes(payload)
            return self._receive().decode(), self._receive()
        except (EOFError, OSError):
            with self.lock:
                self.is_lost = True
        finally:
            self.is_busy = False
        raise self._how_it_ended(name)

    def is_idle(self):
        """Tell whether it waits for a job; else it has ended, or is about to."""
        return not self.is_lost and not wait((self.connection, self.ended), 0)

    def _receive(self):
        wait((self.connection, self.ended))
        if not self.connection.poll(0):
            raise EOFError
        return self.connection.recv_bytes()

    def _how_it_ended(self, name):
        pid = self.process.pid
        self._reap(TIME_TO_LEAVE)
        code = self.process.exitcode
        if code is None:
            how = "closed its connection"
        elif code < 0:
            how = f"was ended by {_signal_name(-code)}"
        else:
            how = f"ended with exit code {code}"
        when = f"while it ran {name}"
        if not self.is_ready:
            when = (
                f"before it could run {name}; a worker imports the main module, which "
                "must start its program under `if __name__ == '__main__':`"
            )
        return WorkerError(f"the worker process {pid} {how} {when}", exitcode=code)

    def _reap(self, seconds):
        """Wait for its end; tell whether it came. `join` may wait for its forks too."""
        deadline = time.monotonic() + seconds
        wait((self.ended,), seconds)
        # Its pipes are closed before it is dead, or by the function.
        while self.process.exitcode is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.001)
        self.process.join()
        return True

    def kill(self):
        """End it at once. I22, under the lock: nobody reaps it before it has the signal."""
        if not self.is_lost:
            self.is_lost = True
            self.process.kill()

    def end(self):
        """See it end, and let go of it."""
        self.connection.close()
        if not self._reap(0 if self.is_lost else TIME_TO_LEAVE):
            self.process.kill()
            self._reap(TIME_TO_LEAVE)
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class WorkerJob(Job):
    """One call of a plain function in a worker."""

    def __init__(self, loop, call):
        self.payload = pack(*call)
        self.name = function_name(call[0])
        super().__init__(loop, call)

    def forget(self):
        super().forget()
        self.payload = None


class WorkerPool(ThreadPool):
    """Threads with a worker each, of one scheduler."""

    kind = "process"
    make_job = WorkerJob
    patience = PATIENCE

    def __init__(self, loop, limit=None):
        super().__init__(loop, limit)
        self.workers = {}  # thread -> worker
        # A loop that is never closed: multiprocessing waits for its processes at exit.
        self.at_exit = Finalize(None, self._kill_all, exitpriority=0)

    @staticmethod
    def default_limit():
        return cpu_count()

    def _perform(self, job, thread):
        try:
            text, outcome = self._worker_of(thread, job).call(job.name, job.payload)
            job.payload = None
            try:
                value = pickle.loads(outcome)
            except BaseException as error:  # whatever a user's class raises
                raise TypeError(
                    f"{job.name} must return what can be unpickled: {error}"
                ) from error
        except BaseException as error:  # the future's
            return job.failure(error)
        if not text:
            return job.future.set_result, value
        value.__cause__ = RemoteTraceback(text)
        return job.failure(value)

    def _worker_of(self, thread, job):
        worker = self.workers.get(thread)
        if worker is not None and worker.is_idle():
            return worker
        if worker is not None:
            self._end_worker(thread)
        worker = Worker(thread.name, self.lock)
        with self.lock:
            self.workers[thread] = worker
            if job.over:  # its process ended while the worker was started
                worker.kill()
        return worker

    def _end_worker(self, thread):
        with self.lock:
            worker = self.workers.pop(thread, None)
        if worker is not None:
            worker.end()

    def _rest(self, thread):
        worker = self.workers.get(thread)
        if worker is not None and worker.is_lost:
            self._end_worker(thread)

    _leave = _end_worker

    def _give_up(self, job):
        """Kill the worker that does a job; its thread goes on with another one."""
        worker = self.workers.get(job.thread)
        if worker is not None:
            worker.kill()
        return None

    def _kill_all(self):
        with self.lock:
            for worker in self.workers.values():
                worker.kill()

    def close(self):
        """End all workers: at once where they work, else after what `atexit` does."""
        super().close()
        with self.lock:
            threads = list(self.threads)
            for worker in self.workers.values():
                if worker.is_busy:
                    worker.kill()
        deadline = time.monotonic() + TIME_TO_LEAVE + 1.0
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._kill_all()
        self.at_exit.cancel()
