"""The documented example loads and says what it says; any mutation of it either compiles or is told as mistakes."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.control.compile import compile_snapshot
from pointsman.control.config import Config, PoolRules, discovered, is_loopback, load, parse, with_reference
from pointsman.control.config.values import CustomerRules
from pointsman.control.publish import faults
from pointsman.core.errors import ConfigError
from pointsman.core.price import Price, Rates, TierRates
from pointsman.core.routing import Deployment, Grader, Objective, Plan, Provider
from pointsman.core.snapshot import Encoder, Limits
from pointsman.upstream.discover import Found, FoundProvider, keyed

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"
PLATFORMS = DOCUMENT.with_name("providers.md")
SECRET = "sk-proj-4f9Tq0aXr7"
EXAMPLE = re.search(r"```toml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)[1]  # type: ignore[index]


def test_the_documented_platforms_are_what_they_are_said_to_be() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PLATFORMS.read_text("utf-8"), re.DOTALL)
    found = [parse(block.encode(), "example") for block in blocks]
    assert [(p.name, p.credential, p.dialect, p.quirks) for one in found for p in one.providers.values()] == [
        ("bedrock", "aws", "bedrock_converse", ()),
        ("bedrockclaude", "aws", "anthropic", ("bedrock_invoke",)),
        ("vertex", "adc", "gemini", ("vertex",)),
        ("vertexclaude", "adc", "anthropic", ("vertex",)),
        ("azure", "entra", "openai_chat", ("api_key_header",)),
        ("ours", "aws", "bedrock_converse", ()),
        ("openai", "env:OPENAI_API_KEY", "openai_chat", ()),
        ("azure", "env:AZURE_OPENAI_API_KEY", "openai_chat", ("api_key_header",)),
    ]
    assert [one.pools for one in found if one.pools] == [
        (PoolRules(("openai/gpt-5", "azure/our-gpt", "azure/our-ptu"), ("azure/our-ptu",)),)
    ]


@pytest.mark.parametrize(
    ("name", "base_url", "credential"),
    [
        ("azure", "https://mine.openai.azure.com/openai/v1", "env:AZURE_OPENAI_API_KEY"),
        ("azure", "https://proxy.example/openai/v1", "none"),
        ("bedrock", "https://proxy.example", "none"),
        ("vertex", "http://aiplatform.googleapis.com/v1", "none"),
        ("openai", "https://api.openai.com/v1", "env:OPENAI_API_KEY"),
        ("openai", "https://proxy.example/v1", "none"),
    ],
)
def test_a_credential_is_never_sent_elsewhere_unasked(name: str, base_url: str, credential: str) -> None:
    config = parse(f'[providers.{name}]\nbase_url = "{base_url}"\n'.encode(), "f")
    assert config.providers[name].credential == credential


def test_the_file_of_a_credential_is_beside_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('[providers.vertex]\nbase_url = "https://a.example"\ncredential = "adc:me.json"\n')
    assert load(file).providers["vertex"].credential == f"adc:{tmp_path / 'me.json'}"


def test_how_long_a_provider_caches_is_five_minutes_unless_the_owner_says_otherwise() -> None:
    config = parse(b'[providers.openai]\n[providers.house]\nbase_url = "http://a"\ncache_s = 3600\n', "f")
    assert {name: one.cache_s for name, one in config.providers.items()} == {"openai": 300.0, "house": 3600.0}


def test_a_price_may_state_what_service_tiers_cost() -> None:
    file = """
    [providers.house]
    base_url = "http://a"
    [deployments."house/x"]
    price = {input = 2, output = 8, tiers = {flex = {input = 1, output = 4, cached = 0}, batch = {input = 0.5, output = 2}}}
    [[prices]]
    deployment = "house/x"
    since = 2026-11-01
    input = 3
    output = 9
    tiers.flex = {input = 2, output = 5}
    """
    config = parse(file.encode(), "f")
    stated = config.deployments["house/x"].price
    assert stated is not None
    assert stated.tiers == (
        TierRates("flex", Rates(Decimal(1), Decimal(4), Decimal(0))),
        TierRates("batch", Rates(Decimal("0.5"), Decimal(2))),
    )
    assert config.own_prices[0].price.tiers == (TierRates("flex", Rates(Decimal(2), Decimal(5))),)


def test_an_encoder_is_an_address_or_a_directory_beside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('[encoder]\nonnx = "minilm"\nwithin_ms = 30')
    assert load(file).encoder == Encoder(onnx=str(tmp_path / "minilm"), within_ms=30.0)
    file.write_text('[encoder]\nurl = "https://a.example/v1/embeddings"\nmodel = "small"\ncredential = "file:key"')
    assert load(file).encoder == Encoder(
        "https://a.example/v1/embeddings", "small", f"file:{tmp_path / 'key'}", within_ms=50.0
    )
    assert parse(b"", "f").encoder is None


def test_bounds_of_one_address_and_one_key_are_read() -> None:
    config = parse(b"[limits]\nconnections_per_address = 16384\nfeedback_per_minute = 5\nvalues_per_key = 7", "f")
    assert config.limits == Limits(connections_per_address=16_384, feedback_per_minute=5, values_per_key=7)


def test_what_a_model_can_hold_and_give_is_read() -> None:
    text = (
        b'[providers.p]\nbase_url = "https://a.example/v1"\n[deployments."p/m"]\ncontext_tokens = 9000\noutput_tokens = 4096'
    )
    found = parse(text, "f").deployments["p/m"]
    assert (found.context_tokens, found.output_tokens, found.variant) == (9_000, 4_096, None)


def test_the_documented_example_says_what_the_documentation_says() -> None:
    config = parse(EXAMPLE.encode(), "example")
    assert (config.host, config.port, config.data) == ("127.0.0.1", 8787, ".pointsman")
    assert config.providers["openai"] == Provider("openai", "https://api.openai.com/v1", "env:OPENAI_API_KEY")
    assert config.providers["azure"].quirks == ("api_key_header",)
    assert config.providers["house"].credential == "none"
    assert config.price_lists == {"openai": "openai", "azure": "azure"}
    price = Price(Rates(Decimal("0.05"), Decimal("0.20")))
    assert config.deployments["house/qwen3-32b"] == Deployment(
        "house/qwen3-32b", "house", "qwen3-32b", "qwen3-32b", price, context_tokens=32768, media=()
    )
    assert config.deployments["azure/our-gpt"].model_key == "gpt-5"
    assert [own.price.since for own in config.own_prices] == ["2026-11-01"]
    auto = config.routes["auto"]
    assert auto.reference == "openai/gpt-5"
    assert auto.objective == Objective("match", tolerance=0.02)
    assert config.routes["gpt-4o"].objective == Objective("budget", usd_per_1000=3.5)
    assert auto.features["arithmetic"].grader == Grader("numeric", "0.01", "reference")
    assert auto.features["extraction"].tolerance == 0.03
    support = auto.features["support"]
    assert support.candidates == ("openai/gpt-5-mini",)
    assert support.grader == Grader("judge", "openai/gpt-4.1")
    assert support.trial is not None
    assert support.trial.cap_nano == 5_000_000_000
    assert config.routes["gpt-4o"].features["support"].candidates is None
    assert config.models == {"qwen/qwen3-32b": "house/qwen3-32b"}
    assert [(key.name, key.feature) for key in config.keys] == [("shop", "support")]
    assert config.limits.total_s == 600


def test_a_route_may_allow_asking_twice() -> None:
    assert parse(b"[routes.auto]\nask_twice = 'numeric'", "it").routes["auto"].ask_twice == "numeric"
    assert parse(b"[routes.auto]", "it").routes["auto"].ask_twice is None


def test_an_even_bet_is_a_caution_of_none() -> None:
    assert parse(b"[routes.auto]\ncaution = 0", "it").routes["auto"].objective == Objective("match", caution=0.0)
    assert parse(b"[routes.auto]\nobjective = 'best'\ncaution = 0", "it").routes["auto"].objective == Objective(
        "best", caution=0.0
    )
    assert parse(b"[routes.auto]", "it").routes["auto"].objective.caution == 1.0


def test_a_bound_that_is_to_be_tested_has_a_confidence() -> None:
    config = parse(b"[routes.auto]\nconfidence = 0.9", "it")
    assert config.routes["auto"].objective == Objective("match", tolerance=0.02, confidence=0.9)


def test_every_key_of_the_code_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_0-9]+)`", DOCUMENT.read_text("utf-8")))
    known: set[str] = set()
    for table in (
        "gateway",
        "providers.x",
        "deployments.'house/x'",
        "routes.x",
        "features.x",
        "keys.x",
        "customers.x",
        "journal",
        "redaction",
        "learning",
        "limits",
    ):
        with pytest.raises(ConfigError) as raised:
            parse(f"[{table}]\nqqqqqqqqqq = 1".encode(), "f")
        listed = re.search(r"knows ([a-z_0-9, ]+)", str(raised.value))
        assert listed, raised.value
        known.update(listed[1].split(", "))
    assert known - documented - {"features"} == set(), "features are documented as tables of their own"


def test_an_empty_file_is_a_configuration_with_the_route_auto() -> None:
    assert parse(b"", "f") == Config()
    assert Config().routes["auto"].reference is None


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_loads() -> None:
    assert parse(b"\xef\xbb\xbf[gateway]\r\nport = 1\r\n", "f").port == 1


def test_a_file_that_is_not_utf8_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"f:2: the file is not UTF-8 text; save it as UTF-8"):
        parse(b"[gateway]\nhost = '\xff'", "f")


def test_deep_nesting_is_a_mistake_and_no_crash() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse(b"a = " + b"[" * 5000, "f")


def test_a_known_provider_at_another_address_gets_no_key_by_itself() -> None:
    config = parse(b'[providers.openai]\nbase_url = "http://10.0.0.1/v1/"', "f")
    assert config.providers["openai"] == Provider("openai", "http://10.0.0.1/v1", "none")
    assert config.price_lists == {"openai": "openai"}


def test_prices_none_turns_the_price_list_off() -> None:
    assert parse(b'[providers.openai]\nprices = "none"', "f").price_lists == {}


def test_relative_paths_start_from_the_files_directory(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.toml"
    file.write_text('[gateway]\ndata = "d"\n[providers.x]\nbase_url = "http://a"\ncredential = "file:key.txt"\n')
    config = load(file)
    assert config.data == str(tmp_path / "d")
    assert config.providers["x"].credential == f"file:{tmp_path / 'key.txt'}"
    file.write_text("[gateway]\ndata = '/absolute'\n")
    assert load(file).data == "/absolute"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file or directory\); name another file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.com", False)],  # noqa: S104 - not bound
)  # fmt: skip
def test_which_hosts_only_this_machine_reaches(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


def test_what_was_found_becomes_a_configuration_without_a_reference() -> None:
    found = keyed({"OPENAI_API_KEY": SECRET, "MISTRAL_API_KEY": SECRET})
    local = FoundProvider(Provider("ollama", "http://127.0.0.1:11434/v1"), "Ollama", "here", models=("llama3:8b",))
    config = discovered(Found((*found.providers, local)))
    assert list(config.providers) == ["openai", "mistral", "ollama"]
    assert config.price_lists == {"openai": "openai", "mistral": "mistral"}
    assert list(config.deployments) == ["ollama/llama3:8b"]
    assert config.routes["auto"].reference is None
    assert SECRET not in repr(config)


@pytest.mark.parametrize("reference", ["ollama/llama3:8b", "openai/gpt-4o-2024-08-06"])
def test_a_reference_named_in_passing_is_that_of_auto(reference: str) -> None:
    local = FoundProvider(Provider("ollama", "http://127.0.0.1:11434/v1"), "Ollama", "here", models=("llama3:8b",))
    found = Found((*keyed({"OPENAI_API_KEY": SECRET}).providers, local))
    assert discovered(found, reference=reference).routes["auto"].reference == reference


def test_a_reference_that_is_no_deployment_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the reference 'gpt-5' is not a deployment; did you mean openai/gpt-5\?"):
        with_reference(discovered(keyed({"OPENAI_API_KEY": SECRET})), "gpt-5")


lines = EXAMPLE.splitlines()
fragments = st.sampled_from(
    [
        "0",
        "-1",
        "1e400",
        "nan",
        "true",
        '""',
        '"x"',
        "[]",
        "{}",
        "[[]]",
        "{a = 1}",
        "2026-01-01",
        "'openai/gpt-5'",
        "''' '''",
    ]
)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The example with a few lines removed, repeated, moved, or with another value, or with bytes changed anywhere."""
    changed = list(lines)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(changed) - 1))
        match draw(st.sampled_from(["remove", "repeat", "value", "header", "key"])):
            case "remove":
                del changed[at]
            case "repeat":
                changed.insert(draw(st.integers(0, len(changed))), changed[at])
            case "value" if "=" in changed[at]:
                changed[at] = changed[at].split("=")[0] + "= " + draw(fragments)
            case "header":
                changed.insert(at, draw(st.sampled_from(["[x]", "[routes.x]", "[[prices]]", "[keys]", "[features.'*']"])))
            case _:
                changed[at] = draw(st.sampled_from(["x = 1", "trial = 1", "check = {}", "reference = 'a'"]))
    data = "\n".join(changed).encode()
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data


