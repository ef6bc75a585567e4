"""Memory that processes share: whoever reads gets what was written whole, or nothing."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from pointsman.gateway.telemetry.pages import PAGE_BYTES, Page, Pages


@pytest.fixture
def pages() -> Iterator[Pages]:
    made = Pages.made(3)
    yield made
    made.close()


def test_a_page_holds_what_was_last_written_to_it(pages: Pages) -> None:
    assert pages.read(1) == b""
    for data in (b"long enough", b"short"):
        assert pages.write(1, data)
        assert pages.read(1) == data
    assert pages.read(0) == pages.read(2) == b""


def test_what_is_too_long_is_not_written(pages: Pages) -> None:
    assert pages.write(0, b"x" * (PAGE_BYTES - 8))
    assert not pages.write(0, b"y" * (PAGE_BYTES - 7))
    assert pages.read(0) == b"x" * (PAGE_BYTES - 8)
    assert pages.read(1) == b""


def test_half_a_page_is_not_read(pages: Pages) -> None:
    pages.write(0, b"first")
    pages._map[8:10] = b"fo"  # what another process has written so far
    assert pages.read(0) is None
    pages._map[0:4] = b"\xff" * 4
    assert pages.read(0) is None


def test_a_child_sees_the_page_that_it_inherits_and_it_outlives_the_child(pages: Pages) -> None:
    page = Page(pages, 2)
    page.write(b"before")
    code = (
        "import sys; from pointsman.gateway.telemetry.pages import Page; page = Page.inherited(sys.argv[1]); "
        "assert page.read() == b'before'; page.write(b'after')"
    )
    subprocess.run([sys.executable, "-c", code, page.argument], pass_fds=[pages.fd], check=True)
    assert page.read() == b"after"
