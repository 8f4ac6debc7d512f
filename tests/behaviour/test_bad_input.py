"""Bad input: one clear error that names argument, rule and value; nothing leaks."""

from __future__ import annotations

import asyncio
import gc
import math
import re
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

import fastask
from fastask import (
    KILL,
    Exit,
    FastaskError,
    Process,
    make_ref,
    monitor,
    process_info,
    processes,
    receive,
    receive_nowait,
    registered,
    self_,
    send,
    send_after,
    sleep,
    spawn,
    spawn_link,
    spawn_monitor,
    start_timer,
    unlink,
)


async def nothing() -> None:
    """Return at once."""


async def idle() -> None:
    """Wait for ever, whatever arrives."""
    await receive(lambda message: False)


async def end(*helpers: Process) -> None:
    """Kill helpers and wait until they are gone."""
    for helper in helpers:
        unlink(helper)
        ref = monitor(helper)
        fastask.exit(helper, KILL)
        await receive(ref)


def state() -> object:
    """All that bad input could have left behind."""
    info = process_info(self_())
    assert info is not None
    return (
        processes(),
        registered(),
        list(info.links),
        list(info.monitors),
        list(info.monitored_by),
        list(info.messages),
        info.trap_exit,
        info.label,
    )


async def refused(
    call: Callable[[], Any],
    kinds: type[Exception] | tuple[type[Exception], ...],
    argument: str,
    value: object,
) -> None:
    """Call, and check the error and that nothing has changed."""
    before = state()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(kinds) as caught:
            result = call()
            if isinstance(result, Awaitable):
                await result
        gc.collect()

    assert re.search(rf"\b({argument})\b", str(caught.value))
    assert repr(value) in str(caught.value)
    assert [str(warning.message) for warning in warned] == []
    assert state() == before


NOT_SECONDS = [(-1, ValueError), (-0.001, ValueError), (math.nan, ValueError)]
NOT_NUMBERS = [("1", TypeError), ([], TypeError)]
BAD_SECONDS: list[tuple[Any, type[Exception]]] = [*NOT_SECONDS, *NOT_NUMBERS]
NOT_DESTINATIONS: list[Any] = [None, [], {}]
NOT_PROCESSES: list[Any] = [None, 42, "name", object()]
SPAWNS = [spawn, spawn_link, spawn_monitor]


def identify(value: object) -> str:
    return getattr(value, "__name__", None) or repr(value)


class TestSeconds:
    @pytest.mark.parametrize(("value", "kind"), BAD_SECONDS, ids=identify)
    async def test_of_sleep(self, value: Any, kind: type[Exception]) -> None:
        await refused(lambda: sleep(value), kind, "seconds", value)

    @pytest.mark.parametrize(("value", "kind"), BAD_SECONDS, ids=identify)
    async def test_of_receive(self, value: Any, kind: type[Exception]) -> None:
        await refused(lambda: receive(timeout=value), kind, "timeout", value)

    @pytest.mark.parametrize(("value", "kind"), BAD_SECONDS, ids=identify)
    async def test_of_receive_though_a_message_waits(
        self, value: Any, kind: type[Exception]
    ) -> None:
        send(self_(), "message")

        await refused(lambda: receive(timeout=value), kind, "timeout", value)

    @pytest.mark.parametrize(("value", "kind"), BAD_SECONDS, ids=identify)
    async def test_of_send_after(self, value: Any, kind: type[Exception]) -> None:
        await refused(lambda: send_after(self_(), "m", value), kind, "seconds", value)

    async def test_of_send_after_must_have_an_end(self) -> None:
        await refused(
            lambda: send_after(self_(), "m", cast(Any, None)),
            TypeError,
            "seconds",
            None,
        )

    @pytest.mark.parametrize(("value", "kind"), BAD_SECONDS, ids=identify)
    async def test_of_start_timer(self, value: Any, kind: type[Exception]) -> None:
        await refused(lambda: start_timer(value, self_(), "m"), kind, "seconds", value)

    @pytest.mark.parametrize(("value", "kind"), BAD_SECONDS, ids=identify)
    @pytest.mark.parametrize("start", SPAWNS, ids=identify)
    async def test_of_the_grace_of_a_process(
        self, start: Any, value: Any, kind: type[Exception]
    ) -> None:
        await refused(lambda: start(idle, grace=value), kind, "grace", value)

    @pytest.mark.parametrize(("value", "kind"), BAD_SECONDS, ids=identify)
    def test_of_the_grace_of_run(self, value: Any, kind: type[Exception]) -> None:
        with pytest.raises(kind, match="grace") as caught:
            fastask.run(nothing, grace=value)

        assert repr(value) in str(caught.value)