@settings(deadline=None, max_examples=150)
@given(mutations())
def test_any_mutation_either_compiles_through_the_gates_or_is_told_as_mistakes(data: bytes) -> None:
    try:
        config = parse(data, "f")
    except ConfigError as error:
        head, *told = str(error).splitlines()
        assert re.fullmatch(r"\d+ mistakes? in f:", head)
        for mistake in told:
            match = re.match(r"  f:(\d+): ", mistake)
            assert match, mistake
            assert 1 <= int(match[1]) <= data.count(b"\n") + 1
    else:
        compiled = compile_snapshot(config, None, today=date(2026, 11, 24), made_by="test")
        assert list(faults(compiled.snapshot)) == []


def test_a_key_file_in_a_home_that_does_not_exist_is_told(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.toml"
    file.write_text('[providers.p]\nbase_url = "http://127.0.0.1:1/v1"\ncredential = "file:~no-such-user/key"\n')
    with pytest.raises(ConfigError, match="home directory that does not exist"):
        load(file)


def test_a_features_own_days_of_review_hold_over_those_of_all() -> None:
    config = parse(
        b"""
[review]
keep_days = 14
[features.support]
review_days = 3
[features.secret]
review_days = 0
[features.other]
tolerance = 1
[routes.auto]
[routes.auto.features.other]
review_days = 5
[routes.second]
""",
        "f",
    )
    routes = compile_snapshot(config, None, today=date(2026, 11, 24), made_by="test").snapshot.routes
    found = {(route, feature): plan.review_days for route in routes for feature, plan in routes[route].plans.items()}
    assert found == {
        ("auto", "*"): 14, ("auto", "support"): 3, ("auto", "secret"): 0, ("auto", "other"): 5,
        ("second", "*"): 14, ("second", "support"): 3, ("second", "secret"): 0, ("second", "other"): 14,
    }  # fmt: skip
    assert {plan.review_days for plan in _plans(b"")} == {0}


def _plans(text: bytes) -> list[Plan]:
    snapshot = compile_snapshot(parse(text, "f"), None, today=date(2026, 11, 24), made_by="test").snapshot
    return [plan for route in snapshot.routes.values() for plan in route.plans.values()]


@pytest.mark.parametrize(("said", "seconds"), [("90s", 90.0), ("30m", 1800.0), ("1h", 3600.0), ("1 d", 86_400.0)])
def test_how_often_is_learned_again_is_read_in_seconds(said: str, seconds: float) -> None:
    assert parse(f'[learning]\nevery = "{said}"'.encode(), "f").learn_every_s == seconds
    assert parse(b"", "f").learn_every_s is None


def test_what_customers_pay() -> None:
    said = '[customers.acme]\nper_request_usd = 0.01\nmarkup = 0\n[customers."Bob & Co"]\nper_month_usd = 99'
    assert parse(said.encode(), "f").customers == {
        "acme": CustomerRules(per_request_usd=Decimal("0.01"), markup=Decimal(0)),
        "Bob & Co": CustomerRules(per_month_usd=Decimal(99)),
    }
