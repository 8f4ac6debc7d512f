"""Tasks: processes that owe their owner a reply, and the verbs that collect it."""

from __future__ import annotations

from fastask._core.collect import (
    await_,
    await_many,
    find,
    ignore,
    shutdown,
    yield_,
    yield_many,
)
from fastask._core.executor import limit_executor
from fastask._core.message import Failed, Ok
from fastask._core.task import (
    Task,
    async_,
    async_nolink,
    completed,
    start,
    start_link,
)

__all__ = [
    "Failed",
    "Ok",
    "Task",
    "async_",
    "async_nolink",
    "await_",
    "await_many",
    "completed",
    "find",
    "ignore",
    "limit_executor",
    "shutdown",
    "start",
    "start_link",
    "yield_",
    "yield_many",
]