class TestFunction:
    @pytest.mark.parametrize("value", [None, 42, "text", [nothing]], ids=repr)
    @pytest.mark.parametrize("start", SPAWNS, ids=identify)
    async def test_of_spawn_must_be_callable(self, start: Any, value: Any) -> None:
        await refused(lambda: start(value), TypeError, "fn", value)

    @pytest.mark.parametrize("start", SPAWNS, ids=identify)
    async def test_a_coroutine_object_takes_no_arguments(self, start: Any) -> None:
        coroutine = nothing()

        await refused(lambda: start(coroutine, 1), TypeError, "fn|args", coroutine)

    @pytest.mark.parametrize("start", SPAWNS, ids=identify)
    async def test_a_bad_option_closes_the_coroutine_object(self, start: Any) -> None:
        bad: Any = -1
        coroutine: Any = nothing()
        await refused(lambda: start(coroutine, grace=bad), ValueError, "grace", bad)

        with pytest.raises(RuntimeError):
            await coroutine

    @pytest.mark.parametrize("start", SPAWNS, ids=identify)
    async def test_a_taken_name_closes_the_coroutine_object(self, start: Any) -> None:
        holder = spawn(idle, name="worker")
        coroutine: Any = nothing()
        kind = fastask.NameTakenError
        await refused(lambda: start(coroutine, name="worker"), kind, ".*", "worker")
        await end(holder)

        with pytest.raises(RuntimeError):
            await coroutine

    @pytest.mark.parametrize("value", [None, 42, "text"], ids=repr)
    def test_of_run_must_be_callable(self, value: Any) -> None:
        with pytest.raises(TypeError, match="main") as caught:
            fastask.run(value)

        assert repr(value) in str(caught.value)

    def test_of_run_as_loop_factory_must_be_callable(self) -> None:
        bad: Any = 42
        with pytest.raises(TypeError, match="loop_factory") as caught:
            fastask.run(nothing, loop_factory=bad)

        assert "42" in str(caught.value)

    def test_of_run_a_bad_option_closes_the_coroutine_object(self) -> None:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with pytest.raises(ValueError, match="grace"):
                fastask.run(nothing(), grace=-1)
            gc.collect()

        assert [str(warning.message) for warning in warned] == []

    @pytest.mark.parametrize("start", SPAWNS, ids=identify)
    async def test_an_unknown_option_is_a_type_error(self, start: Any) -> None:
        before = state()
        with pytest.raises(TypeError, match="colour"):
            start(idle, colour="red")

        assert state() == before


