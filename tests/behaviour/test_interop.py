"""Other people's asyncio code inside processes: asyncio itself, anyio, aiohttp."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from fastask import (
    NORMAL,
    SHUTDOWN,
    Down,
    Process,
    Ref,
    async_,
    await_,
    exit,
    monitor,
    process_info,
    processes,
    receive,
    receive_nowait,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
)

pytest.importorskip("aiohttp")
pytest.importorskip("anyio")

import anyio
import anyio.abc
import anyio.to_thread
from aiohttp import ClientSession, web

WAIT = 5.0


class WorkError(Exception):
    """What failing work raises."""


async def double(item: int) -> int:
    return item * 2


async def forever() -> None:
    await asyncio.Event().wait()


async def fail(error: Exception) -> None:
    raise error


async def reason_of(ref: Ref) -> object:
    down = await receive(ref, timeout=WAIT)
    assert isinstance(down, Down)
    return down.reason


def leftovers() -> list[object]:
    info = process_info(self_())
    assert info is not None
    return [*info.messages, *info.links, *info.monitors]


class TestCurrentTask:
    async def test_is_the_process(self) -> None:
        current: object = asyncio.current_task()

        assert current == self_()

    async def test_is_the_process_after_a_wait_too(self) -> None:
        async def work() -> bool:
            await asyncio.sleep(0)
            await sleep(0)
            current: object = asyncio.current_task()
            return current == self_()

        assert await async_(work) is True

    async def test_a_task_that_a_process_creates_is_another(self) -> None:
        async def work() -> Process:
            return self_()

        assert await asyncio.create_task(work()) != self_()


class TestTimeout:
    async def test_ends_a_wait_of_asyncio(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await forever()

    async def test_ends_a_receive(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await receive()

    async def test_ends_a_sleep(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await sleep(3600.0)

    async def test_loses_no_message(self) -> None:
        send(self_(), 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await receive(str)

        assert receive_nowait() == 1

    async def test_leaves_the_task_that_was_awaited_as_it_was(self) -> None:
        gate = asyncio.Event()

        async def work() -> str:
            await gate.wait()
            return "done"

        task = async_(work)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await await_(task, timeout=None)
        gate.set()

        assert await await_(task) == "done"
        assert leftovers() == []

    async def test_that_does_not_expire_changes_nothing(self) -> None:
        async with asyncio.timeout(WAIT):
            send_after(self_(), "tick", 0.005)

            assert await receive() == "tick"

    async def test_wait_for_takes_a_message_of_the_process(self) -> None:
        send_after(self_(), "tick", 0.005)

        assert await asyncio.wait_for(receive(), WAIT) == "tick"

    async def test_wait_for_gives_up(self) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)

        assert leftovers() == []

    async def test_an_exit_signal_is_no_timeout(self) -> None:
        me = self_()

        async def work() -> None:
            async with asyncio.timeout(WAIT):
                send(me, "inside")
                await forever()

        process, ref = spawn_monitor(work)
        await receive(str, timeout=WAIT)
        exit(process, "enough")

        assert await reason_of(ref) == "enough"


class TestTaskGroup:
    async def test_gives_results(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(double(item)) for item in (1, 2)]

        assert [task.result() for task in tasks] == [2, 4]

    async def test_a_child_that_fails_ends_the_group(self) -> None:
        error = WorkError("boom")
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(forever())
                group.create_task(fail(error))

        assert caught.value.exceptions == (error,)

    async def test_a_child_that_fails_interrupts_a_receive(self) -> None:
        error = WorkError("boom")
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fail(error))
                await receive()

        assert leftovers() == []

    async def test_children_may_talk_to_the_process(self) -> None:
        async def tell(process: Process, message: str) -> None:
            send(process, message)

        async with asyncio.TaskGroup() as group:
            group.create_task(tell(self_(), "from a child"))

            assert await receive(timeout=WAIT) == "from a child"

    async def test_an_exit_signal_cancels_the_children(self) -> None:
        me = self_()
        cancelled: list[str] = []

        async def child() -> None:
            send(me, "inside")
            try:
                await forever()
            finally:
                cancelled.append("child")

        async def work() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())

        process, ref = spawn_monitor(work)
        await receive(str, timeout=WAIT)
        exit(process, "enough")

        assert await reason_of(ref) == "enough"
        assert cancelled == ["child"]


class TestAwaitableProcess:
    async def test_gives_the_result_of_its_function(self) -> None:
        assert await spawn(double, 2) == 4

    async def test_raises_the_exception_of_its_function(self) -> None:
        error = WorkError("boom")
        with pytest.raises(WorkError) as caught:
            await spawn(fail, error)

        assert caught.value is error

    async def test_passes_as_a_future(self) -> None:
        process = spawn(double, 2)
        passes = asyncio.isfuture(process)
        await process

        assert passes is True

    async def test_gather(self) -> None:
        values = await asyncio.gather(spawn(double, 1), spawn(double, 2))

        assert list(values) == [2, 4]

    async def test_gather_of_tasks_leaves_the_mailbox_alone(self) -> None:
        send(self_(), "mine")
        tasks = [async_(double, 1), async_(double, 2)]
        values = list(await asyncio.gather(*tasks))
        for task in tasks:
            await await_(task)

        assert values == [2, 4]
        assert leftovers() == ["mine"]

    async def test_wait_takes_the_first_that_is_done(self) -> None:
        slow, fast = spawn(forever), spawn(double, 2)
        # To typeshed only an asyncio.Future is one:
        done, pending = await asyncio.wait(  # type: ignore[type-var]
            [slow, fast],  # pyright: ignore[reportArgumentType]
            return_when=asyncio.FIRST_COMPLETED,
        )
        exit(slow, SHUTDOWN)
        await reason_of(monitor(slow))

        assert (done, pending) == ({fast}, {slow})

    async def test_shield_keeps_it_alive(self) -> None:
        process = spawn(forever)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.shield(process)
        alive = process.alive
        process.cancel()
        # To typeshed only an asyncio.Future is one:
        await asyncio.wait([process])  # type: ignore[type-var]

        assert alive is True
        assert process.alive is False

    async def test_a_cancelled_wait_cancels_it(self) -> None:
        process, ref = spawn_monitor(forever)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process, 0.01)

        assert await reason_of(ref) == SHUTDOWN


class TestPrimitives:
    async def test_a_queue_between_processes(self) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)

        async def produce() -> None:
            for number in range(5):
                await queue.put(number)

        async def consume() -> list[int]:
            return [await queue.get() for _ in range(5)]

        producer, consumer = async_(produce), async_(consume)
        await producer

        assert await consumer == [0, 1, 2, 3, 4]

    async def test_a_lock_lets_one_process_in(self) -> None:
        lock = asyncio.Lock()
        inside = peak = 0

        async def work() -> None:
            nonlocal inside, peak
            async with lock:
                inside += 1
                peak = max(peak, inside)
                await asyncio.sleep(0)
                inside -= 1

        for task in [async_(work) for _ in range(5)]:
            await task

        assert peak == 1

    async def test_a_lock_is_free_when_its_holder_was_ended(self) -> None:
        me = self_()
        lock = asyncio.Lock()

        async def hold() -> None:
            async with lock:
                send(me, "inside")
                await receive()

        process, ref = spawn_monitor(hold)
        await receive(str, timeout=WAIT)
        exit(process, "enough")
        await reason_of(ref)

        assert lock.locked() is False

    async def test_a_process_that_waits_for_a_lock_can_be_ended(self) -> None:
        lock = asyncio.Lock()
        me = self_()

        async def want() -> None:
            send(me, "asking")
            async with lock:
                pass

        async with lock:
            process, ref = spawn_monitor(want)
            await receive(str, timeout=WAIT)
            await asyncio.sleep(0)
            exit(process, "enough")
            reason = await reason_of(ref)

        assert reason == "enough"
        async with asyncio.timeout(WAIT):
            async with lock:
                pass

    async def test_a_condition_wakes_processes(self) -> None:
        condition = asyncio.Condition()
        waiting = 0
        ready = asyncio.Event()

        async def work() -> str:
            nonlocal waiting
            async with condition:
                waiting += 1
                if waiting == 2:
                    ready.set()
                await condition.wait()
            return "woken"

        tasks = [async_(work), async_(work)]
        await ready.wait()
        async with condition:
            condition.notify_all()

        assert [await task for task in tasks] == ["woken", "woken"]

    async def test_to_thread(self) -> None:
        async def work() -> int:
            return await asyncio.to_thread(threading.get_ident)

        assert await async_(work) != threading.get_ident()

    async def test_a_process_that_waits_for_a_thread_can_be_ended(self) -> None:
        me = self_()
        loop = asyncio.get_running_loop()
        started = asyncio.Event()
        release = threading.Event()

        def block() -> None:
            loop.call_soon_threadsafe(started.set)
            release.wait(WAIT)

        async def work() -> None:
            send(me, "inside")
            await asyncio.to_thread(block)

        process, ref = spawn_monitor(work)
        await receive(str, timeout=WAIT)
        await started.wait()
        exit(process, "enough")
        reason = await reason_of(ref)
        release.set()

        assert reason == "enough"

    async def test_a_subprocess(self) -> None:
        async def work() -> tuple[int | None, bytes]:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "print('hello')", stdout=asyncio.subprocess.PIPE
            )
            output, _ = await child.communicate()
            return child.returncode, output.strip()

        assert await async_(work) == (0, b"hello")

    async def test_a_process_that_waits_for_a_subprocess_can_be_ended(self) -> None:
        me = self_()
        codes: list[int | None] = []

        async def work() -> None:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "import time; time.sleep(60)"
            )
            send(me, "inside")
            try:
                await child.wait()
            finally:
                child.kill()
                codes.append(await child.wait())

        process, ref = spawn_monitor(work)
        await receive(str, timeout=WAIT)
        exit(process, "enough")

        assert await reason_of(ref) == "enough"
        assert codes != []

    async def test_streams_of_asyncio(self) -> None:
        async def echo(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def ask(port: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\n")
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return answer

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            answer = await async_(ask, port)

        assert answer == b"hello\n"


class TestAnyio:
    async def test_a_task_group_gives_way_to_its_children(self) -> None:
        ran: list[int] = []

        async def child(number: int) -> None:
            await anyio.sleep(0)
            ran.append(number)

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(child, number)

        assert sorted(ran) == [0, 1, 2]

    async def test_a_child_that_fails_ends_the_group(self) -> None:
        error = WorkError("boom")
        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                group.start_soon(forever)
                group.start_soon(fail, error)

        assert caught.value.exceptions == (error,)

    async def test_a_child_is_started_when_it_says_so(self) -> None:
        async def child(
            *, task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED
        ) -> None:
            task_status.started("ready")

        async with anyio.create_task_group() as group:
            status = await group.start(child)

        assert status == "ready"

    async def test_children_may_use_processes(self) -> None:
        values: list[int] = []

        async def child(number: int) -> None:
            values.append(await async_(double, number))

        async with anyio.create_task_group() as group:
            group.start_soon(child, 1)
            group.start_soon(child, 2)

        assert sorted(values) == [2, 4]

    async def test_a_cancelled_scope_ends_a_receive(self) -> None:
        async def cancel(scope: anyio.CancelScope) -> None:
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(cancel, group.cancel_scope)
            await receive()

        assert group.cancel_scope.cancelled_caught is True
        assert leftovers() == []

    @pytest.mark.parametrize(
        "wait",
        [
            lambda: receive(),
            lambda: sleep(3600.0),
            lambda: forever(),
            lambda: anyio.sleep(3600.0),
        ],
        ids=["receive", "sleep", "asyncio", "anyio"],
    )
    async def test_move_on_after_ends_a_wait(self, wait: Callable[[], Any]) -> None:
        with anyio.move_on_after(0.01) as scope:
            await wait()

        assert scope.cancelled_caught is True

    async def test_move_on_after_loses_no_message(self) -> None:
        send(self_(), 1)
        with anyio.move_on_after(0.01):
            await receive(str)

        assert receive_nowait() == 1

    async def test_fail_after_raises(self) -> None:
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.01):
                await receive()

    async def test_a_process_goes_on_after_a_scope_was_cancelled(self) -> None:
        async def work() -> str:
            with anyio.move_on_after(0.01):
                await forever()
            await asyncio.sleep(0)
            await sleep(0)
            return "went on"

        assert await async_(work) == "went on"

    async def test_a_shielded_scope_is_not_cancelled(self) -> None:
        async def work() -> str:
            with anyio.move_on_after(0.01):
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.03)
                    return "finished"
            return "cancelled"

        assert await async_(work) == "finished"

    async def test_an_exit_signal_cancels_a_task_group(self) -> None:
        me = self_()
        cancelled: list[str] = []

        async def child() -> None:
            send(me, "inside")
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.append("child")

        async def work() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(child)

        process, ref = spawn_monitor(work)
        await receive(str, timeout=WAIT)
        exit(process, "enough")

        assert await reason_of(ref) == "enough"
        assert cancelled == ["child"]

    async def test_a_linked_crash_ends_a_task_group(self) -> None:
        error = WorkError("boom")

        async def work() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(forever)
                spawn_link(fail, error)
                await receive()

        _, ref = spawn_monitor(work)

        assert await reason_of(ref) is error

    async def test_memory_streams_between_processes(self) -> None:
        writer, reader = anyio.create_memory_object_stream[int](0)

        async def produce() -> None:
            async with writer:
                for number in range(3):
                    await writer.send(number)

        async def consume() -> list[int]:
            async with reader:
                return [number async for number in reader]

        producer, consumer = async_(produce), async_(consume)
        await producer

        assert await consumer == [0, 1, 2]

    async def test_to_thread(self) -> None:
        async def work() -> int:
            return await anyio.to_thread.run_sync(threading.get_ident)

        assert await async_(work) != threading.get_ident()


async def serve(owner: Process, handler: Callable[..., Awaitable[Any]]) -> None:
    """Serve `handler` on a free port of the loopback; tell the owner which."""
    app = web.Application()
    app.router.add_get("/{number}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        send(owner, ("serving", runner.addresses[0][1]))
        await receive()
    finally:
        await runner.cleanup()


async def get(port: int, number: int) -> str:
    url = f"http://127.0.0.1:{port}/{number}"
    async with ClientSession() as session, session.get(url) as response:
        return str(await response.text())


async def with_server(
    handler: Callable[..., Awaitable[Any]],
    use: Callable[[int], Coroutine[Any, Any, None]],
) -> object:
    """Call `use` with the port of a server; return the reason the server ended with."""
    server, ref = spawn_monitor(serve, self_(), handler)
    _, port = await receive(tuple, timeout=WAIT)
    try:
        await use(port)
    finally:
        send(server, "stop")
        reason = await reason_of(ref)
    return reason


class TestAiohttp:
    async def test_a_server_and_clients_in_processes(self) -> None:
        async def handler(request: web.Request) -> web.Response:
            return web.Response(text=f"number {request.match_info['number']}")

        async def use(port: int) -> None:
            tasks = [async_(get, port, number) for number in range(5)]
            answers.extend([await task for task in tasks])

        answers: list[str] = []
        reason = await with_server(handler, use)

        assert answers == [f"number {number}" for number in range(5)]
        assert reason == NORMAL

    async def test_a_handler_may_use_processes(self) -> None:
        async def handler(request: web.Request) -> web.Response:
            number = int(request.match_info["number"])
            return web.Response(text=str(await async_(double, number)))

        async def use(port: int) -> None:
            answers.append(await get(port, 21))

        answers: list[str] = []
        await with_server(handler, use)

        assert answers == ["42"]

    async def test_a_client_can_be_ended_in_the_middle_of_a_request(self) -> None:
        asked = asyncio.Event()
        release = asyncio.Event()

        async def handler(request: web.Request) -> web.Response:
            asked.set()
            await release.wait()
            return web.Response(text="too late")

        async def use(port: int) -> None:
            client, ref = spawn_monitor(get, port, 1)
            await asked.wait()
            exit(client, "enough")
            reasons.append(await reason_of(ref))
            release.set()

        reasons: list[object] = []
        await with_server(handler, use)

        assert reasons == ["enough"]

    async def test_a_server_cleans_up_when_it_is_ended(self) -> None:
        async def handler(request: web.Request) -> web.Response:
            return web.Response(text="never asked")

        server, ref = spawn_monitor(serve, self_(), handler)
        _, port = await receive(tuple, timeout=WAIT)
        exit(server, SHUTDOWN)
        reason = await reason_of(ref)

        assert reason == SHUTDOWN
        assert processes() == [self_()]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
