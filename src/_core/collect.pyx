"""Collect: the verbs with which an owner collects what its tasks owe. Layer 12."""

cimport cython
from cpython.object cimport PyObject

from fastask._core.bond cimport Bond
from fastask._core.current cimport current_process
from fastask._core.mailbox cimport Letter
from fastask._core.message cimport (
    Down, Reply, failure_of, new_failed, new_ok,
)

from fastask._core.ref cimport Ref
from fastask._core.task cimport (
    FAILURE, NOTHING, VALUE, Task, ignore_task, kill_task, new_await,
    new_shutdown,
)
from fastask._core.wait cimport Wait

from fastask._core.errors import TaskTimeoutError
from fastask._core.start import check_many

cdef tuple _ON_TIMEOUT = ("nothing", "ignore", "kill_task")


@cython.final
cdef class AwaitMany(Wait):
    """Waits for the outcomes of many tasks under one limit.

    Each task knows the wait, and letters of tasks are only counted until there are
    enough of them, so that n tasks cost n steps, not n squared.
    """

    cdef str verb(self):
        return "await_many"

    cdef bint poll(self) except -1:
        cdef Task task
        cdef int taken
        cdef object value
        if self.pending is None:
            self._begin()
        self.arrivals = 0
        if self.missing == 0:
            self._results()
            return True
        for task in self._arrived():
            taken = task.take()
            if taken == NOTHING:
                continue
            value = task.taken
            task.taken = None
            if taken == FAILURE and self.on_timeout is None:
                task.waiter = None
                self._forget_all()
                self.leave()
                raise failure_of(value)
            if self.on_timeout is None:
                self.outcomes[task] = value
            else:
                self.outcomes[task] = new_ok(value) if taken == VALUE else new_failed(value)
            task.waiter = None
            self.missing -= 1
            if self.missing == 0:
                break
        if self.missing > 0:
            if self.outcomes:
                self.pending = [task for task in self.pending if task not in self.outcomes]
            return False
        self._results()
        return True

    cdef int _begin(self) except -1:
        cdef Task task
        self.pending = list(dict.fromkeys(self.tasks))
        if self.missing < 0 or self.missing > len(self.pending):
            self.missing = len(self.pending)
        for task in self.pending:
            if task.waiter is not None:
                self.pending = []
                raise RuntimeError(f"{task!r} is being waited for already")
        for task in self.pending:
            task.waiter = self
        return 0

    cdef list _arrived(self):
        """Return the pending tasks, those whose letters came first before the others.

        Only a wait for fewer than all has to look at the order of arrival.
        """
        cdef list ordered
        cdef PyObject *cursor
        cdef Letter letter
        cdef object task
        if self.missing >= len(self.pending) - len(self.outcomes):
            return self.pending
        ordered = []
        cursor = self.process.mailbox.head
        while cursor is not NULL:
            letter = <Letter>cursor
            task = _task_of(letter)
            if task is not None and (<Task>task).waiter is self:
                ordered.append(task)
            cursor = letter.newer
        return list(dict.fromkeys(ordered))

    cdef int _results(self) except -1:
        if self.on_timeout is None:
            self.value = [self.outcomes[task] for task in self.tasks]
        else:
            self.value = [(task, self.outcomes.get(task)) for task in self.tasks]
        return 0

    cdef int _forget_all(self) except -1:
        cdef Task task
        for task in self.pending:
            if task not in self.outcomes:
                task.forget()
        return 0

    cdef int expire(self) except -1:
        cdef Task task
        if self.on_timeout is None:
            self._forget_all()
            raise TaskTimeoutError(
                f"{len(self.pending)} of {len(self.tasks)} tasks did not finish within "
                f"{self.timeout:g} s",
                tasks=self.tasks,
                timeout=self.timeout,
            )
        if self.on_timeout != "nothing":
            for task in self.pending:
                if task in self.outcomes:
                    continue
                if self.on_timeout == "ignore":
                    self.outcomes[task] = ignore_task(task)
                else:
                    self.outcomes[task] = kill_task(task)
        self._results()
        return 0

    cdef int leave(self) except -1:
        cdef Task task
        if self.pending is not None:
            for task in self.pending:
                if task.waiter is self:
                    task.waiter = None
        return Wait.leave(self)

    cdef bint wants(self, Letter letter) except -1:
        cdef object task = _task_of(letter)
        if task is None or (<Task>task).waiter is not self:
            return False
        self.arrivals += 1
        if self.on_timeout is None and type(letter.message) is Down:
            return True
        return self.arrivals >= self.missing


