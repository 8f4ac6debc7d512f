"""The workloads: a module for each noun, both sides of a pair side by side in it."""

from __future__ import annotations

from bench.workloads import message, spawn, stream, timeout, timer

MODULES = (spawn, message, timer, timeout, stream)
