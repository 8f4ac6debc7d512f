"""Record anew what the scenarios do on the BEAM.

    python tests/differential/record.py

Runs every scenario in Elixir a few times, once on a single scheduler. One whose
transcripts differ is a race: nothing is written then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.differential.scenario import (  # it is found from here on
    HERE,
    TRANSCRIPTS,
    Scenario,
    load_scenarios,
)

# One scheduler, all of them, and more than there are cores.
RUNS = [("+S", "1"), (), ("+S", "8:8")]


def elixir_term(value: Any) -> str:
    """Write a value of a scenario as an Elixir term."""
    match value:
        case None:
            return "nil"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("#{", "\\#{")
        case list():
            return f"[{', '.join(map(elixir_term, value))}]"
        case dict():
            pairs = (f"{elixir_term(k)} => {elixir_term(v)}" for k, v in value.items())
            return f"%{{{', '.join(pairs)}}}"
    raise TypeError(f"no Elixir term for {value!r}")


def run_elixir(scenarios: list[Scenario], flags: tuple[str, ...]) -> dict[str, Any]:
    """Return versions and transcripts of one run."""
    term = elixir_term([{"name": s.name, "bodies": s.bodies} for s in scenarios])
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory, "in.exs"), Path(directory, "out.json")
        source.write_text(term, encoding="utf-8")
        erl = ["--erl", " ".join(flags)] if flags else []
        command = ["elixir", *erl, str(HERE / "run.exs"), str(source), str(target)]
        subprocess.run(command, check=True)
        result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        return result


def record(scenarios: list[Scenario]) -> dict[str, Any]:
    """Run all scenarios and return the result that all runs agree on.

    Raises:
        SystemExit: If they do not.
    """
    runs = [run_elixir(scenarios, flags) for flags in RUNS]
    racy = [
        f"{s.name}: {[run['transcripts'][s.name] for run in runs]}"
        for s in scenarios
        if any(r["transcripts"][s.name] != runs[0]["transcripts"][s.name] for r in runs)
    ]
    if racy:
        raise SystemExit("these are races:\n" + "\n".join(racy))
    return runs[0]


def written(recording: dict[str, Any]) -> str:
    """Write a recording one event a line, so that a change of it can be read."""
    lines = ["{"]
    for key in ("elixir", "otp"):
        lines.append(f'"{key}": {json.dumps(recording[key])},')
    digests = [f" {json.dumps(n)}: {json.dumps(d)}" for n, d in recording["programs"]]
    lines += ['"programs": {', ",\n".join(digests), "},", '"transcripts": {']
    entries = []
    for name, transcript in sorted(recording["transcripts"].items()):
        logs = [
            f"  {json.dumps(who)}: [\n   "
            + ",\n   ".join(json.dumps(event, ensure_ascii=False) for event in events)
            + "\n  ]"
            for who, events in sorted(transcript.items())
        ]
        entries.append(f" {json.dumps(name)}: {{\n" + ",\n".join(logs) + "\n }")
    return "\n".join([*lines, ",\n".join(entries), "}", "}", ""])


def main() -> None:
    scenarios = load_scenarios()
    result = record(scenarios)
    TRANSCRIPTS.mkdir(exist_ok=True)
    for path in TRANSCRIPTS.glob("*.json"):
        path.unlink()
    for noun in sorted({scenario.noun for scenario in scenarios}):
        mine = [scenario for scenario in scenarios if scenario.noun == noun]
        own = {s.name: result["transcripts"][s.name] for s in mine}
        programs = sorted((s.name, s.digest) for s in mine)
        text = written({**result, "transcripts": own, "programs": programs})
        (TRANSCRIPTS / f"{noun}.json").write_text(text, encoding="utf-8")
    versions = f"Elixir {result['elixir']}, OTP {result['otp']}"
    print(f"{len(scenarios)} scenarios recorded with {versions}")


if __name__ == "__main__":
    main()
