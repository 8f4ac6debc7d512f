"""explore: many orders are tried, and the simplest that fails is what is shown."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

import fastask
from fastask.testing import explore, run


async def lost_update() -> None:
    """Two processes add one to a number, each in two steps: a bug of one order."""
    number = [0]

    async def add() -> None:
        value = number[0]
        await fastask.sleep(0)
        number[0] = value + 1

    await fastask.await_many([fastask.async_(add), fastask.async_(add)])
    assert number == [2]


async def rare() -> None:
    """Fail when the last of eight processes is the first to run."""
    me = fastask.self_()

    async def send(number: int) -> None:
        fastask.send(me, number)

    for number in range(8):
        fastask.spawn(send, number)
    first = await fastask.receive()
    for _ in range(7):
        await fastask.receive()
    if first == 7:
        raise LookupError("the last was first")


def choices_of(error: BaseException) -> list[int]:
    """The choices that a note on an error tells."""
    found = re.search(r"choices=(\[[0-9, ]*\])", "".join(error.__notes__))
    assert found is not None
    return list(ast.literal_eval(found.group(1)))


class TestExplore:
    def test_is_silent_where_every_order_is_right(self) -> None:
        async def main() -> None:
            tasks = [fastask.async_(fastask.sleep, 0) for _ in range(4)]
            await fastask.await_many(tasks)

        explore(main, runs=50)

    def test_finds_an_update_that_is_lost(self) -> None:
        with pytest.raises(AssertionError):
            explore(lost_update, runs=200)

    def test_tells_choices_that_fail_again(self) -> None:
        with pytest.raises(LookupError) as caught:
            explore(rare, runs=1000, seed=1)
        choices = choices_of(caught.value)

        with pytest.raises(LookupError, match="the last was first"):
            run(rare, choices=choices)

    def test_shortens_to_the_shortest_prefix(self) -> None:
        with pytest.raises(LookupError) as caught:
            explore(rare, runs=1000, seed=1)
        choices = choices_of(caught.value)

        for length in range(len(choices)):
            run(rare, choices=choices[:length])

    def test_shortens_to_nothing_where_every_order_fails(self) -> None:
        async def main() -> None:
            await fastask.sleep(0)
            raise ValueError("always")

        with pytest.raises(ValueError, match="always") as caught:
            explore(main)

        assert choices_of(caught.value) == []

    def test_tells_the_seed_on_stderr_and_in_a_note(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(LookupError) as caught:
            explore(rare, runs=1000, seed=100)
        printed = capsys.readouterr().err
        seed = int(printed.split("seed=")[1].split(";")[0])

        assert f"seed={seed}" in caught.value.__notes__[-1]
        assert seed >= 100
        with pytest.raises(LookupError):
            run(rare, seed=seed)

    def test_passes_arguments_on(self) -> None:
        seen: list[Any] = []

        async def main(left: int, right: int) -> None:
            seen.append((left, right))

        explore(main, 1, 2, runs=3)

        assert seen == [(1, 2)] * 3

    def test_uses_one_seed_after_the_other(self) -> None:
        async def main(orders: list[Any]) -> None:
            me = fastask.self_()

            async def send(number: int) -> None:
                fastask.send(me, number)

            for number in range(5):
                fastask.spawn(send, number)
            orders.append([await fastask.receive() for _ in range(5)])

        explored: list[Any] = []
        single: list[Any] = []
        explore(main, explored, runs=5, seed=40)
        for seed in range(40, 45):
            run(main, single, seed=seed)

        assert explored == single

    def test_refuses_a_coroutine_which_runs_only_once(self) -> None:
        with pytest.raises(TypeError, match="main must be a function, got <coroutine"):
            explore(rare())  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("runs", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)]
    )
    def test_must_run_at_least_once(self, runs: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match="runs must be an integer >= 1, got"):
            explore(rare, runs=runs)
