"""Streams: leaving one early, and the death of its consumer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    Ok,
    Process,
    Ref,
    Stream,
    async_stream,
    exit,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    sleep,
    spawn,
    spawn_monitor,
    trap_exit,
)

T = TypeVar("T")

WAIT = 5.0


class Halt(Exception):
    """What a consumer raises to leave a stream."""


async def by_break(stream: Stream[T]) -> None:
    async for _ in stream:
        break


async def by_error(stream: Stream[T]) -> None:
    with pytest.raises(Halt):
        async for _ in stream:
            raise Halt


async def by_async_with(stream: Stream[T]) -> None:
    async with stream as results:
        async for _ in results:
            break


async def by_error_in_async_with(stream: Stream[T]) -> None:
    with pytest.raises(Halt):
        async with stream as results:
            async for _ in results:
                raise Halt


async def by_aclose(stream: Stream[T]) -> None:
    results = aiter(stream)
    await anext(results)
    await stream.aclose()
    del results


async def by_aclose_of_the_iterator(stream: Stream[T]) -> None:
    results: Any = aiter(stream)
    await anext(results)
    await results.aclose()


async def by_asyncio_timeout(stream: Stream[T]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            async for _ in stream:
                pass


Leave = Callable[[Stream[Any]], Awaitable[None]]

WAYS: list[Leave] = [
    by_break,
    by_error,
    by_async_with,
    by_error_in_async_with,
    by_aclose,
    by_aclose_of_the_iterator,
    by_asyncio_timeout,
]

every_way = pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)


class Crew:
    """The tasks of one stream: item 0 is done once the others run; those never end."""

    def __init__(self, others: int = 2, *, trapping: bool = False) -> None:
        self.others = others
        self.trapping = trapping
        self.running: list[Process] = []
        self.unwound: list[int] = []
        self.complete = asyncio.Event()
        self.gate = self.complete

    @property
    def items(self) -> range:
        return range(self.others + 1)

    def stream(self, items: Any = None) -> Stream[int]:
        """Stream over `items`, which are 0, 1, 2 ... if not given."""
        return async_stream(
            self.items if items is None else items,
            self.work,
            max_concurrency=self.others + 1,
            timeout=None,
        )

    async def work(self, item: int) -> int:
        if item == 0:
            await self.gate.wait()
            return item
        trap_exit(self.trapping)
        self.running.append(self_())
        if len(self.running) == self.others:
            self.complete.set()
        try:
            while True:
                await receive()
        finally:
            self.unwound.append(item)

    def watch(self) -> list[Ref]:
        return [monitor(process) for process in self.running]

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.running if process.alive]


async def consume_and_hang(stream: Stream[T], observer: Process) -> None:
    """Take one result, tell the observer and wait for ever in the loop's body."""
    async for _ in stream:
        send(observer, "inside")
        await asyncio.Event().wait()


async def hold_and_hang(stream: Stream[T], observer: Process) -> None:
    """As `consume_and_hang`, in `async with`."""
    async with stream as results:
        await consume_and_hang(results, observer)


async def reason_of(ref: Ref) -> object:
    down = await receive(ref, timeout=WAIT)
    assert isinstance(down, Down)
    return down.reason


def leftovers() -> list[object]:
    info = process_info(self_())
    assert info is not None
    return [*info.messages, *info.links, *info.monitors]


