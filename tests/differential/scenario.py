"""The scenarios and what is recorded of them, read from their files."""

from __future__ import annotations

import functools
import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE / "scenarios"
TRANSCRIPTS = HERE / "transcripts"

REQUIRED = {"name", "says", "main"}

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
    bug: str | None  # what is wrong with fastask, as long as it is

    @property
    def digest(self) -> str:
        """Changes with the program."""
        text = json.dumps(self.bodies, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_scenarios() -> list[Scenario]:
    """Return the scenarios of all files, in order."""
    return [
        scenario_of(path.stem, entry)
        for path in sorted(SCENARIOS.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["scenario"]
    ]


def scenario_of(noun: str, entry: dict[str, Any]) -> Scenario:
    """Return the scenario that an entry of a file describes.

    Raises:
        ValueError: If a key is missing or unknown.
    """
    unknown = entry.keys() - {*REQUIRED, "body", "difference", "bug"}
    missing = REQUIRED - entry.keys()
    if unknown or missing:
        raise ValueError(f"{entry}: unknown {unknown}, missing {missing}")
    difference = entry.get("difference", {})
    return Scenario(
        noun,
        name=entry["name"],
        says=entry["says"],
        bodies={"main": entry["main"], **entry.get("body", {})},
        clause=difference.get("clause"),
        differs=json.loads(difference.get("fastask", "{}")),
        bug=entry.get("bug"),
    )


@functools.cache
def load_recording(noun: str) -> dict[str, Any]:
    """Return what is recorded for one file of scenarios."""
    text = (TRANSCRIPTS / f"{noun}.json").read_text(encoding="utf-8")
    recording: dict[str, Any] = json.loads(text)
    return recording
