"""What a process of the gateway asks of its system."""

import subprocess
import sys


def test_many_files_may_be_open_where_the_system_allows_it() -> None:
    code = (
        "import resource as r; from pointsman.serve.data_plane import allow_files; "
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (64, hard)); allow_files(); "
        "assert r.getrlimit(r.RLIMIT_NOFILE) == (min(hard, 65_536), hard)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
