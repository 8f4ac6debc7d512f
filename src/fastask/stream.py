"""Streams: a function over many items, a bounded number at a time."""

from __future__ import annotations

from fastask._core.stream import Stream, async_stream

__all__ = ["Stream", "async_stream"]
