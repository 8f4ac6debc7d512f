"""The figures of supervision, once and small: do they still run?"""

from __future__ import annotations

import logging

import pytest

from bench import supervision
from bench.row import given
from bench.side import run_fastask


@pytest.mark.parametrize("is_supervised", [True, False])
def test_children(is_supervised: bool) -> None:
    assert run_fastask(given(supervision.children, is_supervised), 100) > 0


def test_restarts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "fastask")

    assert run_fastask(supervision.restarts, 10) > 0


def test_servers() -> None:
    assert run_fastask(supervision.servers, 100) >= 0
