"""Exports in each form, as the providers' references show them, with made-up figures."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pointsman.control.ledger.reconcile.billed import Billed, ExportError, together, undated
from pointsman.control.ledger.reconcile.reading import read

DAY_S = 1_764_288_000  # 2025-11-28


def openai(*results: dict[str, Any], start: int = DAY_S, end: int = DAY_S + 86_400, **page: Any) -> dict[str, Any]:
    bucket = {"object": "bucket", "start_time": start, "end_time": end, "results": list(results)}
    return {"object": "page", "data": [bucket], "has_more": False, "next_page": None, **page}


USED = {
    "object": "organization.usage.completions.result", "input_tokens": 1000, "output_tokens": 500,
    "input_cached_tokens": 800, "input_audio_tokens": 0, "num_model_requests": 5, "project_id": None,
    "model": "gpt-4o-mini-2024-07-18", "batch": None,
}  # fmt: skip
COST = {
    "object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"},
    "line_item": "gpt-4o-mini-2024-07-18, input", "project_id": None,
}  # fmt: skip


def anthropic(*results: dict[str, Any], start: str = "2025-11-28T00:00:00Z", end: str = "2025-11-29T00:00:00Z") -> Any:
    return {"data": [{"starting_at": start, "ending_at": end, "results": list(results)}], "has_more": False}


MESSAGES = {
    "uncached_input_tokens": 1500, "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
    "cache_read_input_tokens": 200, "output_tokens": 500, "server_tool_use": {"web_search_requests": 10},
    "model": "claude-sonnet-4-20250514", "service_tier": "standard", "context_window": "0-200k",
}  # fmt: skip
REPORT = {
    "currency": "USD", "amount": "123.78912", "workspace_id": None, "description": "Claude Sonnet 4 Usage - Input Tokens",
    "cost_type": "tokens", "model": "claude-sonnet-4-20250514", "token_type": "uncached_input_tokens",
}  # fmt: skip


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "export"
    path.write_text(text, "utf-8")
    return path


def test_openais_usage(tmp_path: Path) -> None:
    found = read(written(tmp_path, json.dumps(openai(USED))))
    assert found.provider == "openai"
    assert found.rows == (Billed("2025-11-28", "gpt-4o-mini", 5, 1000, 800, None, 500),)


def test_openais_costs_keep_every_digit(tmp_path: Path) -> None:
    exact = json.dumps(openai(COST, {**COST, "line_item": None})).replace("0.06", "0.060000000000000000001", 1)
    one, other = read(written(tmp_path, exact)).rows
    assert (one.model, one.usd, one.grain) == ("gpt-4o-mini", Decimal("0.060000000000000000001"), Decimal("1e-21"))
    assert (other.model, other.usd, other.grain) == ("", Decimal("0.06"), Decimal("0.01"))


def test_anthropics_usage_and_costs(tmp_path: Path) -> None:
    found = read(
        written(tmp_path, json.dumps(anthropic(MESSAGES, REPORT, {**REPORT, "cost_type": "web_search", "model": None})))
    )
    assert found.provider == "anthropic"
    used, cost, search = found.rows
    assert used == Billed("2025-11-28", "claude-sonnet-4", None, 3200, 200, 1500, 500)
    assert (cost.model, cost.usd, cost.grain) == ("claude-sonnet-4", Decimal("1.2378912"), Decimal("1e-7"))
    assert search.model == "Claude Sonnet 4 Usage - Input Tokens"


@pytest.mark.parametrize("form", ["array", "lines"])
def test_several_pages_in_one_file(tmp_path: Path, form: str) -> None:
    pages = [openai(USED, has_more=True), openai(USED, start=DAY_S + 86_400, end=DAY_S + 90_000)]
    text = json.dumps(pages) if form == "array" else "\n".join(map(json.dumps, pages))
    assert [row.day for row in read(written(tmp_path, text)).rows] == ["2025-11-28", "2025-11-29"]


def test_hours_of_a_day_add_up(tmp_path: Path) -> None:
    hours = [openai(USED, start=DAY_S + hour * 3600, end=DAY_S + (hour + 1) * 3600) for hour in range(24)]
    (whole,) = together(read(written(tmp_path, json.dumps(hours))).rows).values()
    assert (whole.requests, whole.input, whole.output, whole.written) == (120, 24_000, 12_000, None)


def test_a_table(tmp_path: Path) -> None:
    text = "Day,Model,Region,input_tokens,output_tokens,cost_usd\n2025-11-28,m-1,eu,10,2,0.0130\n2025-11-29,m-1,eu,,,1\n"
    found = read(written(tmp_path, "\ufeff" + text))
    assert found.provider == ""
    assert found.rows == (
        Billed("2025-11-28", "m-1", input=10, output=2, usd=Decimal("0.0130"), grain=Decimal("0.0001")),
        Billed("2025-11-29", "m-1", usd=Decimal(1)),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column day"),
        ("model,input_tokens\nm,1", "no column day"),
        ("day,model\n2025-11-28,m", "nothing to compare"),
        ("day,input_tokens\n2025-11-31,1", "line 2 of the table"),
        ("day,input_tokens\n2025-11-28,many", "line 2 of the table"),
        ("day,cost_usd\n2025-11-28,NaN", "no amount"),
        ("{", "export: "),
        ('{"object": "list"}', "no list `data`"),
        ('{"data": [{"from": 1}]}', "neither start_time"),
        (json.dumps(openai(USED, end=DAY_S + 2 * 86_400)), "more than one day"),
        (json.dumps(openai({**COST, "amount": {"value": 1, "currency": "eur"}})), "only US dollars"),
        (json.dumps(anthropic({**REPORT, "currency": "EUR"})), "only US dollars"),
        (json.dumps(openai(USED, has_more=True)), "export all of them"),
        (json.dumps([openai(USED), anthropic(MESSAGES)]), "two providers"),
        (json.dumps(openai({**USED, "input_tokens": "lots"})), "input_tokens"),
        (json.dumps(anthropic(MESSAGES, start="soon")), "starting_at"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ExportError) as raised:
        read(written(tmp_path, text))
    assert words in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be read"):
        read(tmp_path / "nowhere")


def test_names_without_their_dates() -> None:
    names = ("gpt-4o-mini-2024-07-18", "claude-sonnet-4-20250514", "claude-3-5@20241022", "gpt-4.1", "o3 ")
    assert [undated(name) for name in names] == ["gpt-4o-mini", "claude-sonnet-4", "claude-3-5", "gpt-4.1", "o3"]