class TestEveryWay:
    @every_way
    async def test_the_tasks_are_dead_when_control_returns(self, leave: Leave) -> None:
        """STRM 235, 282."""
        crew = Crew()
        await leave(crew.stream())

        assert len(crew.running) == 2
        assert crew.alive == []
        assert processes() == [self_()]

    @every_way
    async def test_the_tasks_have_unwound_when_control_returns(
        self, leave: Leave
    ) -> None:
        """STRM 282."""
        crew = Crew()
        await leave(crew.stream())

        assert sorted(crew.unwound) == [1, 2]

    @every_way
    async def test_tasks_that_trap_exits_are_killed_as_well(self, leave: Leave) -> None:
        """STRM 235."""
        crew = Crew(trapping=True)
        await leave(crew.stream())

        assert len(crew.running) == 2
        assert crew.alive == []

    @every_way
    async def test_the_tasks_are_killed(self, leave: Leave) -> None:
        """STRM 235."""

        async def watch(observer: Process) -> None:
            await crew.complete.wait()
            refs = crew.watch()
            crew.gate.set()
            send(observer, [await reason_of(ref) for ref in refs])

        crew = Crew()
        crew.gate = asyncio.Event()
        spawn(watch, self_())
        await leave(crew.stream())

        assert await receive(list, timeout=WAIT) == [KILLED, KILLED]

    @every_way
    @pytest.mark.parametrize("trapping", [True, False])
    async def test_nothing_is_left_in_the_consumer(
        self, trapping: bool, leave: Leave
    ) -> None:
        """STRM 235, 240, 262."""
        trap_exit(trapping)
        await leave(Crew().stream())

        assert leftovers() == []

    @every_way
    async def test_nothing_arrives_afterwards(self, leave: Leave) -> None:
        """STRM 235."""
        trap_exit(True)
        await leave(Crew().stream())
        await sleep(0.02)

        assert leftovers() == []

    @every_way
    async def test_messages_of_others_stay(self, leave: Leave) -> None:
        """STRM 268."""
        send(self_(), "first")
        send(self_(), "second")
        await leave(Crew().stream())

        assert leftovers() == ["first", "second"]

    @every_way
    async def test_the_input_is_closed(self, leave: Leave) -> None:
        """STRM 240."""
        closed: list[str] = []

        def items() -> Iterator[int]:
            try:
                yield from crew.items
                yield 99
            finally:
                closed.append("closed")

        crew = Crew()
        stream = crew.stream(items())
        await leave(stream)

        assert closed == ["closed"]

    @every_way
    async def test_an_input_that_is_no_generator_is_closed(self, leave: Leave) -> None:
        """STRM 240."""
        closed: list[str] = []

        class Input:
            def __init__(self) -> None:
                self.items = iter(range(100))

            def __iter__(self) -> Input:
                return self

            def __next__(self) -> int:
                return next(self.items)

            def close(self) -> None:
                closed.append("closed")

        source = Input()
        await leave(Crew().stream(source))

        assert closed == ["closed"]

    @every_way
    async def test_an_async_input_is_closed(self, leave: Leave) -> None:
        """STRM 240."""
        me = self_()

        async def items() -> AsyncIterator[int]:
            try:
                for item in crew.items:
                    yield item
                yield 99
            finally:
                await asyncio.sleep(0)
                send(me, "closed")

        crew = Crew()
        stream = crew.stream(items())
        await leave(stream)

        assert await receive(timeout=WAIT) == "closed"

    @every_way
    async def test_an_async_input_that_is_being_waited_for_is_closed(
        self, leave: Leave
    ) -> None:
        """STRM 240."""
        me = self_()

        async def items() -> AsyncIterator[int]:
            try:
                for item in crew.items:
                    yield item
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                send(me, "closed")

        crew = Crew()
        stream = async_stream(items(), crew.work, max_concurrency=8, timeout=None)
        await leave(stream)

        assert crew.alive == []
        assert await receive(timeout=WAIT) == "closed"

    @every_way
    async def test_an_async_input_that_is_no_generator_is_closed(
        self, leave: Leave
    ) -> None:
        """STRM 240."""
        me = self_()

        class Input:
            def __init__(self) -> None:
                self.items = iter(range(100))

            def __aiter__(self) -> Input:
                return self

            async def __anext__(self) -> int:
                return next(self.items)

            async def aclose(self) -> None:
                await asyncio.sleep(0)
                send(me, "closed")

        source = Input()
        await leave(Crew().stream(source))

        assert await receive(timeout=WAIT) == "closed"

    @every_way
    async def test_no_task_or_timer_holds_the_items(self, leave: Leave) -> None:
        """STRM 235."""

        class Item:
            pass

        held: list[weakref.ref[Item]] = []
        complete = asyncio.Event()

        async def work(item: Item) -> None:
            held.append(weakref.ref(item))
            if len(held) < 3:
                await complete.wait()
            if len(held) == 3 and not complete.is_set():
                complete.set()
                await asyncio.Event().wait()

        items = (Item() for _ in range(3))
        await leave(async_stream(items, work, max_concurrency=3, timeout=3600.0))
        gc.collect()

        assert len(held) == 3
        assert [ref() for ref in held] == [None, None, None]


