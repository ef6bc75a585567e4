"""Who can be called: the tables ``providers``, ``deployments``, ``prices`` and ``models``.

Laws: a credential is the name of a place and never a secret; a value that might be a secret is refused and not repeated.
A deployment is known when it is declared, or when its provider is configured and the price list has the model.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from pointsman.control import prices
from pointsman.control.config.policies import read_facts
from pointsman.control.config.reading import Report, Table, meant
from pointsman.control.prices import Own
from pointsman.core.demands import Facts
from pointsman.core.price import Price, Rates, TierRates, tier_of
from pointsman.core.routing import CACHE_S, Deployment, Provider, Variant
from pointsman.upstream.providers import ROWS, Row, row
from pointsman.upstream.providers import quirks as known_quirks

DIALECTS: Final = ("openai_chat", "openai_responses", "anthropic", "gemini", "bedrock_converse")
QUIRKS: Final = tuple(known_quirks())
MEDIA: Final = ("image", "audio", "file", "video")
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SOURCE: Final = re.compile(
    r"none|env:[A-Za-z_][A-Za-z0-9_]*|file:.*\S.*|command:.*\S.*|aws(:[\w.@-]+)?|adc(:.*\S.*)?|entra"
)
_BEFORE: Final = "the address before /chat/completions"
_MOST_USD: Final = "1000000"
_RATE_KEYS: Final = ("input", "output", "cached", "cache_written")


class Callables(Struct, frozen=True):
    """The providers and deployments of a configuration, and which deployments may be named at all."""

    providers: dict[str, Provider]
    price_lists: dict[str, str]
    deployments: dict[str, Deployment]
    own_prices: tuple[Own, ...]

    def known(self, deployment: str) -> bool:
        """Whether a deployment is declared, or can be found in the price list of a configured provider."""
        provider, _, model = deployment.partition("/")
        return deployment in self.deployments or self._listed(provider, model)

    def priced(self, deployment: str) -> bool:
        """Whether the owner or the price list states any price for a deployment."""
        declared = self.deployments.get(deployment)
        if declared is not None and declared.price is not None:
            return True
        if any(own.deployment == deployment for own in self.own_prices):
            return True
        provider, model = (declared.provider, declared.model) if declared else deployment.split("/", 1)
        return self._listed(provider, model)

    def model_key(self, deployment: str) -> str:
        """Return which model a known deployment is."""
        declared = self.deployments.get(deployment)
        return declared.model_key if declared is not None else deployment.partition("/")[2]

    def check(self, report: Report, path: tuple[str | int, ...], deployment: str) -> bool:
        """Whether a deployment is known; if not, note the mistake at a path."""
        if self.known(deployment):
            return True
        provider, slash, _ = deployment.partition("/")
        what = f"{deployment!r} is not a deployment"
        if not slash:
            named = [name for name in self._names() if name.partition("/")[2] == deployment]
            nearest = f"did you mean {named[0]}?" if named else meant(deployment, self._names())
            report.add(path, what, nearest or 'write "provider/model"')
        elif provider not in self.providers:
            nearest = meant(provider, self.providers)
            report.add(path, f"{what}: no provider {provider!r} is configured", nearest or f"add [providers.{provider}]")
        else:
            nearest = meant(deployment, self._names(provider))
            declare = f'declare it with [deployments."{deployment}"]'
            report.add(path, what, f"{nearest} Else {declare}" if nearest else declare)
        return False

    def _listed(self, provider: str, model: str) -> bool:
        vendor = self.price_lists.get(provider)
        return vendor is not None and prices.listed(vendor, model, date.max) is not None

    def _names(self, provider: str | None = None) -> Iterator[str]:
        yield from self.deployments
        for name, vendor in self.price_lists.items():
            if provider in (None, name):
                yield from (f"{name}/{entry.model}" for entry in prices.catalogue(vendor, date.max))


def read_callables(document: Table) -> Callables:
    """Read the tables ``providers``, ``deployments`` and ``prices``."""
    providers: dict[str, Provider] = {}
    price_lists: dict[str, str] = {}
    for name, table in document.tables("providers"):
        providers[name] = _provider(name, table)
        if vendor := _price_list(providers[name], table):
            price_lists[name] = vendor
        table.finish()
    deployments: dict[str, Deployment] = {}
    for name, table in document.tables("deployments"):
        if deployment := _deployment(name, table, providers):
            deployments[name] = deployment
        table.finish()
    bare = Callables(providers, price_lists, deployments, ())
    return Callables(providers, price_lists, deployments, _own_prices(document, bare))


def _provider(name: str, table: Table) -> Provider:
    """Read one row. What a known provider's table leaves out is taken from its row in ``upstream/providers``.

    Its usual credential is assumed only at its own address: a key is never sent elsewhere without being told to.
    """
    if "/" in name or re.search(r"\s", name):
        table.report.add(table.path, f"the provider name {name!r} holds a slash or a blank", "use letters, digits, - and _")
    known = row(name)
    if "base_url" not in table and known is not None and known.base_url:
        base_url = known.base_url
    else:
        base_url = _base_url(table, name, known)
    at_home = known is not None and known.owns(base_url)
    credential = _credential(table, name, known.usual_credential if at_home and known else "none")
    by_customer = known is not None and not known.base_url
    dialect = table.choice("dialect", DIALECTS) or (known.dialect if known and (at_home or by_customer) else DIALECTS[0])
    quirks = table.texts("quirks")
    for position, quirk in enumerate(quirks or ()):
        if quirk not in QUIRKS:
            remedy = meant(quirk, QUIRKS) or f"write some of {', '.join(QUIRKS)}"
            table.report.add((*table.path, "quirks", position), f"unknown quirk {quirk!r}", remedy)
    if quirks is None:
        quirks = known.quirks if known else ()
    cache = table.number("cache_s", "0", "604800")
    facts = read_facts(table, Facts())
    return Provider(name, base_url, credential, dialect, quirks, CACHE_S if cache is None else float(cache), facts)


def _base_url(table: Table, name: str, known: Row | None) -> str:
    url = table.text("base_url")
    if url is None:
        if "base_url" not in table:
            example = f'"{known.url_example}", with what is yours in it' if known else f'"https://...": {_BEFORE}'
            remedy = f"add base_url = {example}"
            nearest = "" if known else meant(name, [one.name for one in ROWS])
            remedy = f"{nearest} Else {remedy}" if nearest else remedy
            table.report.add(table.path, f"[{table.name}] has no base_url", remedy)
        return ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        table.wrong("base_url", "is not a web address", 'write, for example, "https://api.openai.com/v1"')
        return ""
    if parts.username is not None or parts.query or parts.fragment:
        remedy = 'write the bare address, and credential = "env:NAME"'
        table.wrong("base_url", "carries a user, a password, a query or a fragment, where secrets hide", remedy)
        return ""
    return url.rstrip("/")


def _credential(table: Table, name: str, usual: str) -> str:
    """Read a credential source. Whatever has none of its forms may be a secret: it is never repeated."""
    value = table.text("credential")
    if value is None:
        return usual
    if _SOURCE.fullmatch(value):
        return value
    variable = re.sub(r"\W", "_", name.upper()) + "_API_KEY"
    table.wrong(
        "credential",
        "does not name a place where the key is (a key itself never belongs into this file, and it is not shown here)",
        f'put the key into an environment variable and write "env:{variable}", or into a file and write "file:PATH"; '
        'for Amazon Bedrock write "aws", for Google Vertex AI "adc", for Azure with Entra ID "entra", without a key "none"',
    )
    return "none"


def _price_list(provider: Provider, table: Table) -> str | None:
    """Return whose prices hold: those stated, else those of the row with this name or address, else by the price list."""
    stated = table.choice("prices", ("none", *prices.vendors())) if table.raw("prices") is not None else None
    if stated is not None:
        return stated if stated != "none" else None
    known = row(provider.name) or next((one for one in ROWS if one.base_url == provider.base_url), None)
    return known.price_id if known else prices.vendor_at(provider.base_url)


def _deployment(name: str, table: Table, providers: dict[str, Provider]) -> Deployment | None:
    provider, slash, model = name.partition("/")
    if not slash or not provider or not model:
        remedy = 'write [deployments."provider/model"]'
        table.report.add(table.path, f"{name!r} is not the name of a deployment", remedy)
        provider = ""
    elif provider not in providers:
        remedy = meant(provider, providers) or f"add [providers.{provider}] with its base_url"
        table.report.add(table.path, f"deployment {name!r} names a provider that is not configured", remedy)
    named = table.text("model") or model
    variant = _variant(table)
    model_key = table.text("model_key") or (name.partition("/")[2] if variant else named)
    context, output = table.whole("context_tokens", 1, 10**9), table.whole("output_tokens", 1, 10**9)
    tools, json_schema = table.flag("tools", True), table.flag("json_schema", True)
    media = table.texts("media")
    for position, kind in enumerate(media or ()):
        if kind not in MEDIA:
            remedy = meant(kind, MEDIA) or f"write some of {', '.join(MEDIA)}"
            table.report.add((*table.path, "media", position), f"unknown medium {kind!r}", remedy)
    stated = table.table("price")
    price = None
    if stated is not None:
        price = _price(stated, since="")
        stated.finish()
    facts = read_facts(table, providers[provider].facts if provider in providers else Facts())
    if provider not in providers:
        return None
    return Deployment(
        name,
        provider,
        named,
        model_key,
        price,
        context,
        tools,
        json_schema,
        MEDIA if media is None else media,
        providers[provider].dialect,
        variant,
        facts,
        output,
    )


def _variant(table: Table) -> Variant | None:
    """Read what a deployment adds to every request; None where it adds nothing. A variant is a model of its own."""
    temperature, top_p = table.number("temperature", "0", "2"), table.number("top_p", "0", "1")
    variant = Variant(
        system=table.text("system") or "",
        temperature=None if temperature is None else float(temperature),
        top_p=None if top_p is None else float(top_p),
        max_output_tokens=table.whole("max_output_tokens", 1, 10**7),
        effort=table.choice("effort", EFFORTS) or "",
    )
    return None if variant == Variant() else variant


def _price(table: Table, since: str) -> Price | None:
    """Read rates in US dollars per million tokens, and per request; None, the mistake noted, without input and output."""
    rates = _rates(table)
    per_request = table.number("per_request", "0", _MOST_USD)
    tiers = tuple(_tiers(table))
    return None if rates is None else Price(rates, per_request=per_request or Decimal(0), since=since, tiers=tiers)


def _tiers(outer: Table) -> Iterator[TierRates]:
    """Read what service tiers cost."""
    for name, table in outer.tables("tiers"):
        rates = _rates(table)
        table.finish()
        if not tier_of(name) or name != name.lower():
            what = "is no tier with rates of its own" if name.islower() else "is not written in small letters"
            table.report.add(table.path, f"{table.name} {what}", "name it as replies do: batch, flex, priority")
        elif rates is not None:
            yield TierRates(name, rates)


def _rates(table: Table) -> Rates | None:
    """Read rates in US dollars per million tokens; None, the mistake noted, without input and output."""
    amounts = {key: table.number(key, "0", _MOST_USD) for key in _RATE_KEYS}
    for key, other in (("input", "output"), ("output", "input")):
        if key not in table:
            there = f"{other} but no {key}" if other in table else f"no {key}"
            remedy = f"add {key} = the price of a million {key} tokens in US dollars (0 where they are free)"
            table.report.add(table.path, f"this price has {there}", remedy)
    if amounts["input"] is None or amounts["output"] is None:
        return None
    return Rates(amounts["input"], amounts["output"], amounts["cached"], amounts["cache_written"])


def _own_prices(document: Table, callables: Callables) -> tuple[Own, ...]:
    found: list[Own] = []
    for table in document.listed("prices"):
        name = table.text("deployment")
        since = _since(table)
        price = _price(table, since)
        if name is None:
            if "deployment" not in table:
                what = "this price does not say whose it is"
                table.report.add(table.path, what, 'add deployment = "provider/model"')
        elif callables.check(table.report, (*table.path, "deployment"), name) and price is not None:
            declared = callables.deployments.get(name)
            twice = any(own.deployment == name and own.price.since == since for own in found)
            if twice or (not since and declared is not None and declared.price is not None):
                what = f"{name} has two prices {f'from {since} on' if since else 'without a date'}"
                table.report.add(table.path, what, "remove one, or give the newer one since = its first day")
            else:
                found.append(Own(name, price))
        table.finish()
    return tuple(found)


def _since(table: Table) -> str:
    """Read a first day, as a TOML date or as text; empty: always."""
    value = table.raw("since")
    if value is None:
        return ""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    table.wrong("since", "is not a day", "write year-month-day without quotes, such as since = 2026-11-01")
    return ""
