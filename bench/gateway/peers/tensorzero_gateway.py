"""Runs TensorZero's gateway until it is ended, from the package that starts it in a process of Python.

python tensorzero_gateway.py CONFIG FILE: its base URL goes into FILE once it listens (it takes a port of its own choice).
"""

import signal
import sys
from pathlib import Path

from tensorzero import _start_http_gateway  # type: ignore[import-not-found]

gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
Path(sys.argv[2]).write_text(gateway.base_url)
signal.pause()
