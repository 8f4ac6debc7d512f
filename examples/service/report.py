"""The report: three aggregates at once, and those that came before the deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fastask
from examples.service.database import Database

QUERIES = {
    "sold": "SELECT product, sum(quantity)::bigint FROM orders GROUP BY product",
    "revenue": "SELECT product, sum(total)::bigint FROM orders GROUP BY product",
    "letters": "SELECT CASE WHEN sent THEN 'sent' ELSE 'unsent' END, count(*) "
    "FROM outbox GROUP BY sent",
}


@dataclass(frozen=True)
class Report:
    """What is known, by the names of the queries, and which of them are missing."""

    parts: dict[str, dict[str, int]]
    late: list[str]
    failed: list[str]


async def summarise(
    database: Database, queries: fastask.TaskSupervisor, deadline: float
) -> Report:
    """Run the queries at once; what is late or fails is missing from the report.

    A query that is late is told to stop, and nobody waits for that. So is every query
    when the caller ends, because its client went away, say. The exit signal unwinds the
    query, and asyncpg cancels it in the server.

    Args:
        database: What is asked.
        queries: The supervisor of the queries.
        deadline: Seconds for all of them together.

    Raises:
        NoProcessError: If the supervisor is being restarted.
        MaxChildrenError: If it has its hands full.
    """
    tasks = dict[str, fastask.Task[dict[str, int]]]()
    report = Report({}, [], [])
    try:
        for name, query in QUERIES.items():
            tasks[name] = queries.async_nolink(numbers, database, query)
        outcomes = await fastask.yield_many(tasks.values(), deadline)
        for name, (_, outcome) in zip(QUERIES, outcomes, strict=True):
            match outcome:
                case fastask.Ok(part):
                    report.parts[name] = part
                case fastask.Failed():
                    report.failed.append(name)
                case None:
                    report.late.append(name)
    finally:
        for task in tasks.values():
            abandon(task)
    return report


def abandon(task: fastask.Task[Any]) -> None:
    """Let go of a task and tell it to stop, if it has not ended."""
    process = task.process
    fastask.ignore(task)
    if process is not None:
        fastask.exit(process, fastask.SHUTDOWN)


async def numbers(database: Database, query: str) -> dict[str, int]:
    """Run a query with rows of a name and a number."""
    async with database.connection() as connection:
        return dict(await connection.fetch(query))
