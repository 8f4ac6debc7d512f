"""The budget of the main rows: which figures hold, and what is done with them."""

from __future__ import annotations

import tomllib

import pytest

from bench import budget
from bench.workloads import ROWS

TEXT = """# what it is
tolerance = 0.3

[ratios."3.11"]
call = 12.00

[ratios."3.13"]
call = 9.00
"""


def test_the_file_has_every_main_row() -> None:
    found = tomllib.loads(budget.FILE.read_text(encoding="utf-8"))

    assert 0 < found["tolerance"] < 0.5
    for ratios in found["ratios"].values():
        assert tuple(ratios) == budget.MAIN
    assert set(budget.MAIN) <= set(ROWS)


@pytest.mark.parametrize(
    ("own", "expected"),
    [((3, 9), "3.11"), ((3, 11), "3.11"), ((3, 12), "3.11"), ((3, 14), "3.13")],
)
def test_a_python_has_the_figures_of_the_newest_that_is_not_newer(
    own: tuple[int, int], expected: str
) -> None:
    assert budget.version_of(["3.13", "3.11"], own) == expected


def test_writing_keeps_the_other_versions_and_the_words() -> None:
    written = budget.write(TEXT, "3.9", {"call": 1.0})

    assert written.startswith(TEXT[: TEXT.index("[")])
    assert tomllib.loads(written)["ratios"] == {
        "3.9": {"call": 1.0},
        "3.11": {"call": 12.0},
        "3.13": {"call": 9.0},
    }
    assert budget.write(written, "3.9", {"call": 1.0}) == written


class Ratios:
    """Stands in for measuring: a list of what each row reaches, one after another."""

    def __init__(self, **found: list[float]) -> None:
        self._found = found

    def __call__(self, name: str) -> float:
        return self._found[name].pop(0)


def test_a_row_that_reaches_its_share_is_measured_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "ratio", Ratios(call=[7.0]))

    assert budget.check({"call": 10.0}, 0.3) == []


def test_a_row_has_three_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "ratio", Ratios(call=[1.0, 1.0, 7.0], ping_pong=[9.0]))

    assert budget.check({"call": 10.0, "ping_pong": 10.0}, 0.3) == []


def test_a_row_that_falls_short_each_time_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "ratio", Ratios(call=[6.9, 6.9, 6.9]))

    assert budget.check({"call": 10.0}, 0.3) == ["call"]
