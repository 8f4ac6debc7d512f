"""A worker runs rounds in a process of its own, and says when it could not."""

from __future__ import annotations

from contextlib import closing

import pytest

from bench.__main__ import main
from bench.side import SIDES
from bench.worker import Round, Worker, WorkerError
from bench.workloads import ROWS


def test_runs_round_after_round_by_either_clock_and_beside_idle_ones() -> None:
    with closing(Worker("fastask", ROWS["ping_pong"])) as worker:
        for task in (Round(100), Round(100, clock="cpu"), Round(100, idle=10)):
            assert worker.measure(task)[""] > 0


def test_a_process_that_ends_is_an_error() -> None:
    with (
        closing(Worker("nobody", ROWS["ping_pong"])) as worker,
        pytest.raises(WorkerError, match="nobody of ping_pong ended with status 1"),
    ):
        worker.measure(Round(1))


@pytest.mark.parametrize("options", [[], ["--idle", "10"]])
def test_the_command_measures_what_it_is_told(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    arguments = ["supervised", "--quick", "--rounds", "1", "--rivals", "asyncio"]

    assert main([*arguments, *options]) == 0

    table = capsys.readouterr().out
    assert ROWS["supervised"].title in table
    assert SIDES["asyncio"].title in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "NAME must be a row or a module of rows, got 'nothing'"),
        (["--rounds", "0"], "--rounds must be an integer >= 1, got 0"),
        (["--idle", "-1"], "--idle must be an integer >= 0, got -1"),
        (["--rivals", "go"], "got 'go'"),
    ],
)
def test_a_mistake_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

    assert message in capsys.readouterr().err
