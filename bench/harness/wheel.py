"""The wheel that is published, built from this checkout and unpacked: what the gateways of a benchmark are started from."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


class NotBuilt(Exception):  # noqa: N818 - it is what happened
    """The wheel with compiled modules could not be built; the text says what is missing."""


def unpacked(directory: Path) -> Path:
    """Build the wheel with compiled modules in a directory, and return where its packages are. Raises NotBuilt."""
    words = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory / "wheel"))
    asked = {**os.environ, "HATCH_BUILD_HOOK_ENABLE_CUSTOM": "true"}
    done = subprocess.run(words, cwd=ROOT, env=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line]
        raise NotBuilt(f"{said[0] if said else 'the build failed'}: a C compiler and Python's headers are needed")
    [wheel] = (directory / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(directory / "native")
    return directory / "native"
