"""Names: one per process, one process per name, gone with the process."""

from __future__ import annotations

from typing import Any

import pytest

import fastask
from fastask import (
    KILL,
    Exited,
    NameTakenError,
    NoProcessError,
    Process,
    monitor,
    receive,
    register,
    registered,
    self_,
    send,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
    unlink,
    unregister,
    whereis,
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


class TestRegister:
    async def test_gives_the_caller_a_name(self) -> None:
        """PROC 76."""
        register("root")
        seen = (whereis("root"), self_().name)
        unregister("root")

        assert seen == (self_(), "root")

    async def test_gives_another_process_a_name(self) -> None:
        process = spawn(idle)
        register("worker", process)

        assert whereis("worker") is process
        assert process.name == "worker"
        await end(process)

    async def test_a_message_by_name_is_delivered(self) -> None:
        """PROC 76."""
        register("root")
        send("root", "by name")
        unregister("root")

        assert await receive(timeout=0) == "by name"

    async def test_a_taken_name_is_an_error_that_tells_the_holder(self) -> None:
        """PROC 77."""
        process = spawn(idle, name="worker")
        with pytest.raises(NameTakenError, match="worker") as caught:
            register("worker")
        holder = whereis("worker")
        await end(process)

        assert caught.value.process is process
        assert isinstance(caught.value, ValueError)
        assert holder is process
        assert self_().name is None

    async def test_a_second_name_is_an_error_that_tells_the_holder(self) -> None:
        """PROC 77, detail 2."""
        register("root")
        with pytest.raises(NameTakenError, match="root") as caught:
            register("another")
        unregister("root")

        assert caught.value.process is self_()
        assert whereis("another") is None

    async def test_the_same_name_again_is_an_error_too(self) -> None:
        register("root")
        with pytest.raises(NameTakenError):
            register("root")
        unregister("root")

        assert whereis("root") is None

    async def test_a_dead_process_cannot_get_a_name(self) -> None:
        """PROC 77."""
        process, ref = spawn_monitor(nothing)
        await receive(ref)

        with pytest.raises((NoProcessError, ValueError)):
            register("worker", process)
        assert whereis("worker") is None

    @pytest.mark.parametrize(
        "name",
        ["text", 0, -1, 1.5, ("a", "tuple"), frozenset({1}), True, b"bytes", str],
        ids=repr,
    )
    async def test_any_hashable_is_a_name(self, name: Any) -> None:
        register(name)
        send(name, "by name")
        seen = (whereis(name), self_().name)
        unregister(name)

        assert seen == (self_(), name)
        assert await receive(timeout=0) == "by name"

    async def test_1_and_1_point_0_and_true_are_three_names(self) -> None:
        """Gotcha 60."""
        names: list[Any] = [1, 1.0, True]
        holders = [spawn(idle, name=name) for name in names]

        assert [whereis(name) for name in names] == holders
        assert [type(holder.name) for holder in holders] == [int, float, bool]
        await end(*holders)

    async def test_0_and_false_are_two_names(self) -> None:
        """Gotcha 60."""
        names: list[Any] = [0, False]
        holders = [spawn(idle, name=name) for name in names]

        assert [whereis(name) for name in names] == holders
        await end(*holders)

    async def test_messages_tell_1_and_true_apart(self) -> None:
        """Gotcha 60."""
        register(1)
        with pytest.raises(fastask.UnknownNameError):
            send(True, "message")
        unregister(1)

    async def test_reuse_after_death_always_works(self) -> None:
        """PROC 49."""
        trap_exit(True)
        for _ in range(50):
            process = spawn_link(idle, name="worker")
            fastask.exit(process, "boom")
            message = await receive(Exited)

            assert message.process is process
            assert whereis("worker") is None
            register("worker")
            unregister("worker")


class TestUnregister:
    async def test_frees_the_name(self) -> None:
        """PROC 76."""
        register("root")
        unregister("root")

        assert whereis("root") is None
        assert self_().name is None
        assert "root" not in registered()

    async def test_lets_the_process_take_another(self) -> None:
        register("first")
        unregister("first")
        register("second")
        name = self_().name
        unregister("second")

        assert name == "second"

    async def test_works_for_the_name_of_another_process(self) -> None:
        process = spawn(idle, name="worker")
        unregister("worker")

        assert whereis("worker") is None
        assert process.alive
        await end(process)

    async def test_an_unknown_name_is_an_error(self) -> None:
        """PROC 77."""
        with pytest.raises((LookupError, ValueError), match="nobody"):
            unregister("nobody")

    async def test_a_name_that_died_with_its_process_is_unknown(self) -> None:
        process = spawn(idle, name="worker")
        await end(process)

        with pytest.raises((LookupError, ValueError), match="worker"):
            unregister("worker")

    async def test_its_process_dying_later_does_not_free_the_name_twice(self) -> None:
        first = spawn(idle, name="worker")
        unregister("worker")
        second = spawn(idle, name="worker")
        await end(first)

        assert whereis("worker") is second
        await end(second)


class TestWhereis:
    async def test_is_none_for_an_unknown_name(self) -> None:
        assert whereis("nobody") is None

    async def test_is_none_after_death(self) -> None:
        process = spawn(idle, name="worker")
        await end(process)

        assert whereis("worker") is None


class TestRegistered:
    async def test_lists_the_names(self) -> None:
        """PROC 76."""
        before = registered()
        process = spawn(idle, name="worker")
        during = registered()
        await end(process)

        assert before == []
        assert during == ["worker"]
        assert registered() == []

    async def test_is_a_copy(self) -> None:
        process = spawn(idle, name="worker")
        registered().clear()

        assert registered() == ["worker"]
        await end(process)


class TestNameOfProcess:
    async def test_is_none_without_one(self) -> None:
        assert self_().name is None


class TestSchedulers:
    def test_names_of_one_run_are_unknown_to_the_next(self, run: Any) -> None:
        """Detail 2."""

        async def first() -> None:
            register("root")

        async def second() -> object:
            return whereis("root")

        run(first)

        assert run(second) is None
