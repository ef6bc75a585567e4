"""The provider rows are facts that the rest relies on: their form is checked here, and their prices against genai-prices."""

import re

import genai_prices.data
import pytest

from pointsman.core.routing import Provider
from pointsman.upstream.credentials import credential_for
from pointsman.upstream.providers import API_KEY_HEADER, LOOPBACK, ROWS, Row, limit_field, offers, quirks, row
from pointsman.upstream.transport.head import target_of

NAMED = {
    *("openai", "anthropic", "gemini", "xai", "mistral", "deepseek", "moonshot", "dashscope"),
    *("groq", "together", "fireworks", "openrouter", "azure"),
    *("bedrock", "bedrockclaude", "vertex", "vertexclaude"),
}


def test_every_provider_has_one_row() -> None:
    names = [row.name for row in ROWS] + [server.name for server in LOOPBACK]
    assert set(names) >= NAMED
    assert len(names) == len(set(names))


def test_no_variable_stands_for_two_providers() -> None:
    variables = [name for row in ROWS for name in row.variables]
    assert len(variables) == len(set(variables))


@pytest.mark.parametrize("one", ROWS, ids=lambda one: one.name)
def test_a_row_is_well_formed(one: Row) -> None:
    variable = one.variables[0] if one.variables else "A_TOKEN"
    address = "https://mine.openai.azure.com/" if one.url_form == "{}" else "us-east-1"
    provider = one.provider(variable, address)
    assert target_of(provider.base_url + "/chat/completions").tls
    assert not provider.base_url.endswith("/")
    assert provider.credential == f"env:{variable}"
    assert re.fullmatch(r"[a-z]+", one.name), "stands in front of a slash in model names"
    assert set(one.quirks) <= set(quirks())
    assert bool(one.base_url) != bool(one.url_variable) == bool(one.url_example)
    assert one.variables or one.credential != "none", "there is a way to sign in"
    credential_for(Provider(one.name, provider.base_url, one.credential, one.dialect, one.quirks), {})
    assert row(one.name) is one
    assert one.owns(one.base_url or one.url_example.replace("RESOURCE", "mine"))


@pytest.mark.parametrize("one", [one for one in ROWS if one.price_id], ids=lambda one: one.name)
def test_the_prices_of_a_row_are_those_of_its_provider(one: Row) -> None:
    (known,) = (provider for provider in genai_prices.data.providers if provider.id == one.price_id)
    if one.url_example and one.name != "azure":
        assert re.match(known.api_pattern, one.url_example)
    elif one.name not in ("azure", "together"):  # depends on the customer; documents a newer host than genai-prices knows
        assert re.match(known.api_pattern, one.base_url)


@pytest.mark.parametrize(
    "address",
    [
        "https://mine.openai.azure.com",
        "https://mine.openai.azure.com/",
        " https://mine.openai.azure.com/openai/v1/ ",
    ],
)
def test_azure_takes_the_customers_address(address: str) -> None:
    azure = row("azure")
    assert azure is not None
    assert azure.provider("AZURE_OPENAI_API_KEY", address) == Provider(
        "azure",
        "https://mine.openai.azure.com/openai/v1",
        "env:AZURE_OPENAI_API_KEY",
        quirks=(API_KEY_HEADER,),
    )


@pytest.mark.parametrize(
    ("name", "variable", "value", "base_url"),
    [
        ("bedrock", "AWS_BEARER_TOKEN_BEDROCK", "eu-west-3", "https://bedrock-runtime.eu-west-3.amazonaws.com"),
        ("vertex", "A_TOKEN", "p", "https://aiplatform.googleapis.com/v1/projects/p/locations/global"),
    ],
)
def test_an_address_is_made_of_a_region_or_a_project(name: str, variable: str, value: str, base_url: str) -> None:
    (one,) = (each for each in ROWS if each.name == name)
    assert one.provider(variable, value).base_url == base_url


@pytest.mark.parametrize(
    ("name", "base_url", "own"),
    [
        ("openai", "https://api.openai.com/v1", True),
        ("openai", "https://proxy.example/v1", False),
        ("azure", "https://a.services.ai.azure.com/openai/v1", True),
        ("azure", "https://a.openai.azure.com.example/openai/v1", False),
        ("azure", "http://a.openai.azure.com/openai/v1", False),
        ("bedrock", "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com", True),
        ("bedrock", "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", True),
        ("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com.example", False),
        ("bedrock", "https://somebodys-bucket.s3.amazonaws.com", False),
        ("vertex", "https://aiplatform.us.rep.googleapis.com/v1/projects/p/locations/us", True),
        ("vertex", "https://evil.example/aiplatform.googleapis.com", False),
    ],
)
def test_the_addresses_at_which_a_credential_is_sent_unasked(name: str, base_url: str, own: bool) -> None:
    found = row(name)
    assert found is not None
    assert found.owns(base_url) == own


@pytest.mark.parametrize(
    ("name", "model", "offered"),
    [
        ("vertex", "gemini-2.5-pro", True),
        ("vertex", "claude-sonnet-4-5", False),
        ("vertexclaude", "claude-sonnet-4-5", True),
        ("vertexclaude", "gemini-2.5-pro", False),
        ("gemini", "claude-sonnet-4-5", False),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("bedrock", "amazon.nova-pro-v1:0", True),
        ("bedrockclaude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("bedrockclaude", "amazon.nova-pro-v1:0", False),
        ("azure", "o1", False),
        ("anthropic", "claude-sonnet-4-5", True),
        ("openrouter", "anthropic/claude-sonnet-4-5", True),
    ],
)
def test_a_model_of_a_price_list_is_there_where_it_can_be_reached(name: str, model: str, offered: bool) -> None:
    one = row(name)
    assert one is not None
    assert offers(one.provider("X", "https://mine.openai.azure.com" if name == "azure" else "a-region"), model) == offered


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://mine.services.ai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://evil.example/api.openai.com", "max_tokens"),
        ("https://notapi.openai.com.example/v1", "max_tokens"),
        ("https://api.mistral.ai/v1", "max_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
        ("", "max_tokens"),
    ],
)
def test_what_a_provider_calls_the_limit_of_an_answer(base_url: str, field: str) -> None:
    assert limit_field(Provider("p", base_url)) == field
    assert limit_field(Provider("p", base_url, quirks=("azure_deployments",))) == "max_completion_tokens"


def test_servers_on_loopback_need_no_key() -> None:
    assert {server.name: server.provider() for server in LOOPBACK} == {
        "ollama": Provider("ollama", "http://127.0.0.1:11434/v1"),
        "llamacpp": Provider("llamacpp", "http://127.0.0.1:8080/v1"),
        "vllm": Provider("vllm", "http://127.0.0.1:8000/v1"),
        "lmstudio": Provider("lmstudio", "http://127.0.0.1:1234/v1"),
    }


def test_an_unknown_name_has_no_row() -> None:
    assert row("nobody") is None