class TestName:
    @pytest.mark.parametrize("value", [[], {}, ["list"]], ids=repr)
    async def test_must_be_hashable(self, value: Any) -> None:
        await refused(lambda: fastask.register(value), TypeError, "name", value)

    async def test_of_register_cannot_be_none(self) -> None:
        bad: Any = None
        kinds = (TypeError, ValueError)

        await refused(lambda: fastask.register(bad), kinds, "name", bad)

    @pytest.mark.parametrize("start", SPAWNS, ids=identify)
    async def test_of_spawn_must_be_hashable(self, start: Any) -> None:
        bad: Any = ["list"]

        await refused(lambda: start(idle, name=bad), TypeError, "name", bad)

    @pytest.mark.parametrize("verb", [fastask.whereis, fastask.unregister])
    async def test_of_other_verbs_must_be_hashable(self, verb: Any) -> None:
        bad: Any = ["list"]

        await refused(lambda: verb(bad), TypeError, "name", bad)

    @pytest.mark.parametrize("value", NOT_PROCESSES[1:], ids=repr)
    async def test_can_only_go_to_a_process(self, value: Any) -> None:
        await refused(
            lambda: fastask.register("worker", value), TypeError, "p|process", value
        )


class TestDestination:
    @pytest.mark.parametrize("value", NOT_DESTINATIONS, ids=repr)
    async def test_of_send(self, value: Any) -> None:
        kinds = (TypeError, ValueError)

        await refused(lambda: send(value, "message"), kinds, "dest", value)

    @pytest.mark.parametrize("value", NOT_DESTINATIONS, ids=repr)
    async def test_of_exit(self, value: Any) -> None:
        kinds = (TypeError, ValueError)

        await refused(lambda: fastask.exit(value, "boom"), kinds, "dest", value)

    @pytest.mark.parametrize("value", NOT_DESTINATIONS, ids=repr)
    async def test_of_monitor(self, value: Any) -> None:
        kinds = (TypeError, ValueError)

        await refused(lambda: monitor(value), kinds, "dest", value)

    @pytest.mark.parametrize("value", NOT_DESTINATIONS, ids=repr)
    async def test_of_send_after(self, value: Any) -> None:
        kinds = (TypeError, ValueError)

        await refused(lambda: send_after(value, "m", 0), kinds, "dest", value)

    @pytest.mark.parametrize("value", NOT_DESTINATIONS, ids=repr)
    async def test_of_start_timer(self, value: Any) -> None:
        kinds = (TypeError, ValueError)

        await refused(lambda: start_timer(0, value, "m"), kinds, "dest", value)

    async def test_of_send_by_an_unknown_name(self) -> None:
        kind = fastask.UnknownNameError

        await refused(lambda: send("nobody", "message"), kind, "name", "nobody")

    async def test_of_exit_by_an_unknown_name(self) -> None:
        kind = fastask.UnknownNameError

        await refused(lambda: fastask.exit("nobody", "boom"), kind, "name", "nobody")


class TestProcessArgument:
    @pytest.mark.parametrize("value", NOT_PROCESSES, ids=repr)
    @pytest.mark.parametrize(
        "verb", [fastask.link, fastask.unlink, fastask.process_info], ids=identify
    )
    async def test_must_be_a_process(self, verb: Any, value: Any) -> None:
        await refused(lambda: verb(value), TypeError, "p|process", value)


class TestRefArgument:
    @pytest.mark.parametrize("value", [None, 42, "ref", object()], ids=repr)
    @pytest.mark.parametrize("verb", [fastask.demonitor, fastask.unalias], ids=identify)
    async def test_must_be_a_ref(self, verb: Any, value: Any) -> None:
        await refused(lambda: verb(value), TypeError, "ref", value)


class TestPattern:
    @pytest.mark.parametrize("value", [None, 42, "text", (int, str)], ids=repr)
    async def test_of_receive(self, value: Any) -> None:
        await refused(lambda: receive(value, timeout=0), TypeError, "patterns?", value)

    @pytest.mark.parametrize("value", [None, 42, "text", (int, str)], ids=repr)
    async def test_of_receive_nowait(self, value: Any) -> None:
        await refused(lambda: receive_nowait(value), TypeError, "patterns?", value)

    async def test_a_bad_one_is_found_behind_a_good_one(self) -> None:
        bad: Any = 42
        send(self_(), "message")

        await refused(lambda: receive(str, bad), TypeError, "patterns?", bad)


