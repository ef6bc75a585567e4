"""The configuration: TOML in, one frozen ``Config`` out, or every mistake at once with line, reason and remedy.

values     what a configuration says, frozen
lines      where each key of a TOML document stands
reading    tables read key by key, with a memory for mistakes
callables  providers, deployments, prices
rules      routes, features, checks, standing trials
keys       who may come in, and how far
policies   policies of data
gates      what is watched of what acts
pools      deployments that share the requests for one model
budgets    what may be used in a window of time, by whom
releases   what is expected of a new model
canaries   which prompts are asked again and again
encoder    the sentence encoder
customers  what customers pay the owner
telling    logs and traces
found      the configuration of someone who wrote none
advice     what is no mistake and yet worth a word

``docs/configuration.md`` documents every key; its worked example is loaded by a test.
"""

import ipaddress
import re
import tomllib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from pointsman.control.config.budgets import read_budgets
from pointsman.control.config.callables import Callables, read_callables
from pointsman.control.config.canaries import read_canaries
from pointsman.control.config.customers import read_customers
from pointsman.control.config.encoder import read_encoder
from pointsman.control.config.found import discovered, with_reference
from pointsman.control.config.keeping import read_keeping
from pointsman.control.config.keys import read_control, read_keys
from pointsman.control.config.learning import read_learning
from pointsman.control.config.lines import key_lines
from pointsman.control.config.policies import policies_fit, read_policies
from pointsman.control.config.pools import read_pools
from pointsman.control.config.reading import Mistake, Report, Table
from pointsman.control.config.releases import read_releases
from pointsman.control.config.rules import MOST_DAYS, read_routes
from pointsman.control.config.telling import read_logs, read_traces
from pointsman.control.config.values import (
    DEFAULT_ROUTE,
    EVERY_FEATURE,
    Config,
    ControlRules,
    FeatureRules,
    PoolRules,
    RouteRules,
    StandingTrial,
)
from pointsman.control.keys import unknown
from pointsman.core.errors import ConfigError
from pointsman.core.keys import Key
from pointsman.core.snapshot import Encoder, Limits

__all__ = [
    "DEFAULT_ROUTE",
    "EVERY_FEATURE",
    "Config",
    "ControlRules",
    "FeatureRules",
    "PoolRules",
    "RouteRules",
    "StandingTrial",
    "discovered",
    "is_loopback",
    "load",
    "parse",
    "with_reference",
]

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_SECONDS: Final = ("connect_s", "first_byte_s", "idle_s", "total_s")
_COUNTS: Final = {
    "body_bytes": (1024, 2**31),
    "concurrent": (1, 1_000_000),
    "connections_per_address": (1, 16_384),
    "feedback_per_minute": (1, 1_000_000_000),
    "values_per_key": (1, 10_000_000),
    "fallbacks": (0, 10),
    "attempts": (1, 20),
}


def load(path: Path) -> Config:
    """Read a configuration file. Relative paths in it (data directory, key files) start from the file's own directory.

    Raises ConfigError with every mistake, or with the reason why the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name another file with --config") from error
    config = parse(data, str(path))
    try:
        providers = {
            name: replace(one, credential=_anchored(one.credential, path)) for name, one in config.providers.items()
        }
        encoder = config.encoder and _encoder_beside(config.encoder, path)
    except RuntimeError as error:  # ~somebody whom this machine does not know
        raise ConfigError(
            f"{path}: a key file or the encoder is in a home directory that does not exist here; write its whole path"
        ) from error
    traces = config.traces and replace(config.traces, credential=_anchored(config.traces.credential, path))
    canaries = config.canaries and replace(config.canaries, prompts=str(path.parent / config.canaries.prompts))
    place = str(path.parent / config.data)
    return replace(config, data=place, providers=providers, canaries=canaries, encoder=encoder, traces=traces)


def parse(data: bytes, file: str) -> Config:
    """Return the configuration that the bytes of a TOML file hold; ``file`` is its name in errors.

    Raises ConfigError with every mistake, one a line: ``file:line: what is wrong; what to do``.
    """
    report = Report({})
    config = _document(data, report)
    if config is None or report.mistakes:
        raise ConfigError(_told(report.mistakes, file))
    return config


def is_loopback(host: str) -> bool:
    """Whether a host to listen on can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _encoder_beside(encoder: Encoder, path: Path) -> Encoder:
    onnx = str(path.parent / Path(encoder.onnx).expanduser()) if encoder.onnx else ""
    return replace(encoder, onnx=onnx, credential=_anchored(encoder.credential, path))


def _anchored(credential: str, path: Path) -> str:
    scheme, _, place = credential.partition(":")
    return f"{scheme}:{path.parent / Path(place).expanduser()}" if scheme in ("file", "adc") and place else credential


