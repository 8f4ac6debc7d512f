"""Two sizes of the model tests: about 5 000 steps each, and 100 000 by night.

`HYPOTHESIS_PROFILE=nightly python -m pytest tests/models` chooses the second, and so
does `--hypothesis-profile=nightly`. A failure prints the shortest program that fails.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

MANY_SECONDS = 3600

settings.register_profile(
    "default",
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "nightly",
    settings.get_profile("default"),
    max_examples=2000,
    derandomize=False,
    print_blob=True,
)


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile that was chosen."""
    chosen = config.getoption("--hypothesis-profile", None)
    settings.load_profile(
        chosen or os.environ.get("HYPOTHESIS_PROFILE", None) or "default"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the long runs be long."""
    for item in items:
        if "models" in item.path.parts:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(MANY_SECONDS))


@pytest.fixture(autouse=True)
def crashes_are_not_logged() -> Iterator[None]:
    """Keep the thousands of crashes that are meant out of the log."""
    logger = logging.getLogger("fastask")
    logger.disabled = True
    yield
    logger.disabled = False
