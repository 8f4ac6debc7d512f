"""fastask does what the BEAM does: the same programs, the same events.

Each scenario is a program written as data. What it did in Elixir is recorded; here
fastask runs it. README.md tells of the language, and of the few deliberate differences.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.differential.interpreter import run_scenario  # found by now
from tests.differential.scenario import (
    Scenario,
    load_recording,
    load_scenarios,
)

ALL = load_scenarios()
NOUNS = sorted({scenario.noun for scenario in ALL})


@pytest.mark.parametrize("scenario", ALL, ids=lambda s: f"{s.noun}-{s.name}")
def test_fastask_does_what_elixir_does(
    scenario: Scenario, run: Callable[..., Any]
) -> None:
    expected = load_recording(scenario.noun)["transcripts"][scenario.name]

    transcript = run(run_scenario, scenario)

    assert transcript == {**expected, **scenario.differs}, scenario.says
