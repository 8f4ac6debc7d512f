"""The tests themselves: each async one runs on the loop that its name tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest


def told(request: pytest.FixtureRequest) -> type[asyncio.AbstractEventLoop]:
    """The kind of loop that a test is to run on."""
    loop: asyncio.AbstractEventLoop = request.node.callspec.params["loop_factory"]()
    loop.close()
    return type(loop)


async def test_an_async_test_runs_on_its_loop(request: pytest.FixtureRequest) -> None:
    assert type(asyncio.get_running_loop()) is told(request)


async def test_an_async_test_that_takes_its_loop_runs_on_it(
    request: pytest.FixtureRequest,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    assert type(asyncio.get_running_loop()) is told(request)


@pytest.mark.fastask(grace=0.5)
async def test_an_async_test_with_a_marker_runs_on_its_loop(
    request: pytest.FixtureRequest,
) -> None:
    assert type(asyncio.get_running_loop()) is told(request)
