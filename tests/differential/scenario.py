"""The scenarios and what is recorded of them, read from their files."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE / "scenarios"
TRANSCRIPTS = HERE / "transcripts"

Transcript = dict[str, list[Any]]


@dataclass(frozen=True)
class Scenario:
    """Bodies by name, each a list of steps; the process `main` runs `main`."""

    noun: str
    name: str
    says: str
    bodies: dict[str, list[list[Any]]]
    clause: str | None  # why fastask differs, if it does
    differs: Transcript  # what it does then, of the processes where it differs


def load_scenarios() -> list[Scenario]:
    """Return the scenarios of all files, in order."""
    return [
        scenario_of(path.stem, entry)
        for path in sorted(SCENARIOS.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["scenario"]
    ]


def scenario_of(noun: str, entry: dict[str, Any]) -> Scenario:
    difference = entry.pop("difference", {})
    names = entry.pop("name"), entry.pop("says")
    bodies = {"main": entry.pop("main"), **entry.pop("body", {})}
    if entry:
        raise ValueError(f"scenario {names[0]!r} has unknown keys: {sorted(entry)}")
    differs = json.loads(difference.get("fastask", "{}"))
    return Scenario(noun, *names, bodies, difference.get("clause"), differs)


def load_recording(noun: str) -> dict[str, Any]:
    """Return what is recorded for one file of scenarios."""
    text = (TRANSCRIPTS / f"{noun}.json").read_text(encoding="utf-8")
    recording: dict[str, Any] = json.loads(text)
    return recording
