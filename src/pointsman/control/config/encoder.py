"""The owner's sentence encoder: the table ``encoder``."""

import re
from typing import Final
from urllib.parse import urlsplit

from pointsman.control.config.reading import Table
from pointsman.core.snapshot import Encoder

_SOURCE: Final = re.compile(r"none|env:[A-Za-z_][A-Za-z0-9_]*|file:.*\S.*|command:.*\S.*")
_ADDRESSED: Final = ("model", "credential")


def read_encoder(document: Table) -> Encoder | None:
    """Read the table, None where it is absent or wrong."""
    table = document.table("encoder")
    if table is None:
        return None
    url, onnx, model = table.text("url"), table.text("onnx"), table.text("model")
    credential, within = _credential(table), table.number("within_ms", "1", "1000")
    table.finish()
    if ("url" in table) == ("onnx" in table):
        both = "both an address and a directory" if "url" in table else "neither an address nor a directory"
        remedy = 'write url = "https://.../v1/embeddings" and model, or onnx = "DIRECTORY"'
        table.report.add(table.path, f"[encoder] names {both}", remedy)
        return None
    for key in _ADDRESSED:
        if "onnx" in table and key in table:
            table.wrong(key, "has no effect with onnx", "remove it")
    if "url" in table and "model" not in table:
        table.report.add(table.path, "[encoder] has no model", "add model = the name that the address knows it by")
    if url is not None and not _usable(url):
        remedy = 'write the whole address of the embeddings, without a key: "https://api.openai.com/v1/embeddings"'
        table.wrong("url", "is no plain web address", remedy)
    usual = Encoder()
    return Encoder(url or "", model or "", credential, onnx or "", usual.within_ms if within is None else float(within))


def _credential(table: Table) -> str:
    """Read a credential source. Whatever is none may be a secret: it is never repeated."""
    value = table.text("credential")
    if value is None or _SOURCE.fullmatch(value):
        return value or "none"
    what = "does not name a place where the key is (a key itself never belongs into this file, and it is not shown here)"
    table.wrong("credential", what, 'put the key into an environment variable and write "env:NAME", or "file:PATH"')
    return "none"


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return usable and parts.username is None and not parts.query and not parts.fragment and not re.search(r"\s", url)
