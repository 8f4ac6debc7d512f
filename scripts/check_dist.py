"""Hold an sdist and a wheel against what is published.

python scripts/check_dist.py dist/fastask_otp-0.1.0.tar.gz dist/fastask_otp-*.whl

The sdist has every file of the repository, but what only a repository needs. The wheel
is small, has each module of the core as a stripped binary beside its types, and nothing
else: no C, no Cython, no tests.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

WHEEL_BYTES = 2_000_000
SOURCES = {".c", ".cpp", ".h", ".pyx", ".pxd", ".o"}
FOLDERS = {"tests", "bench", "examples", "docs", "scripts", "src"}
BINARIES = {".so", ".pyd"}
# ELF names its sections in clear; a stripped binary has neither.
UNSTRIPPED = (b".symtab\0", b".debug_info\0")
REPOSITORY_ONLY = {".github", ".ci", ".gitignore", ".pre-commit-config.yaml"}


def tracked() -> set[str]:
    """List the files of the repository; none where git does not know this folder."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {
        name
        for name in listed.stdout.split("\0")
        if name and PurePosixPath(name).parts[0] not in REPOSITORY_ONLY
        if Path(name).exists()
    }


def check_sdist(sdist: Path) -> Iterator[str]:
    """Say what is wrong with an sdist."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in sorted(tracked() - names):
        yield f"{name} is missing in the sdist"
    for name in sorted(names):
        if PurePosixPath(name).suffix in {".c", ".so", ".pyd", ".pyc"}:
            yield f"{name} is built, and in the sdist"


def core_of(sdist: Path) -> set[str]:
    """Name the modules of the core that an sdist has the sources of."""
    with tarfile.open(sdist) as archive:
        paths = [PurePosixPath(name) for name in archive.getnames()]
    return {path.stem for path in paths if path.suffix == ".pyx"}


def check_wheel(wheel: Path, core: set[str]) -> Iterator[str]:
    """Say what is wrong with a wheel whose core has these modules."""
    size = wheel.stat().st_size
    if size > WHEEL_BYTES:
        yield f"the wheel has {size:,} bytes, and may have {WHEEL_BYTES:,}"
    with zipfile.ZipFile(wheel) as archive:
        names = {PurePosixPath(name): name for name in archive.namelist()}
        for path, name in names.items():
            if path.suffix in SOURCES or path.parts[0] in FOLDERS:
                yield f"{name} has no place in a wheel"
            if path.suffix == ".so":
                content = archive.read(name)
                if any(section in content for section in UNSTRIPPED):
                    yield f"{name} has symbols that nobody needs"
    built = {p.name.partition(".")[0] for p in names if p.suffix in BINARIES}
    typed = {p.stem for p in names if p.suffix == ".pyi"}
    for module in sorted(core - built):
        yield f"{module} of the core is not in the wheel"
    for module in sorted(built - core):
        yield f"{module} is in the wheel, and not in the core"
    for module in sorted(core - typed):
        yield f"{module} of the core has no types in the wheel"
    for needed in ("fastask/py.typed", "fastask/__init__.py"):
        if PurePosixPath(needed) not in names:
            yield f"{needed} is not in the wheel"


def main(sdist: Path, wheel: Path) -> int:
    """Check both, print what is wrong, and return the exit status."""
    wrong = [*check_sdist(sdist), *check_wheel(wheel, core_of(sdist))]
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"{sdist.name}: {sdist.stat().st_size:,} bytes, complete")
        print(f"{wheel.name}: {wheel.stat().st_size:,} of {WHEEL_BYTES:,} bytes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