def _document(data: bytes, report: Report) -> Config | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report.mistakes.append(Mistake(line, "the file is not UTF-8 text", "save it as UTF-8"))
        return None
    try:
        values = tomllib.loads(text, parse_float=_decimal)
        report.lines = key_lines(text)
    except tomllib.TOMLDecodeError as error:
        report.mistakes.append(_syntax(str(error), text))
        return None
    except (ValueError, RecursionError) as error:
        reason = "a number has too many digits" if isinstance(error, ValueError) else "values are nested too deeply"
        report.mistakes.append(Mistake(1, f"the file cannot be read: {reason}", "correct it"))
        return None
    return _config(Table(report, (), values))


def _config(document: Table) -> Config:
    callables = read_callables(document)
    days = _review(document)
    routes = {name: replace(rules, review_days=days) for name, rules in read_routes(document, callables).items()}
    pools = read_pools(document, callables)
    budgets = read_budgets(document, callables, routes)
    models = {
        name: deployment
        for name, deployment in document.pairs("models")
        if callables.check(document.report, ("models", name), deployment)
    }
    releases = read_releases(document, callables)
    canaries = read_canaries(document)
    keys = tuple(read_keys(document))
    control = read_control(document, keys)
    policies = read_policies(document, callables.providers)
    policies_fit(document, policies)
    _keys_fit(document, keys, routes, callables)
    host, port, data, workers = _listen(document)
    prompts, vectors, keeping = read_keeping(document)
    limits = _limits(document)
    encoder = read_encoder(document)
    learn_every_s = read_learning(document)
    customers = read_customers(document)
    json_logs, traces = read_logs(document), read_traces(document)
    document.finish()
    return Config(
        host=host,
        port=port,
        data=data,
        workers=workers,
        providers=callables.providers,
        price_lists=callables.price_lists,
        deployments=callables.deployments,
        own_prices=callables.own_prices,
        routes=routes,
        pools=pools,
        budgets=budgets,
        models=models,
        releases=releases,
        canaries=canaries,
        keys=keys,
        policies=policies,
        control=control,
        limits=limits,
        store_prompts=prompts,
        store_vectors=vectors,
        keeping=keeping,
        encoder=encoder,
        learn_every_s=learn_every_s,
        customers=customers,
        json_logs=json_logs,
        traces=traces,
    )


def _listen(document: Table) -> tuple[str, int, str, int]:
    table = document.table("gateway")
    if table is None:
        return Config().host, Config().port, Config().data, Config().workers
    host = table.text("host") or Config().host
    port = table.whole("port", 0, 65535)
    data = table.text("data") or Config().data
    workers = table.whole("workers", 1, 64) or Config().workers
    table.finish()
    return host, Config().port if port is None else port, data, workers


def _keys_fit(document: Table, keys: Iterable[Key], routes: Iterable[str], callables: Callables) -> None:
    """Note what of a key's scope names nothing in this file."""
    for key in keys:
        if fault := unknown(key.scope, routes, callables.providers):
            document.report.add(("keys", key.name), f"[keys.{key.name}]: {fault}", "correct it")


def _review(document: Table) -> int:
    """Read for how many days material for reviewers is kept where a feature says nothing of its own; 0: not at all."""
    table = document.table("review")
    if table is None:
        return 0
    days = table.whole("keep_days", 0, MOST_DAYS)
    table.finish()
    return days or 0


def _limits(document: Table) -> Limits:
    table = document.table("limits")
    if table is None:
        return Limits()
    stated: dict[str, int | float] = {}
    for key, (low, high) in _COUNTS.items():
        if (count := table.whole(key, low, high)) is not None:
            stated[key] = count
    for key in _SECONDS:
        if (seconds := table.number(key, "0", "86400", above=True)) is not None:
            stated[key] = float(seconds)
    if (share := table.number("retry_share", "0", "1")) is not None:
        stated["retry_share"] = float(share)
    table.finish()
    return replace(Limits(), **stated)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError("not a number that can be kept exactly") from error


def _syntax(said: str, text: str) -> Mistake:
    """Turn what ``tomllib`` says into a mistake. It gives positions in words, and none for the last line."""
    match = _POSITION.search(said)
    last = text.rstrip().count("\n") + 1
    line = int(match[1]) if match and match[1] else last
    reason = said[: match.start()] if match else said
    if "overwrite a value" in reason or "Duplicate inline table key" in reason:
        return Mistake(line, "this key stands here for the second time", "keep one of the two")
    if reason.startswith("Cannot declare"):
        return Mistake(line, "this table stands here for the second time", "put all its keys under one header")
    return Mistake(line, f"this is not TOML: {reason}", 'texts need quotes: key = "text"; lists and tables are closed: ] }')


def _told(mistakes: list[Mistake], file: str) -> str:
    in_order = sorted(mistakes, key=lambda mistake: mistake.line)
    lines = [f"{file}:{mistake.line}: {mistake.what}; {mistake.remedy}" for mistake in in_order]
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return "\n".join([f"{count} in {file}:", *(f"  {line}" for line in lines)])
