"""fastask does what the BEAM does: the same programs, the same events.

Each scenario is a program written as data. What it did in Elixir is recorded; here
fastask runs it. README.md tells of the language, and of the few deliberate differences.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.differential.actor import STEPS
from tests.differential.interpreter import run_scenario
from tests.differential.scenario import (
    HERE,
    TRANSCRIPTS,
    Scenario,
    load_recording,
    load_scenarios,
)

ALL = load_scenarios()
NOUNS = sorted({scenario.noun for scenario in ALL})
DIFFERENT = [scenario for scenario in ALL if scenario.clause is not None]


def name_of(scenario: Scenario) -> str:
    return f"{scenario.noun}-{scenario.name}"


def marked(scenario: Scenario) -> Any:
    marks = []
    if scenario.bug is not None:
        marks.append(pytest.mark.xfail(strict=True, reason=scenario.bug))
    return pytest.param(scenario, id=name_of(scenario), marks=marks)


def recorded(scenario: Scenario) -> dict[str, Any]:
    transcript: dict[str, Any] = load_recording(scenario.noun)["transcripts"][
        scenario.name
    ]
    return transcript


@pytest.mark.parametrize("scenario", [marked(scenario) for scenario in ALL])
def test_fastask_does_what_elixir_does(
    scenario: Scenario, run: Callable[..., Any]
) -> None:
    transcript = run(run_scenario, scenario)

    assert transcript == {**recorded(scenario), **scenario.differs}, scenario.says


@pytest.mark.parametrize("scenario", DIFFERENT, ids=name_of)
def test_a_difference_is_one(scenario: Scenario) -> None:
    assert scenario.differs
    for who, events in scenario.differs.items():
        assert recorded(scenario).get(who) != events


@pytest.mark.parametrize("scenario", DIFFERENT, ids=name_of)
def test_the_readme_lists_each_difference(scenario: Scenario) -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert f"| `{scenario.name}` | {scenario.clause} |" in readme


def test_the_readme_lists_no_other_difference() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    _, _, table = readme.partition("## Differences")
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) == len(DIFFERENT)


@pytest.mark.parametrize("noun", NOUNS)
def test_each_scenario_is_recorded_and_no_other(noun: str) -> None:
    recording = load_recording(noun)
    names = [scenario.name for scenario in ALL if scenario.noun == noun]
    assert list(recording["transcripts"]) == sorted(names)


@pytest.mark.parametrize("noun", NOUNS)
def test_no_scenario_was_changed_since_it_was_recorded(noun: str) -> None:
    programs = {s.name: s.digest for s in ALL if s.noun == noun}
    assert load_recording(noun)["programs"] == programs


def test_each_recording_is_of_a_file_of_scenarios() -> None:
    assert sorted(path.stem for path in TRANSCRIPTS.glob("*")) == NOUNS


def test_all_recordings_are_of_one_elixir() -> None:
    recordings = [load_recording(noun) for noun in NOUNS]
    versions = {(recording["elixir"], recording["otp"]) for recording in recordings}
    assert len(versions) == 1
    assert all(version for pair in versions for version in pair)


def test_no_two_scenarios_have_one_name() -> None:
    names = Counter(scenario.name for scenario in ALL)
    assert [name for name, times in names.items() if times > 1] == []


def test_no_recorded_scenario_was_cut_off() -> None:
    ends = {scenario.name: recorded(scenario)["main"][-1] for scenario in ALL}
    assert [name for name, end in ends.items() if end == ["end", "never"]] == []


def test_each_step_is_used() -> None:
    used = {
        step[0]
        for scenario in ALL
        for steps in scenario.bodies.values()
        for step in steps
    }
    assert used == STEPS.keys()
