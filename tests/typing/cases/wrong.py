"""What a type checker must refuse: an ignore that nothing needs is an error."""

from __future__ import annotations

import fastask
from fastask import Down, Failed, Ok, Process, Ref, Stream, Task, Timer


async def double(x: int) -> int:
    return 2 * x


def half(x: int) -> float:
    return x / 2


async def starting() -> None:
    fastask.async_(double, "1")  # type: ignore[arg-type]  # no int
    fastask.async_(half, "1")  # type: ignore[arg-type]  # no int
    fastask.async_(double)  # type: ignore[call-arg, arg-type]  # x is missing
    fastask.async_(double, 1, 2)  # type: ignore[call-arg, arg-type]  # too many
    fastask.async_(double, x=1)  # type: ignore[call-overload]  # use partial
    fastask.async_(double(1), 2)  # type: ignore[call-overload]  # has its arguments
    fastask.async_(1)  # type: ignore[call-overload]  # no function
    fastask.async_(half, 1, executor="fibre")  # type: ignore[call-overload]  # no such
    fastask.async_nolink(double, "1")  # type: ignore[arg-type]  # no int
    fastask.start(double, "1")  # type: ignore[arg-type]  # no int
    fastask.start_link(double, "1")  # type: ignore[arg-type]  # no int
    fastask.spawn(double, "1")  # type: ignore[arg-type]  # no int
    fastask.spawn(double, 1, trap_exit=1)  # type: ignore[call-overload]  # no bool
    fastask.spawn_link(double, "1")  # type: ignore[arg-type]  # no int
    fastask.spawn_monitor(double, "1")  # type: ignore[arg-type]  # no int
    fastask.run(double, "1")  # type: ignore[arg-type]  # no int
    fastask.child_spec(double, "1")  # type: ignore[arg-type]  # no int
    fastask.child_spec(double, 1, restart="never")  # type: ignore[arg-type]  # no word


async def collecting(task: Task[int], process: Process[int]) -> None:
    text: str = await task  # type: ignore[assignment]  # an int
    text = await process  # type: ignore[assignment]  # an int
    text = await fastask.await_(task)  # type: ignore[arg-type]  # an int
    await fastask.await_(process)  # type: ignore[arg-type]  # no task
    await fastask.await_many(task)  # type: ignore[arg-type]  # one task is no list
    await fastask.yield_many([task], on_timeout="exit")  # type: ignore[arg-type]  # no
    await fastask.shutdown(task, "brutal_kill")  # type: ignore[arg-type]  # no string
    print((await fastask.yield_(task)).value)  # type: ignore[union-attr]  # Failed or None
    print(task.process.id)  # type: ignore[union-attr]  # a completed task has none
    fastask.ignore(1)  # type: ignore[arg-type]  # no task
    fastask.find([1], "message")  # type: ignore[arg-type]  # no task
    wider: Task[bool] = task  # type: ignore[assignment]  # covariant, not the reverse
    print(text, wider)


async def forgetting_to_wait(task: Task[int]) -> None:
    fastask.sleep(1)  # type: ignore[unused-coroutine]  # not awaited
    fastask.receive()  # type: ignore[unused-coroutine]  # not awaited
    fastask.await_(task)  # type: ignore[unused-coroutine]  # not awaited
    fastask.await_many([task])  # type: ignore[unused-coroutine]  # not awaited
    fastask.yield_(task)  # type: ignore[unused-coroutine]  # not awaited
    fastask.yield_many([task])  # type: ignore[unused-coroutine]  # not awaited
    fastask.shutdown(task)  # type: ignore[unused-coroutine]  # not awaited


async def streaming() -> None:
    fastask.async_stream(["a"], double)  # type: ignore[call-arg, arg-type]  # no int
    fastask.async_stream([1], double, 2)  # type: ignore[arg-type]  # too many
    fastask.async_stream(1, double)  # type: ignore[call-overload]  # no iterable
    fastask.async_stream([1], double, on_timeout="no")  # type: ignore[call-arg, call-overload]  # no
    async for outcome in fastask.async_stream([1], double):
        print(outcome.value)  # type: ignore[union-attr]  # it may have failed


async def talking(process: Process[int], ref: Ref, task: Task[int]) -> None:
    number: int = await fastask.receive(str)  # type: ignore[arg-type]  # a str
    number = await fastask.receive(str, int)  # type: ignore[arg-type]  # a str
    number = fastask.receive_nowait(str)  # type: ignore[assignment]  # a str
    number = fastask.receive_nowait(int, default=None)  # type: ignore[assignment]  # None
    await fastask.receive("text")  # type: ignore[call-overload]  # no pattern
    await fastask.receive(int, 1.0)  # type: ignore[call-overload]  # no keyword
    fastask.send([], "message")  # type: ignore[arg-type]  # not hashable
    fastask.link("name")  # type: ignore[arg-type]  # no process
    fastask.link(task.process)  # type: ignore[arg-type]  # may be None
    fastask.demonitor(process)  # type: ignore[arg-type]  # no ref
    fastask.alias("demonitor")  # type: ignore[arg-type]  # only of monitor
    fastask.monitor(process, alias="reply")  # type: ignore[arg-type]  # only of alias
    fastask.trap_exit("yes")  # type: ignore[arg-type]  # no bool
    fastask.process_info("name")  # type: ignore[arg-type]  # no process
    fastask.send_after(process, "message", "1")  # type: ignore[arg-type]  # no number
    print(number)


def making_what_verbs_make() -> None:
    Process()  # type: ignore[call-arg]  # made by spawn
    Task()  # type: ignore[call-arg]  # made by async_
    Stream()  # type: ignore[call-arg]  # made by async_stream
    Ref()  # type: ignore[call-arg]  # made by make_ref
    Timer()  # type: ignore[call-arg]  # made by send_after


def changing_what_is_frozen(ok: Ok[int], failed: Failed, down: Down) -> None:
    ok.value = 1  # type: ignore[misc]  # frozen
    failed.reason = 1  # type: ignore[misc]  # frozen
    down.reason = 1  # type: ignore[misc]  # frozen


class Own(Down):  # type: ignore[misc]  # final
    pass


class Stack(fastask.GenServer):
    @fastask.call
    def push(self, item: str) -> int:
        return len(item)

    @fastask.cast
    def clear(self) -> None: ...


async def serving(tasks: fastask.TaskSupervisor) -> None:
    await Stack.push("stack", 1)  # type: ignore[arg-type]  # no str
    await Stack.push("stack")  # type: ignore[call-arg]  # item is missing
    text: str = await Stack.push("stack", "a")  # type: ignore[assignment]  # an int
    Stack.clear("stack", text)  # type: ignore[call-arg]  # too many
    tasks.async_(double, "1")  # type: ignore[arg-type]  # no int
    tasks.start_child(double, 1, restart="never")  # type: ignore[call-overload]  # no word
    fastask.Supervisor([], strategy="one")  # type: ignore[arg-type]  # no word
    fastask.Registry(keys="many")  # type: ignore[arg-type]  # no word
