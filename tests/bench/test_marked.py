"""Figures go into their own place on a page, and nothing else of it changes."""

from pathlib import Path

import pytest

from marked import put

PAGE = "# Title\n<!-- a:start -->\nold\n<!-- a:end -->\nmiddle <!-- b:start -->\nother\n<!-- b:end -->\nend\n"


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, "utf-8")
    put(page, "a", "new\nlines")
    assert page.read_text("utf-8") == PAGE.replace("old", "new\nlines")
    put(page, "a", "old")
    assert page.read_text("utf-8") == PAGE


@pytest.mark.parametrize(("text", "missing"), [("nothing", "a:start"), ("<!-- a:start -->", "a:end")])
def test_a_page_without_marks_is_left_alone_and_that_is_said(tmp_path: Path, text: str, missing: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=missing):
        put(page, "a", "new")
    assert page.read_text("utf-8") == text