cdef object _task_of(Letter letter):
    """Return the task that a letter is of, or None."""
    if letter.packed:
        return letter.message
    if letter.tag is not None and isinstance(letter.tag.bond, Task):
        return letter.tag.bond
    return None


cdef list _owned(object tasks, str verb):
    """Return tasks as a list, or raise what is wrong with them."""
    cdef list listed
    if type(tasks) is not list:
        check_many("tasks", tasks, "tasks")
    listed = list(tasks)
    for task in listed:
        _check(task)
        (<Task>task).check_owner(verb)
    return listed


cdef int _check(object task) except -1:
    if not isinstance(task, Task):
        raise TypeError(f"task must be a Task, got {task!r}")
    return 0


cdef AwaitMany _many(list tasks, object timeout, object on_timeout, Py_ssize_t limit):
    cdef AwaitMany wait = AwaitMany.__new__(AwaitMany)
    wait.process = current_process()
    wait.tasks = tasks
    wait.outcomes = {}
    wait.limit_to(timeout)
    wait.timeout = timeout
    wait.on_timeout = on_timeout
    wait.missing = limit
    wait.unawaited = True
    return wait


def await_(task, timeout=5.0):
    """Wait for the reply of a task and return it.

    When the task failed, what it failed with is raised; a *linked* task's crash is an
    exit signal to an owner that does not trap exits, which dies whatever it is awaiting.
    When time runs out the task is demonitored: it goes on, but nothing of it arrives
    any more. A task can be awaited once.

    Args:
        task: A task of the caller.
        timeout: Seconds, or None for no limit. 0 takes a reply that is there.

    Returns:
        What the function returned.

    Raises:
        NotOwnerError: If the caller does not own the task.
        TaskTimeoutError: If time ran out.
        Exit: If the task ended with a reason that is no exception.
        BaseException: What the task crashed with.

    Example:
        ```python
        import fastask

        async def answer() -> int:
            return 42

        async def main() -> None:
            task = fastask.async_nolink(answer)
            assert await fastask.await_(task, timeout=1.0) == 42

        fastask.run(main)
        ```

    Elixir: `Task.await/2`, in seconds; it raises where Elixir exits.
    """
    _check(task)
    return new_await(<Task>task, "await_", timeout, False)


def await_many(tasks, timeout=5.0):
    """Wait for the replies of many tasks under one limit.

    The first failure is raised at once. Then, and when time runs out, all that are
    still pending are demonitored: they go on, but nothing of them arrives any more.

    Args:
        tasks: Tasks of the caller; one may be listed twice.
        timeout: Seconds for all together, or None for no limit.

    Returns:
        What the functions returned, in the order of `tasks`.

    Raises:
        NotOwnerError: If the caller does not own one of them; before it waits.
        TaskTimeoutError: If time ran out.
        Exit: If a task ended with a reason that is no exception.
        BaseException: What a task crashed with.

    Example:
        ```python
        import fastask

        async def double(x: int) -> int:
            return 2 * x

        async def main() -> None:
            tasks = [fastask.async_(double, x) for x in range(3)]
            assert await fastask.await_many(tasks) == [0, 2, 4]

        fastask.run(main)
        ```

    Elixir: `Task.await_many/2`.
    """
    return _many(_owned(tasks, "await_many"), timeout, None, -1)


def yield_(task, timeout=5.0):
    """Wait for the outcome of a task; the task stays awaitable when time runs out.

    Args:
        task: A task of the caller.
        timeout: Seconds, or None for no limit. 0 takes an outcome that is there.

    Returns:
        `Ok(value)`, `Failed(reason)`, or None when time ran out.

    Raises:
        NotOwnerError: If the caller does not own the task.

    Example:
        ```python
        import fastask

        async def main() -> None:
            task = fastask.async_nolink(fastask.sleep, 60)
            assert await fastask.yield_(task, timeout=0.01) is None
            assert await fastask.shutdown(task) is None

        fastask.run(main)
        ```

    Elixir: `Task.yield/2`.
    """
    _check(task)
    return new_await(<Task>task, "yield_", timeout, True)


