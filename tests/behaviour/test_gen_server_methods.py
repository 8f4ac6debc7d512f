"""`@call` and `@cast`: methods of a server that its clients call."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Awaitable
from typing import Any

import pytest

import fastask
from fastask import (
    NOPROC,
    Answer,
    CallError,
    CallTimeoutError,
    Continue,
    GenCall,
    GenServer,
    NoReply,
    Process,
    Request,
    Stop,
    call,
    cast,
    monitor,
    receive,
    self_,
    spawn,
)


async def running(start: Awaitable[Process[None] | None]) -> Process[None]:
    """Wait for a start that must succeed."""
    process = await start
    assert process is not None
    return process


async def ended(process: Process[Any]) -> Any:
    """Wait for the end of a process and return its reason."""
    return (await receive(monitor(process))).reason


class Stack(GenServer):
    """The example of `api.md`, with methods of every kind."""

    async def init(self, *items: str) -> None:
        self.items = list(items)

    @call
    def push(self, item: str) -> int:
        """Put an item on top."""
        self.items.append(item)
        return len(self.items)

    @call
    async def pop(self, default: str = "empty") -> str:
        await asyncio.sleep(0)
        return self.items.pop() if self.items else default

    @call
    def peek(self, /, *positions: int, **options: bool) -> list[str]:
        found = [self.items[position] for position in positions]
        return found[::-1] if options.get("reverse") else found

    @call
    def show(self, *, upper: bool) -> list[str]:
        return [item.upper() if upper else item for item in self.items]

    @call
    def both(self, item: str) -> int:
        return self.push(item) + self.push(item)

    @cast
    def clear(self) -> None:
        self.items.clear()

    @cast
    async def put(self, item: str, times: int = 1) -> None:
        await asyncio.sleep(0)
        self.items += [item] * times

    @call
    def fail(self, error: BaseException) -> None:
        raise error

    @cast
    def fail_silently(self, error: BaseException) -> None:
        raise error

    @call
    def answer(self, result: Any) -> Any:
        return result

    @call(timeout=0.01)
    def never(self) -> Any:
        return NoReply()

    @call(timeout=None)
    def patient(self) -> str:
        return "patient"

    def plain(self) -> str:
        return "no client may call this"

    def handle_call(self, request: Any, from_: GenCall) -> Any:
        return ("handle_call", request)

    def handle_cast(self, request: Any) -> None:
        self.items.append(f"handle_cast {request}")

    def handle_continue(self, argument: Any) -> None:
        self.items.append(argument)


class TestCallMethod:
    async def test_runs_in_the_server_and_returns_its_result(self) -> None:
        await Stack.start_link("a", name="stack")

        assert await Stack.push("stack", "b") == 2
        assert await Stack.pop("stack") == "b"
        assert await Stack.pop("stack") == "a"
        await GenServer.stop("stack")

    async def test_uses_its_defaults(self) -> None:
        stack = await running(Stack.start_link())

        assert await Stack.pop(stack) == "empty"
        assert await Stack.pop(stack, "nothing") == "nothing"
        assert await Stack.pop(stack, default="nil") == "nil"
        await GenServer.stop(stack)

    async def test_takes_any_arguments(self) -> None:
        stack = await running(Stack.start_link("a", "b", "c"))

        assert await Stack.peek(stack) == []
        assert await Stack.peek(stack, 0, 2) == ["a", "c"]
        assert await Stack.peek(stack, 0, 2, reverse=True) == ["c", "a"]
        assert await Stack.show(stack, upper=True) == ["A", "B", "C"]
        await GenServer.stop(stack)

    @pytest.mark.parametrize("value", [None, (), (1,), (1, 2), [], {"a": 1}], ids=repr)
    async def test_gives_a_lone_argument_as_it_is(self, value: object) -> None:
        """A tuple is not taken apart, and None is an argument."""
        stack = await running(Stack.start_link())

        assert await Stack.answer(stack, value) is value
        await GenServer.stop(stack)

    async def test_is_a_plain_method_inside_the_server(self) -> None:
        stack = await running(Stack.start_link())

        assert await Stack.both(stack, "x") == 3
        await GenServer.stop(stack)

    async def test_may_answer_and_go_on(self) -> None:
        stack = await running(Stack.start_link())

        answer: Any = Answer("reply", then=Continue("later"))
        assert await Stack.answer(stack, answer) == "reply"
        assert await Stack.pop(stack) == "later"
        await GenServer.stop(stack)

    async def test_may_stop_with_a_reply(self) -> None:
        stack = await running(Stack.start())
        ref = monitor(stack)

        assert await Stack.answer(stack, Stop("over", reply="bye")) == "bye"
        assert (await receive(ref)).reason == "over"

    async def test_that_raises_ends_the_server(self) -> None:
        error = ValueError("boom")
        stack = await running(Stack.start())

        with pytest.raises(CallError) as caught:
            await Stack.fail(stack, error)
        assert caught.value.reason is error
        assert caught.value.__cause__ is error
        assert not stack.alive

    async def test_names_the_request_in_its_errors(self) -> None:
        with pytest.raises(CallError, match=r"push\('a'\)") as caught:
            await Stack.push("nobody", "a")
        assert caught.value.reason == NOPROC
        assert caught.value.request == Request("push", ("a",))

    async def test_has_a_time_of_its_own(self) -> None:
        stack = await running(Stack.start_link())

        with pytest.raises(CallTimeoutError):
            await Stack.never(stack)
        assert await Stack.patient(stack) == "patient"
        await GenServer.stop(stack)

    async def test_is_what_a_task_can_run(self) -> None:
        """What is awaited by a client is no plain function for a thread."""
        stack = await running(Stack.start_link())

        assert await fastask.async_nolink(Stack.push, stack, "a") == 1
        await GenServer.stop(stack)

    async def test_its_generic_kin_is_what_a_task_can_run_too(self) -> None:
        stack = await running(Stack.start_link())

        got: Any = await fastask.async_nolink(GenServer.call, stack, "hello")
        assert got == ("handle_call", "hello")
        await fastask.async_nolink(GenServer.stop, stack)
        assert not stack.alive


class TestCastMethod:
    async def test_returns_none_and_is_done_in_order(self) -> None:
        stack = await running(Stack.start_link("a"))

        Stack.clear(stack)
        Stack.put(stack, "b", 2)
        Stack.put(stack, "c", times=1)
        assert await Stack.peek(stack, 0, 1, 2) == ["b", "b", "c"]
        await GenServer.stop(stack)

    async def test_is_silent_when_nobody_is_there(self) -> None:
        stack = await running(Stack.start_link())
        await GenServer.stop(stack)

        for dest in (stack, "nobody", None):
            Stack.clear(dest)

    async def test_that_raises_ends_the_server(self) -> None:
        error = ValueError("boom")
        stack = await running(Stack.start())
        Stack.fail_silently(stack, error)

        assert await ended(stack) is error

    async def test_with_a_result_is_a_bad_return_value(self) -> None:
        class Odd(GenServer):
            @cast
            def give(self) -> int:
                return 5

        odd = await running(Odd.start())
        Odd.give(odd)

        assert await ended(odd) == ("bad_return_value", 5)


class TestArguments:
    """Wrong arguments are an error of the caller, and the server lives on."""

    async def test_of_a_call_raise_before_anything_is_sent(self) -> None:
        stack = await running(Stack.start_link())
        wrong: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
            (Stack.push, (), {}),
            (Stack.push, ("a", "b"), {}),
            (Stack.push, ("a",), {"item": "b"}),
            (Stack.push, ("a",), {"times": 2}),
            (Stack.show, (True,), {}),
            (Stack.show, (), {}),
            (Stack.pop, ("a", "b"), {}),
        ]
        for method, args, options in wrong:
            with pytest.raises(TypeError, match=method.__name__):
                method(stack, *args, **options)

        assert await Stack.peek(stack) == []
        await GenServer.stop(stack)

    async def test_of_a_cast_raise_at_once(self) -> None:
        stack = await running(Stack.start_link())

        with pytest.raises(TypeError, match="clear"):
            Stack.clear(stack, "a")  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="put"):
            Stack.put(stack)  # type: ignore[call-arg]
        assert await Stack.peek(stack) == []
        await GenServer.stop(stack)

    async def test_without_a_destination_are_an_error(self) -> None:
        with pytest.raises(TypeError, match="dest"):
            _ = Stack.push()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="dest"):
            Stack.clear()  # type: ignore[call-arg]

    async def test_what_is_no_destination_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="dest must be hashable"):
            await Stack.push([], "a")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="dest must be a process"):
            await Stack.push(fastask.make_ref(), "a")

    @pytest.mark.parametrize("decorate", [call, cast])
    @pytest.mark.parametrize("what", [5, "text", None, object()], ids=repr)
    def test_what_is_no_function_is_not_decorated(
        self, decorate: Any, what: Any
    ) -> None:
        with pytest.raises(TypeError, match="method"):
            decorate(what)

    @pytest.mark.parametrize("timeout", [-1, -0.5])
    def test_a_negative_time_is_an_error(self, timeout: float) -> None:
        with pytest.raises(ValueError, match="timeout must be"):
            call(timeout=timeout)

    def test_a_time_that_is_no_number_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="timeout must be"):
            call(timeout="5")  # type: ignore[call-overload]


class TestRequest:
    async def test_travels_by_call_and_cast(self) -> None:
        stack = await running(Stack.start_link())

        assert await GenServer.call(stack, Stack.push.request("a")) == 1
        GenServer.cast(stack, Stack.put.request("b", times=2))
        assert await Stack.peek(stack, 0, 1, 2) == ["a", "b", "b"]
        await GenServer.stop(stack)

    def test_is_checked_when_it_is_made(self) -> None:
        with pytest.raises(TypeError, match="push"):
            Stack.push.request()  # type: ignore[call-arg]

    def test_is_compared_by_value(self) -> None:
        one = Stack.push.request("a")

        assert one == Request("push", ("a",))
        assert one == Request("push", ("a",), {})
        assert one != Stack.push.request("b")
        assert hash(one) == hash(Request("push", ("a",)))
        assert repr(one) == "push('a')"
        assert repr(Request("put", ("a",), {"times": 2})) == "put('a', times=2)"

    def test_survives_pickle(self) -> None:
        one = Request("put", ("a",), {"times": 2})

        assert pickle.loads(pickle.dumps(one)) == one

    @pytest.mark.parametrize("name", ["plain", "terminate", "init", "missing", "put"])
    async def test_reaches_no_method_that_is_not_meant_to_be_called(
        self, name: str
    ) -> None:
        """It goes to `handle_call`, as any request does."""
        stack = await running(Stack.start_link())
        request = Request(name, ())

        got = await GenServer.call(stack, request)
        assert got == ("handle_call", request)
        await GenServer.stop(stack)

    async def test_of_a_call_is_no_cast(self) -> None:
        stack = await running(Stack.start_link())

        GenServer.cast(stack, Stack.push.request("a"))
        assert await Stack.pop(stack) == "handle_cast push('a')"
        await GenServer.stop(stack)

    async def test_is_what_a_plain_process_receives(self) -> None:
        async def serve() -> None:
            message = await receive(GenCall)
            GenServer.reply(message, message.request)

        process = spawn(serve)

        got: Any = await Stack.push(process, "a")
        assert got == Request("push", ("a",))
        await ended(process)


class Loud(Stack):
    """Overrides one method, and adds one."""

    @call
    def push(self, item: str) -> int:
        self.items.append(item.upper())
        return len(self.items)

    @call
    def count(self) -> int:
        return len(self.items)


class Quiet(Stack):
    """Overrides a method by one that clients may not call."""

    def push(self, item: str) -> int:
        return -1


class TestInheritance:
    async def test_a_subclass_has_the_methods(self) -> None:
        loud = await running(Loud.start_link())

        await Loud.push(loud, "a")
        assert await Loud.count(loud) == 1
        assert await Loud.pop(loud) == "A"
        await GenServer.stop(loud)

    async def test_the_method_of_the_server_s_own_class_runs(self) -> None:
        """As for any method: the client need not know the subclass."""
        loud = await running(Loud.start_link())

        await Stack.push(loud, "a")
        assert await Stack.pop(loud) == "A"
        await GenServer.stop(loud)

    async def test_a_method_that_is_no_longer_one_goes_to_handle_call(self) -> None:
        quiet = await running(Quiet.start_link())

        got: Any = await Stack.push(quiet, "a")
        assert got == ("handle_call", Request("push", ("a",)))
        await GenServer.stop(quiet)

    async def test_a_method_of_another_class_goes_to_handle_call(self) -> None:
        class Other(GenServer):
            @call
            def other(self, number: int) -> int:
                return number

        stack = await running(Stack.start_link())

        got: Any = await Other.other(stack, 5)
        assert got == ("handle_call", Request("other", (5,)))
        await GenServer.stop(stack)


class TestMetadata:
    def test_is_that_of_the_method(self) -> None:
        assert Stack.push.__name__ == "push"
        assert Stack.push.__doc__ == "Put an item on top."
        assert Stack.push.__wrapped__.__code__ is Stack.push.function.__code__
        assert list(inspect.signature(Stack.push).parameters)[-1] == "item"
        assert "push" in repr(Stack.push)

    def test_an_unknown_attribute_is_an_error(self) -> None:
        with pytest.raises(AttributeError):
            _ = Stack.push.unknown

    async def test_the_caller_is_a_process_like_any_other(self) -> None:
        stack = await running(Stack.start_link())
        me = self_()

        async def push() -> int:
            assert self_() is not me
            return await Stack.push(stack, "a")

        assert await asyncio.create_task(push()) == 1
        await GenServer.stop(stack)
