"""What a benchmark measured, written into its place on a page: between ``<!-- NAME:start -->`` and ``<!-- NAME:end -->``."""

from pathlib import Path


def put(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of a name. Raises ValueError where the page lacks one of them."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, first, rest = page.read_text(encoding="utf-8").partition(start)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"{page.name} has no {start if not first else end}: put both marks where the figures belong")
    page.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")
