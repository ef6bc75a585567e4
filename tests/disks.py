"""File systems that are soon full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Make a directory that is a file system of so many megabytes; skips, with the reason, where none can be mounted."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    place.mkdir()
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("a small file system can only be mounted by root")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run([umount, "-l", place], check=True)