class TestLeaving:
    async def test_the_error_of_the_consumer_is_not_changed(self) -> None:
        """STRM 262."""
        error = Halt("unchanged")
        with pytest.raises(Halt) as caught:
            async for _ in Crew().stream():
                raise error

        assert caught.value is error
        assert error.__context__ is None

    async def test_the_error_leaves_async_with_unchanged(self) -> None:
        """STRM 262."""
        error = Halt("unchanged")
        with pytest.raises(Halt) as caught:
            async with Crew().stream() as results:
                async for _ in results:
                    raise error

        assert caught.value is error

    async def test_a_closed_iterator_gives_nothing_more(self) -> None:
        """STRM 282."""
        results: Any = aiter(Crew().stream())
        first = await anext(results)
        await results.aclose()

        assert first == Ok(0)
        assert [result async for result in results] == []

    async def test_closing_twice_does_no_harm(self) -> None:
        stream = Crew().stream()
        await by_aclose(stream)
        await stream.aclose()

        assert leftovers() == []

    async def test_closing_a_stream_that_never_ran_starts_nothing(self) -> None:
        """STRM 253."""
        crew = Crew()
        async with crew.stream() as stream:
            await stream.aclose()

        assert crew.running == []

    async def test_leaving_after_the_last_result_does_no_harm(self) -> None:
        async def same(item: int) -> int:
            return item

        async with async_stream([1, 2], same) as results:
            given = [result async for result in results]

        assert given == [Ok(1), Ok(2)]
        assert leftovers() == []

    async def test_a_break_kills_although_the_stream_is_kept(self) -> None:
        """STRM 282."""
        crew = Crew()
        stream = crew.stream()
        async for _ in stream:
            break
        alive = crew.alive

        assert alive == []
        assert stream is not None

    async def test_dropping_the_iterator_kills(self) -> None:
        """STRM 282."""
        crew = Crew()
        results = aiter(crew.stream())
        await anext(results)
        alive_before = len(crew.alive)
        del results

        assert alive_before == 2
        assert crew.alive == []

    async def test_a_transformation_downstream_is_closed(self) -> None:
        """STRM 239."""
        ended: list[str] = []
        crew = Crew()

        async def downstream() -> AsyncIterator[str]:
            try:
                async for result in crew.stream():
                    yield repr(result)
            finally:
                ended.append("ended")

        given: Any = downstream()
        async with contextlib.aclosing(given):
            async for _ in given:
                break

        assert ended == ["ended"]
        assert crew.alive == []

    async def test_the_input_is_closed_once_at_the_end(self) -> None:
        """STRM 240."""
        closed: list[str] = []

        def items() -> Iterator[int]:
            try:
                yield from (1, 2)
            finally:
                closed.append("closed")

        async def same(item: int) -> int:
            return item

        async with async_stream(items(), same) as results:
            given = [result async for result in results]

        assert given == [Ok(1), Ok(2)]
        assert closed == ["closed"]

    async def test_a_task_that_swallows_its_end_is_dead_all_the_same(self) -> None:
        """STRM 282."""
        hung: list[Process] = []
        complete = asyncio.Event()

        async def swallow(item: int) -> int:
            if item == 0:
                await complete.wait()
                return item
            hung.append(self_())
            complete.set()
            with contextlib.suppress(BaseException):
                await asyncio.Event().wait()
            return item

        async with async_stream(range(2), swallow, max_concurrency=2) as results:
            async for _ in results:
                break

        assert [process.alive for process in hung] == [False]
        assert leftovers() == []

    async def test_a_thread_in_flight_does_not_hold_the_consumer(self) -> None:
        release = threading.Event()

        def block(item: int) -> int:
            if item:
                release.wait(WAIT)
            return item

        async with async_stream(range(2), block, max_concurrency=2) as results:
            async for _ in results:
                break
        left = processes()
        release.set()

        assert left == [self_()]


