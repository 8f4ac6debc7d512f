"""What the processes of one scenario share: names, transcripts, and the normal form."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import fastask
from fastask import Down, Exit, Exited, Failed, Ok, Process, Ref, Reply, Timeout
from tests.differential.scenario import Scenario, Transcript


class World:
    """The names and transcripts of a scenario that runs."""

    def __init__(self, scenario: Scenario, tasks: fastask.TaskSupervisor) -> None:
        self.bodies = scenario.bodies
        self.tasks = tasks
        self.bound: dict[str, Any] = {}
        self.names: dict[Any, str] = {}
        self.kept: dict[str, Any] = {}  # tasks, timers and supervisors, by name
        self.attempts = Counter[str]()
        self.transcript: Transcript = defaultdict(list)

    def bind(self, name: str, thing: Process[Any] | Ref) -> None:
        self.bound[name] = thing
        self.names[thing] = name

    def lookup(self, name: str) -> Any:
        return fastask.self_() if name == "self" else self.bound[name]

    def log(self, who: str, event: object) -> None:
        self.transcript[who].append(self.normal(event))

    def term(self, value: Any) -> Any:
        """What a scenario writes, as the value that it means."""
        match value:
            case str() if value.startswith("@"):
                return self.lookup(value[1:])
            case str() if value.startswith("#"):
                return self.lookup(value)
            case list():
                return tuple(map(self.term, value))
        return value

    def normal(self, value: Any) -> Any:
        """A value, as the transcripts write it."""
        match value:
            case Process():
                return f"<{self.names.get(value, '?')}>"
            case Ref():
                return self.names.get(value, "?")
            case Exit():
                return ["exit", self.normal(value.reason)]
            case fastask.TaskTimeoutError():
                return "timeout"
            case Exception():
                return ["error", str(value)]
            case list() | tuple():
                return [self.normal(item) for item in value]
            case Reply() | Down() | Exited() | Timeout() | Ok() | Failed():
                return self.normal(tuple_of(value))
            case str():
                return str(value)
        return value


def tuple_of(message: Any) -> Any:
    """Return a message of the runtime as the tuple that it is in Elixir."""
    match message:
        case Down(ref, process, reason):
            return ("DOWN", ref, process, reason)
        case Exited(process, reason):
            return ("EXIT", process, reason)
        case Reply(ref, value):
            return (ref, value)
        case Timeout(ref, inner):
            return ("timeout", ref, inner)
        case Ok(value):
            return ("ok", value)
        case Failed(reason):
            return ("exit", reason)
    return message
