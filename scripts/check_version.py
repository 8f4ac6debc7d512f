"""Print what the changelog says of a version, if everything agrees on that version.

python scripts/check_version.py v0.1.0

The tag, pyproject.toml, `fastask.__version__` and a section of the changelog, with its
date, have to name the same one. Reads the files, imports nothing.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def declared() -> dict[str, str]:
    """Find the version in each place that declares it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    package = (ROOT / "src" / "fastask" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "(.*)"$', package, re.M)
    return {
        "pyproject.toml": project["version"],
        "fastask.__version__": found[1] if found else "missing",
    }


def notes(version: str) -> str | None:
    """Return the section of the changelog for a version; None where there is none."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, text, re.M | re.S)
    return found[1].strip() if found else None


def main(tag: str) -> int:
    """Print the notes of a tag's version, or what does not agree with it."""
    version = tag.removeprefix("v")
    wrong = [f"{p} says {v}" for p, v in declared().items() if v != version]
    text = notes(version)
    if text is None:
        wrong.append(f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD'")
    if wrong:
        print(f"the tag is {tag}, but", "; ".join(wrong), file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
