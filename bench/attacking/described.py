"""schemathesis against the published description: requests that fit it, and that do not, and whether what comes back does.

It runs from an environment of its own (``make attack``): the project does not depend on it. Asked for are no server errors,
and no status, content type or body that is not described. (Keys are tried by ``contents.paths``: it sends ours with all.)
"""

import asyncio
import re
from pathlib import Path

from attacking.target import Gateway
from harness.load import KEY

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".attack" / "bin" / "schemathesis"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
_FAILURE = re.compile(r"^- (.+)$", re.MULTILINE)
_CASES = re.compile(r"(\d[\d,]*) generated")


async def described(at: Gateway, examples: int) -> tuple[int, list[str]]:
    """Return how many requests were tried, and what was found; nothing where schemathesis is not installed."""
    if not PROGRAM.exists():
        return 0, []
    words = (
        "run",
        ROOT / "docs" / "openapi.json",
        "--url",
        f"http://127.0.0.1:{at.port}",
        "-H",
        f"authorization: Bearer {KEY}",
        "--exclude-path-regex",
        "^/control/",
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        str(examples),
        "--seed",
        "1",
        "--checks",
        ",".join(CHECKS),
        "--continue-on-failure",
        "--no-color",
        "--request-timeout",
        "30",
    )
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode("utf-8", "replace")
    found = [f"{one} (schemathesis)" for one in _FAILURE.findall(said)]
    cases = sum(int(number.replace(",", "")) for number in _CASES.findall(said))
    if process.returncode and not found:
        found = [f"schemathesis ended with {process.returncode}: {said[-2000:]}"]
    return cases, found
