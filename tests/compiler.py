"""Says whether this machine can compile modules for this Python; exit status 1, with the reason, where it cannot."""

import shutil
import sysconfig
from pathlib import Path


def main() -> int:
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        reason = "there is no C compiler (Debian: gcc, libc6-dev)"
    elif not header.exists():
        reason = f"{header} is missing (Debian: python3-dev)"
    else:
        return 0
    print(f"skipped: no compiled modules are tested, {reason}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