class TestMode:
    @pytest.mark.parametrize("value", ["bogus", "", "demonitor"], ids=repr)
    async def test_of_alias(self, value: Any) -> None:
        await refused(lambda: fastask.alias(value), ValueError, "mode", value)

    @pytest.mark.parametrize("value", ["bogus", "", "reply"], ids=repr)
    async def test_of_the_alias_of_a_monitor(self, value: Any) -> None:
        process = spawn(idle)
        await refused(lambda: monitor(process, alias=value), ValueError, "alias", value)
        await end(process)

    @pytest.mark.parametrize("value", ["yes", 1, None], ids=repr)
    async def test_of_trap_exit_must_be_a_bool(self, value: Any) -> None:
        await refused(lambda: fastask.trap_exit(value), TypeError, "flag", value)


class TestOtherRules:
    async def test_receive_nowait_on_an_empty_mailbox_is_a_lookup_error(self) -> None:
        with pytest.raises(LookupError):
            receive_nowait()

    async def test_a_process_cannot_be_made_by_hand(self) -> None:
        made: Any = Process
        before = state()
        with pytest.raises(TypeError):
            made()

        assert state() == before

    async def test_a_ref_does_not_compare_with_other_things(self) -> None:
        ref = make_ref()

        # A type checker knows it without running it:
        assert ref != "ref"  # type: ignore[comparison-overlap]
        assert ref != 0  # type: ignore[comparison-overlap]

    async def test_bad_input_in_a_process_is_its_crash_like_any_other(self) -> None:
        async def child() -> None:
            bad: Any = -1
            await sleep(bad)

        _, ref = spawn_monitor(child)
        down = await receive(ref)

        assert isinstance(down.reason, ValueError)

    async def test_an_async_verb_given_bad_input_still_lets_the_loop_run(self) -> None:
        bad: Any = -1
        with pytest.raises(ValueError, match="seconds"):
            await sleep(bad)
        await asyncio.sleep(0)

        assert self_().alive


class TestErrorClasses:
    @pytest.mark.parametrize(
        ("error", "base"),
        [
            (fastask.NotOwnerError, ValueError),
            (fastask.TaskTimeoutError, TimeoutError),
            (fastask.CallTimeoutError, TimeoutError),
            (fastask.CallTimeoutError, fastask.CallError),
            (fastask.NoProcessError, LookupError),
            (fastask.UnknownNameError, LookupError),
            (fastask.NameTakenError, ValueError),
            (fastask.MaxChildrenError, RuntimeError),
            (fastask.ChildNotFoundError, LookupError),
        ],
        ids=identify,
    )
    def test_each_has_its_builtin_base(
        self, error: type[Exception], base: type[Exception]
    ) -> None:
        assert issubclass(error, base)

    @pytest.mark.parametrize(
        "error",
        [
            fastask.NotOwnerError,
            fastask.TaskTimeoutError,
            fastask.CallError,
            fastask.CallTimeoutError,
            fastask.NoProcessError,
            fastask.UnknownNameError,
            fastask.NameTakenError,
            fastask.AlreadyStartedError,
            fastask.StartError,
            fastask.MaxChildrenError,
            fastask.ChildNotFoundError,
        ],
        ids=identify,
    )
    def test_each_is_a_fastask_error(self, error: type[Exception]) -> None:
        assert issubclass(error, FastaskError)
        assert error.__name__.endswith("Error")
        assert error.__module__ == "fastask"

    def test_exit_is_an_exception_and_no_error(self) -> None:
        assert issubclass(Exit, Exception)
        assert not issubclass(Exit, FastaskError)

    def test_exit_carries_its_reason(self) -> None:
        reason = ("any", ["term"])

        assert Exit(reason).reason is reason

    def test_exit_shows_its_reason(self) -> None:
        assert "boom" in str(Exit("boom"))
        assert "boom" in repr(Exit("boom"))
