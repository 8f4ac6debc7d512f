"""A scenario on fastask."""

from __future__ import annotations

import fastask
from fastask import KILL, TaskSupervisor
from tests.differential import processes, supervisors, task_supervisors, tasks
from tests.differential.actor import STEPS, run_as
from tests.differential.scenario import Scenario, Transcript
from tests.differential.world import World

LIMIT = 20.0

# Each module of steps enters its own when it is imported.
assert all(m.STEPS is STEPS for m in (processes, tasks, supervisors, task_supervisors))


async def run_scenario(scenario: Scenario) -> Transcript:
    """Return the transcript of a scenario: the events of each process."""
    supervisor = await TaskSupervisor.start_link()
    assert supervisor.process is not None
    fastask.unlink(supervisor.process)
    world = World(scenario, supervisor)
    main, ref = fastask.spawn_monitor(run_as, world, "main", "main")
    try:
        down = await fastask.receive(ref, timeout=LIMIT)
        world.log("main", ("end", down.reason))
    except TimeoutError:
        world.log("main", ("end", "never"))
    transcript = dict(world.transcript)
    for process in fastask.processes():
        if process is not fastask.self_():
            fastask.monitor(process)  # so that its end is not reported
            fastask.exit(process, KILL)
    return transcript
