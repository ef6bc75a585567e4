"""How pages are read."""

from pathlib import Path

from tests.guide.pages import Command, commands, pages


def test_commands_are_taken_with_what_they_are_said_to_print(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n```console terminal\n$ serve\nready\n```\n```console\n$ one  two\na … c\n\nd\n$ three\n```\n```\n$ no\n```\n"
    )
    assert list(commands(page)) == [
        Command("page.md", "serve", ("ready",), stays=True),
        Command("page.md", "one  two", ("a … c", "d"), stays=False),
        Command("page.md", "three", (), stays=False),
    ]


def test_lines_are_sought_in_order_and_an_ellipsis_stands_for_anything() -> None:
    command = Command("p", "c", ("a … c", "d"), stays=False)
    assert command.missing("x\na  b   c (more)\ny\n  d\n") is None
    assert command.missing("c a\nd\n") == "a … c"
    assert command.missing("d\na b c\n") == "d"
    assert command.missing("") == "a … c"


def test_every_page_of_the_guide_is_in_its_list_and_has_commands() -> None:
    listed = pages()
    assert {page.name for page in listed} == {page.name for page in listed[0].parent.glob("*.md")} - {"README.md"}
    assert [page.name for page in listed if not list(commands(page))] == []
