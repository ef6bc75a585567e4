"""Lines of keys: against tomllib on generated documents, and on documents chosen to be hard."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.config.lines import Path, key_lines

HARD = {
    "dotted, quoted and bare keys": 'a.b."c.d".\'e f\' = 1\n"a#b" = 2\n"\\u00e9\\"x" = 3\n1234 = 4\n-_ = 5\n',
    "brackets and hashes inside texts": 'a = "[x] # no"\nb = \'{y} = "\'\nc = ["]", "#", "}"] # yes [z]\n[d]\n',
    "multi-line texts": "a = \"\"\"\n[x]\nb = 1\n\"\"\"\nc = '''\n# \"'\n'''\nd = 1\n",
    "quotes at the end of multi-line texts": 'a = """x"""""\nb = \'\'\'y\'\'\'\'\'\nc = """\\"""" \nd = 1\n',
    "escaped quotes": 'a = "\\\\"\nb = "\\"[c]"\nd = """\\\\"""\ne = 1\n',
    "arrays over lines": "a = [\n  1,\n  # two\n  2, [3,\n 4],\n]\nb = [{c = 1}, {c.d = 2}]\n",
    "inline tables": "a = {b = {c = [1, {d = 2}]}, 'e' = 3}\nf = {}\n",
    "arrays of tables": "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = 1\n[[a.e]]\n[[a.e]]\nf = 1\n[g]\n",
    "tables in any order": "[a.b.c]\n[a]\nx = 1\n[a.b]\ny = 1\n[ a . 'd' ]\n",
    "numbers and dates": "a = 1979-05-27 07:32:00Z\nb = +1_000.5e-3\nc = [inf, -nan, 0x1F]\nd = 07:32:00\n",
    "windows line ends": 'a = 1\r\n[b]\r\nc = """\r\nx"""\r\nd = 2\r\n',
    "blank and comment lines": "\n\n# a = 1\n\t a = 2 # b\n\n#\n[c] # d\n",
    "nothing": "",
    "no line end": "a = 1",
}


def paths(value: Any, here: Path = ()) -> set[Path]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found = {here} if here else set()
    return found.union(*(paths(inner, (*here, key)) for key, inner in items))


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_finds_exactly_the_paths_that_tomllib_finds(text: str) -> None:
    assert set(key_lines(text)) == paths(tomllib.loads(text))


def test_lines_are_those_on_which_keys_begin() -> None:
    text = 'a = """\n\n"""\nb = [\n  1,\n\n  2,\n]\n[c]\n\nd.e = 1\n[[f]]\ng = 1\n[[f]]\ng = 2\n'
    lines = key_lines(text)
    assert lines["a",] == 1
    assert lines["b",] == 4
    assert [lines["b", 0], lines["b", 1]] == [5, 7]
    assert lines["c",] == 9
    assert lines["c", "d"] == lines["c", "d", "e"] == 11
    assert [lines["f", 0], lines["f", 0, "g"], lines["f", 1], lines["f", 1, "g"]] == [12, 13, 14, 15]


def quoted(text: str) -> str:
    escaped = "".join(f"\\U{ord(letter):08x}" if letter in '"\\' or not letter.isprintable() else letter for letter in text)
    return f'"{escaped}"'


keys = st.one_of(
    st.text("abcAB01-_", min_size=1, max_size=4),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=4).map(quoted),
)
texts = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8).map(quoted),
    st.sampled_from(["'[a] # b'", '"""\n[a]\nb = "1"\n"""', "'''\n\"\"\"\n'''", '"""x"""""']),
)
plain = st.sampled_from(["true", "1979-05-27", "1979-05-27 07:32:00", "1e5"])
scalars = st.one_of(st.integers(-99, 99).map(str), plain, texts)
gaps = st.sampled_from(["", " ", "\n", "\n\n  ", " # ] comment\n"])


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(st.tuples(gaps, inner, gaps), max_size=3))
    body = ",".join(f"{before}{item}{after}" for before, item, after in items)
    return f"[{body}{draw(st.sampled_from(['', ',']) if items else st.just(''))}{draw(gaps)}]"


@st.composite
def inline_tables(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(st.tuples(keys, inner), max_size=3))
    return "{" + ", ".join(f"{key} = {value}" for key, value in items) + "}"


values = st.recursive(scalars, lambda inner: st.one_of(arrays(inner), inline_tables(inner)), max_leaves=5)
pairs = st.builds(lambda dotted, value: f"{'.'.join(dotted)} = {value}", st.lists(keys, min_size=1, max_size=2), values)
headers = st.one_of(
    st.builds(lambda dotted: f"[{' . '.join(dotted)}]", st.lists(keys, min_size=1, max_size=3)),
    st.builds(lambda dotted: f"[[{'.'.join(dotted)}]]", st.lists(keys, min_size=1, max_size=2)),
)
documents = st.lists(st.one_of(pairs, headers, st.sampled_from(["", "# x = [", "   "])), max_size=10).map("\n".join)


@given(documents)
def test_finds_the_paths_of_any_valid_document(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert set(lines) == paths(document)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