class TestDeathOfTheConsumer:
    @pytest.mark.parametrize("consume", [consume_and_hang, hold_and_hang])
    @pytest.mark.parametrize("reason", ["enough", SHUTDOWN], ids=str)
    async def test_the_tasks_die_with_its_reason(
        self, reason: object, consume: Callable[..., Coroutine[Any, Any, None]]
    ) -> None:
        """STRM 282."""
        crew = Crew()
        consumer, consumer_ref = spawn_monitor(consume, crew.stream(), self_())
        await receive(str, timeout=WAIT)
        refs = crew.watch()
        exit(consumer, reason)

        assert await reason_of(consumer_ref) == reason
        assert [await reason_of(ref) for ref in refs] == [reason, reason]

    async def test_the_tasks_of_a_killed_consumer_are_killed(self) -> None:
        """STRM 282."""
        crew = Crew()
        consumer, _ = spawn_monitor(consume_and_hang, crew.stream(), self_())
        await receive(str, timeout=WAIT)
        refs = crew.watch()
        exit(consumer, KILL)

        assert [await reason_of(ref) for ref in refs] == [KILLED, KILLED]

    @pytest.mark.parametrize("reason", ["enough", SHUTDOWN, KILL], ids=str)
    @pytest.mark.parametrize("consume", [consume_and_hang, hold_and_hang])
    async def test_tasks_that_trap_exits_are_killed(
        self, consume: Callable[..., Coroutine[Any, Any, None]], reason: object
    ) -> None:
        """STRM 282."""
        crew = Crew(trapping=True)
        consumer, _ = spawn_monitor(consume, crew.stream(), self_())
        await receive(str, timeout=WAIT)
        refs = crew.watch()
        exit(consumer, reason)

        assert [await reason_of(ref) for ref in refs] == [KILLED, KILLED]

    async def test_the_tasks_die_when_it_waits_for_a_result(self) -> None:
        """STRM 282."""
        crew = Crew()

        async def consume(stream: Stream[int]) -> None:
            async for _ in stream:
                pass

        consumer, _ = spawn_monitor(consume, crew.stream())
        await crew.complete.wait()
        refs = crew.watch()
        exit(consumer, "enough")

        assert [await reason_of(ref) for ref in refs] == ["enough", "enough"]

    @pytest.mark.parametrize("reason", ["enough", SHUTDOWN, KILL], ids=str)
    async def test_the_input_is_closed(self, reason: object) -> None:
        """STRM 240."""
        closed: list[str] = []

        def items() -> Iterator[int]:
            try:
                yield from crew.items
                yield 99
            finally:
                closed.append("closed")

        crew = Crew()
        stream = crew.stream(items())
        consumer, ref = spawn_monitor(consume_and_hang, stream, self_())
        await receive(str, timeout=WAIT)
        exit(consumer, reason)
        await reason_of(ref)

        assert closed == ["closed"]

    async def test_an_iterator_that_outlives_it_keeps_no_task_alive(self) -> None:
        """STRM 282."""
        kept: list[object] = []
        crew = Crew()

        async def abandon() -> None:
            results = aiter(crew.stream())
            kept.append(results)
            await anext(results)
            await receive(str)

        consumer, consumer_ref = spawn_monitor(abandon)
        await crew.complete.wait()
        refs = crew.watch()
        send(consumer, "go")

        assert await reason_of(consumer_ref) == NORMAL
        for ref in refs:
            await reason_of(ref)
        assert crew.alive == []
        assert len(kept) == 1

    async def test_an_abandoned_task_that_traps_exits_dies_too(self) -> None:
        """STRM 282."""
        kept: list[object] = []
        crew = Crew(trapping=True)

        async def abandon() -> None:
            results = aiter(crew.stream())
            kept.append(results)
            await anext(results)
            await receive(str)

        consumer, consumer_ref = spawn_monitor(abandon)
        await crew.complete.wait()
        refs = crew.watch()
        send(consumer, "go")

        assert await reason_of(consumer_ref) == NORMAL
        for ref in refs:
            await reason_of(ref)
        assert crew.alive == []
        assert len(kept) == 1


@pytest.mark.parametrize("leave", [by_async_with, by_error_in_async_with])
async def test_an_async_input_has_been_closed_when_async_with_is_left(
    leave: Leave,
) -> None:
    closed = []

    async def items() -> AsyncIterator[int]:
        try:
            for item in range(9):
                yield item
        finally:
            closed.append("closed")

    await leave(Crew().stream(items()))
    assert closed == ["closed"]
