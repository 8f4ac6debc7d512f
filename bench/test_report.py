"""What a report says of figures that are known: ratios, floors and idle processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import floor
from bench.__main__ import main
from bench.floor import Floor
from bench.measure import OTHER, WITH_IDLE, Measured
from bench.report import Report
from bench.side import SIDES
from bench.workloads import ROWS


def measured(name: str, **rounds: list[float]) -> Measured:
    return Measured(name, name, "ns", [""], {s: {"": r} for s, r in rounds.items()})


def test_the_ratio_is_the_median_of_those_of_each_round() -> None:
    row = measured("call", asyncio=[10.0, 40.0, 30.0], fastask=[10.0, 10.0, 3.0])

    assert row.ratio("asyncio", "") == 4.0
    assert row.ratio("trio", "") is None


def test_every_floor_is_one_of_a_row_and_a_side_that_exist() -> None:
    for each in floor.load():
        row = ROWS[each.row]
        assert each.figure in row.figures
        assert SIDES[each.side].answers(row)
        assert not each.of or each.of in ROWS
        rules = (each.at_least, each.at_most, each.within)
        assert sum(rule is not None for rule in rules) == 1


@pytest.mark.parametrize(
    ("rule", "is_met"),
    [
        (Floor("call", "asyncio", at_least=4.0), True),
        (Floor("call", "asyncio", at_least=4.1), False),
        (Floor("call", at_most=10.0), True),
        (Floor("call", at_most=9.9), False),
        (Floor("call", of="cast", within=2.0), True),
        (Floor("call", of="cast", within=1.9), False),
    ],
)
def test_a_floor_is_met_or_missed(rule: Floor, is_met: bool) -> None:
    rounds = {"asyncio": [40.0], "fastask": [10.0], OTHER.format("cast"): [5.0]}
    rows = {"call": measured("call", **rounds)}

    assert bool(floor.missed([rule], rows)) is not is_met
    assert ("missed" in floor.marks([rule], rows, "call", "")) is not is_met


def test_a_floor_of_who_was_not_measured_says_nothing() -> None:
    rows = {"call": measured("call", fastask=[10.0])}
    rules = [Floor("call", "elixir", at_least=1.0), Floor("cast", at_most=1.0)]

    assert floor.missed(rules, rows) == []
    assert floor.marks(rules, rows, "call", "") == ""


def test_the_table_has_a_line_for_each_row_and_a_column_for_each_side() -> None:
    row = measured("ring", asyncio=[4000.0], fastask=[1000.0], xoscar=[2e6])
    row.failed["trio"] = "ended with status 1"

    table = Report({"Python": "3.11"}, [row]).markdown()

    assert "| ring | 1,000 | 4,000 (**4.00**) | xoscar 2.0 ms (**2000.00**) |" in table
    assert "- ring, trio: ended with status 1" in table


def test_rows_that_idle_processes_slow_down_are_named() -> None:
    rounds = {"fastask": [10.0], WITH_IDLE.format("fastask"): [16.0]}
    report = Report({}, [measured("ring", **rounds)], idle=1000)

    assert report.slower_beside_idle() == ["ring (1.60)"]
    assert "| ring | 10 | 16 | 1.60 |" in report.markdown()


def test_a_report_reads_what_it_wrote(tmp_path: Path) -> None:
    report = Report({"Python": "3.11"}, [measured("ring", fastask=[1.0])])

    report.save(tmp_path / "report.json")

    assert Report.load(tmp_path / "report.json") == report


def test_a_report_is_read_for_the_rows_that_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [measured("ring", fastask=[1.0]), measured("call", fastask=[2.0])]
    Report({}, rows).save(tmp_path / "report.json")

    assert main(["call", "--load", str(tmp_path / "report.json")]) == 0
    assert [line[:6] for line in capsys.readouterr().out.splitlines()[2:3]] == [
        "| call"
    ]
