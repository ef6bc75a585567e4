"""What the gateway tells of itself: the tables ``logs`` and ``traces``."""

import re
from typing import Final
from urllib.parse import urlsplit

from pointsman.control.config.reading import Table
from pointsman.core.snapshot import Traces

FORMATS: Final = ("text", "json")
_SOURCE: Final = re.compile(r"none|env:[A-Za-z_][A-Za-z0-9_]*|file:.*\S.*")


def read_logs(document: Table) -> bool:
    """Read ``[logs]``: whether the log is JSON, with a line for each exchange."""
    table = document.table("logs")
    if table is None:
        return False
    form = table.choice("format", FORMATS)
    table.finish()
    return form == "json"


def read_traces(document: Table) -> Traces | None:
    """Read ``[traces]``, None where it is absent or wrong."""
    table = document.table("traces")
    if table is None:
        return None
    url, service, credential = table.text("url"), table.text("service"), table.text("credential")
    table.finish()
    if credential is not None and not _SOURCE.fullmatch(credential):  # it may be a secret: it is never repeated
        remedy = 'put the key into an environment variable and write "env:NAME", or "file:PATH"'
        table.wrong("credential", "does not name a place where the key is", remedy)
        credential = None
    if "url" not in table:
        remedy = 'add url = the whole address of a collector: "http://127.0.0.1:4318/v1/traces"'
        table.report.add(table.path, "[traces] has no url", remedy)
    if url is None:
        return None
    if not _usable(url):
        table.wrong("url", "is no plain web address", 'write it whole, without a key: "http://127.0.0.1:4318/v1/traces"')
        return None
    return Traces(url, credential or "none", service or Traces(url).service)


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return usable and parts.username is None and not parts.query and not parts.fragment and not re.search(r"\s", url)