def yield_many(tasks, timeout=5.0, *, limit=None, on_timeout="nothing"):
    """Wait for the outcomes of many tasks under one limit.

    Args:
        tasks: Tasks of the caller; one may be listed twice.
        timeout: Seconds for all together, or None for no limit.
        limit: How many outcomes to wait for, in order of arrival; None means all. The
            others are None then, are not touched, and may be yielded later.
        on_timeout: What happens to those without an outcome when time runs out:
            `"nothing"`, `"ignore"` (see `ignore`), or `"kill_task"`.

    Returns:
        Pairs of a task and its `Ok(value)`, `Failed(reason)` or None, in input order.

    Raises:
        NotOwnerError: If the caller does not own one of them; before it waits.
        ValueError: If `limit` is negative or `on_timeout` unknown.

    Example:
        ```python
        import fastask

        async def double(x: int) -> int:
            return 2 * x

        async def main() -> None:
            tasks = [fastask.async_nolink(double, x) for x in range(3)]
            for task, outcome in await fastask.yield_many(tasks, timeout=1.0):
                assert isinstance(outcome, fastask.Ok)

        fastask.run(main)
        ```

    Elixir: `Task.yield_many/2`.
    """
    cdef list owned = _owned(tasks, "yield_many")
    cdef Py_ssize_t most = -1
    if on_timeout not in _ON_TIMEOUT:
        raise ValueError(
            "on_timeout must be 'nothing', 'ignore' or 'kill_task', "
            f"got {on_timeout!r}"
        )
    if limit is not None:
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise TypeError(f"limit must be an integer or None, got {limit!r}")
        if limit < 0:
            raise ValueError(f"limit must be >= 0, got {limit!r}")
        most = min(limit, len(owned))
    return _many(owned, timeout, on_timeout, most)


def shutdown(task, timeout=5.0):
    """Stop a task and wait until it has ended.

    The caller unlinks and sends the exit signal `SHUTDOWN`; after `timeout` the task is
    killed. Nothing of it arrives afterwards.

    Args:
        task: A task of the caller.
        timeout: Seconds until it is killed, None for never, or `BRUTAL_KILL` to kill at
            once.

    Returns:
        `Ok(value)` when its reply came first; None when it ended by our signal;
        `Failed(reason)` when it ended otherwise: `Failed(KILLED)` after `timeout`, and
        `Failed(NOPROC)` when its outcome was taken before.

    Raises:
        NotOwnerError: If the caller does not own the task.

    Example:
        ```python
        import fastask

        async def main() -> None:
            task = fastask.async_(fastask.sleep, 60)
            assert await fastask.shutdown(task) is None

        fastask.run(main)
        ```

    Elixir: `Task.shutdown/2`.
    """
    _check(task)
    (<Task>task).check_owner("shutdown")
    return new_shutdown(<Task>task, timeout)


def ignore(task):
    """Let go of a task: unlink and demonitor; it goes on, and nothing of it arrives.

    Returns:
        `Ok(value)` or `Failed(reason)` when the outcome was there, else None.

    Raises:
        NotOwnerError: If the caller does not own the task.

    Example:
        ```python
        import fastask

        async def answer() -> int:
            return 42

        async def main() -> None:
            assert fastask.ignore(fastask.async_(answer)) is None
            assert fastask.ignore(fastask.completed(1)) == fastask.Ok(1)

        fastask.run(main)
        ```

    Elixir: `Task.ignore/1`.
    """
    _check(task)
    (<Task>task).check_owner("ignore")
    return ignore_task(<Task>task)


def find(tasks, message):
    """Tell whether a message that was received is the reply of one of the tasks.

    Args:
        tasks: Tasks.
        message: What `receive` returned.

    Returns:
        The value and the task, which is demonitored; None for every other message.

    Raises:
        Exit: If the message is the Down of one of them, whose reason is no exception.
        BaseException: What the task crashed with, likewise.

    Example:
        ```python
        import fastask

        async def answer() -> int:
            return 42

        async def main() -> None:
            task = fastask.async_(answer)
            message = await fastask.receive(fastask.Reply)
            assert fastask.find([task], message) == (42, task)

        fastask.run(main)
        ```

    Elixir: `Task.find/2`.
    """
    cdef Ref ref
    cdef Task task
    cdef bint down = type(message) is Down
    if type(tasks) is not list:
        check_many("tasks", tasks, "tasks")
    if down:
        ref = <Ref>(<Down>message).ref if type((<Down>message).ref) is Ref else None
    elif type(message) is Reply or (isinstance(message, tuple) and len(message) == 2):
        ref = <Ref>message[0] if type(message[0]) is Ref else None
    else:
        ref = None
    for item in tasks:
        _check(item)
        task = <Task>item
        if ref is None or (<Bond>task).ref is not ref:
            continue
        task.forget()
        if down:
            raise failure_of((<Down>message).reason)
        return message[1], task
    return None


for _verb in (await_, await_many, yield_, yield_many, shutdown):
    _verb.__fastask_wait__ = True  # it can be the function of a process
