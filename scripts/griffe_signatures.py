"""For mkdocstrings: take the signature away that Cython puts before a docstring.

The documentation has the one of the stubs, which has types.
"""

from __future__ import annotations

from typing import Any

import griffe


class Signatures(griffe.Extension):  # type: ignore[misc,unused-ignore]  # untyped where it is missing
    """Drops the first line of a docstring when it is the call of its function."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Look at one function, called by griffe."""
        if func.docstring is None:
            return
        first, _, rest = func.docstring.value.partition("\n")
        if first.startswith(f"{func.name}("):
            func.docstring.value = rest.strip("\n")
