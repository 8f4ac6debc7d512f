"""The task factory: asyncio's own tasks on the core of fastask."""

from __future__ import annotations

from fastask._core.asyncio_task import eager_task_factory, task_factory

__all__ = ["eager_task_factory", "task_factory"]
