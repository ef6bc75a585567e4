"""The tables of logs and traces."""

import pytest

from pointsman.control.config import parse
from pointsman.core.errors import ConfigError
from pointsman.core.snapshot import Traces

URL = "http://127.0.0.1:4318/v1/traces"


def test_both_are_off_unless_asked_for() -> None:
    config = parse(b"", "f")
    assert (config.json_logs, config.traces) == (False, None)
    assert parse(b'[logs]\nformat = "text"', "f").json_logs is False


def test_what_is_asked_for() -> None:
    config = parse(f'[logs]\nformat = "json"\n[traces]\nurl = "{URL}"\ncredential = "env:K"\nservice = "s"'.encode(), "f")
    assert (config.json_logs, config.traces) == (True, Traces(URL, "env:K", "s"))
    assert parse(f'[traces]\nurl = "{URL}"'.encode(), "f").traces == Traces(URL)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[logs]\nformat = "jsn"', "did you mean json?"),
        ("[traces]", "[traces] has no url"),
        ('[traces]\nurl = "collector"', "is no plain web address"),
        ('[traces]\nurl = "http://u:p@x/"', "is no plain web address"),
        (f'[traces]\nurl = "{URL}"\nsample = 1', "unknown key 'sample'"),
    ],
)
def test_mistakes(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "f")
    assert words in str(caught.value)


def test_a_key_in_the_file_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f'[traces]\nurl = "{URL}"\ncredential = "s3cret"'.encode(), "f")
    assert "s3cret" not in str(caught.value)
