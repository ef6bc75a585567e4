"""The tables ``journal`` and ``redaction``, and whose prompts are stored."""

import datetime as dt

import pytest

from pointsman.control.compile import compile_snapshot
from pointsman.control.config import parse
from pointsman.core.errors import ConfigError
from pointsman.core.snapshot import Keeping
from pointsman.policy import naming


def test_what_is_said_is_kept() -> None:
    text = b"""
[journal]
prompts = true
keep_days = 90
prompt_days = 7
[redaction]
kinds = ["email", "iban"]
patterns = {case = 'CASE-\\d+'}
"""
    found = parse(text, "it")
    assert (found.store_prompts, found.store_vectors) == (True, True)
    assert found.keeping == Keeping(90, 7, ("email", "iban"), (("case", r"CASE-\d+"),))
    assert compile_snapshot(found, None, today=dt.date(2026, 11, 28), made_by="me").snapshot.keeping == found.keeping
    assert parse(b"", "it").keeping == Keeping()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[redaction]\nkinds = ['mail']", "knows no 'mail'"),
        (b"[redaction]\npatterns = {x = '('}", "is no regular expression"),
        (b"[redaction]\npatterns = {x = 'a*'}", "matches nothing at all"),
        (b"[redaction]\npatterns = {'a b' = 'a'}", "has another name"),
        (b"[redaction]\npatterns = {x = '" + b"a" * 1001 + b"'}", "longer than 1000"),
        (b"[journal]\nkeep_days = 3\nprompt_days = 4", "is more than keep_days"),
        (b"[journal]\nkeep_days = -1", "out of range"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        parse(text, "it")
    assert "it:2" in str(raised.value) or "it:3" in str(raised.value)


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_feature_speaks_before_its_route_and_a_route_before_all(*, everywhere: bool) -> None:
    text = f"""
[journal]
prompts = {str(everywhere).lower()}
[routes.open]
prompts = true
[routes.open.features.payroll]
prompts = false
[routes.closed]
prompts = false
[routes.closed.features.jokes]
prompts = true
[routes.plain]
[routes.plain.features.support]
"""
    snapshot = compile_snapshot(parse(text.encode(), "it"), None, today=dt.date(2026, 11, 28), made_by="me").snapshot
    said = {
        (route, feature): naming.plan_for(snapshot.routes[route], feature).store_prompts
        for route in ("open", "closed", "plain")
        for feature in ("payroll", "jokes", "support")
    }
    assert said["open", "payroll"] is False
    assert said["open", "support"] is True
    assert said["closed", "jokes"] is True
    assert said["closed", "support"] is False
    assert said["plain", "support"] is None
    assert snapshot.store_prompts is everywhere
