"""Every kind of mistake is told with its line and its remedy; what may be a secret is never repeated.

The mistakes are written as a transcript: ``== what is wrong: words of the error``, then the lines that are added to
``BASE``, the line at fault marked with ``#!``.
"""

import re
from typing import Final

import pytest

from pointsman.control.config import parse
from pointsman.core.errors import ConfigError

BASE: Final = """\
[providers.openai]
[providers.house]
base_url = "http://127.0.0.1:8000/v1"
[deployments."house/small"]
"""

TRANSCRIPT: Final = r"""
== not TOML: this is not TOML: Invalid value; texts need quotes
[gateway]
port = yes  #!

== a text that does not end: this is not TOML
[gateway]
host = "127  #!

== a key twice: stands here for the second time; keep one
[gateway]
port = 1

port = 2  #!

[journal]

== a key twice in an inline table: second time
[features.a]
check = {kind = "exact", kind = "regex"}  #!

== a table twice: this table stands here for the second time
[gateway]
port = 1
[journal]
[gateway]  #!

== an unknown table: unknown key 'gatway' in the file; did you mean gateway?
[gatway]  #!
port = 1

== an unknown key: unknown key 'hots' in [gateway]; did you mean host?
[gateway]
port = 1
hots = 'x'  #!

== a budget without a limit: [budgets.a] has no limit; add usd = 20
[budgets.a]  #!
per = "key"

== a budget of nothing: budgets.a.requests is out of range; write a whole number from 1
[budgets.a]
requests = 0  #!

== a window that is none: budgets.a.window cannot be 'week'; write one of minute, day, month
[budgets.a]
usd = 1
window = "week"  #!

== a budget of each and of one: budgets.a.per and customer are both there; keep per
[budgets.a]
usd = 1
per = "key"  #!
customer = "acme"

== a budget of two: [budgets.a] names customer and feature; name one
[budgets.a]  #!
usd = 1
customer = "acme"
feature = "support"

== a scope that is none: budgets.a.per cannot be 'customers'; did you mean customer?
[budgets.a]
usd = 1
per = "customers"  #!

== a budget of no deployment: 'house/smal' is not a deployment; did you mean house/small?
[budgets.a]
usd = 1
deployment = "house/smal"  #!

== a budget of no route: budgets.a.route names 'autos', which is no route; did you mean auto?
[budgets.a]
usd = 1
route = "autos"  #!

== degrading without dollars: budgets.a.on_limit cannot be degrade without usd
[budgets.a]
tokens = 1
on_limit = "degrade"  #!

== degrading a deployment: budgets.a.on_limit cannot be degrade for a deployment
[budgets.a]
usd = 1
per = "deployment"
on_limit = "degrade"  #!

== days that are none: review.keep_days is out of range; write a whole number from 0 to 3650
[review]
keep_days = -1  #!

== a feature's days that are no number: must be a whole number
[features.a]
review_days = "14"  #!

== an unknown key like no other: remove it; [journal] knows prompts, vectors
[journal]
qqqq = 1  #!

== text for a number: must be a whole number, not text; write port = 80, without quotes
[gateway]
port = "80"  #!

== a number for text: gateway.host must be text, not a whole number; write host = "..."
[gateway]
host = 1  #!

== a boolean for a number: must be a whole number, not true or false
[gateway]
port = true  #!

== a fraction for a whole number: must be a whole number, not a fraction
[gateway]
port = 8.5  #!

== a number for a boolean: journal.prompts must be true or false
[journal]

prompts = 1  #!

== a value for a table: models.a must be text, not a table
[models]
a = {b = 1}  #!

== a table for a list: must be a list, not a table; write [[prices]]
[prices]  #!
input = 1

== a port out of range: is out of range; write a whole number from 0 to 65535
[gateway]
port = 70000  #!

== empty text: gateway.data is empty
[gateway]
data = ""  #!

== a known provider misspelt: [providers.opnai] has no base_url; did you mean openai? Else add base_url
[providers.opnai]  #!

== no base_url: [providers.other] has no base_url
[providers.other]  #!
credential = "none"

== no base_url for azure: add base_url = "https://RESOURCE.openai.azure.com/openai/v1", with what is yours in it
[providers.azure]  #!

== no base_url for bedrock: add base_url = "https://bedrock-runtime.us-east-1.amazonaws.com"
[providers.bedrock]  #!

== a profile that is none: does not name a place where the key is
[providers.bedrock]
base_url = "https://bedrock-runtime.us-east-1.amazonaws.com"
credential = "aws:"  #!

== a pool of nobody: does not say whose requests are shared
[pools.big]  #!
keep_free = 5

== a pool of one: names one deployment only
[pools.big]
deployments = ["house/small"]  #!

== a pool of strangers: 'house/smal' is not a deployment
[pools.big]
deployments = ["house/small", "house/smal"]  #!

== a pool of two models: and 'house/small' is 'small'; where they are the same, write model_key = "small" under
[deployments."house/n"]
[pools.big]
deployments = ["house/small", "house/n"]  #!

== a deployment in two pools: 'house/small' is in the pool big already; remove it from one of the two
[deployments."house/n"]
model_key = "small"
[deployments."house/o"]
model_key = "small"
[pools.big]
deployments = ["house/small", "house/n"]
[pools.other]
deployments = ["house/o", "house/small"]  #!

== committed elsewhere: 'house/n' is not one of the pool's deployments; add it to deployments, or remove it here
[deployments."house/n"]
model_key = "small"
[deployments."house/o"]
model_key = "small"
[pools.big]
deployments = ["house/small", "house/o"]
committed = ["house/n"]  #!

== a part beyond the whole: pools.big.keep_free is out of range; write a number from 0 to 100
[deployments."house/n"]
model_key = "small"
[pools.big]
deployments = ["house/small", "house/n"]
keep_free = 101  #!

== not a web address: is not a web address
[providers.x]
base_url = "localhost:80"  #!

== a port that is none: is not a web address
[providers.x]
base_url = "http://a:b/v1"  #!

== an unknown dialect: did you mean openai_chat?
[providers.x]
base_url = "http://a"
dialect = "openai_caht"  #!

== an unknown quirk: did you mean api_key_header
[providers.x]
base_url = "http://a"
quirks = [
"api_key"]  #!

== a cache that keeps for less than no time: write a number from 0 to 604800
[providers.x]
base_url = "http://a"
cache_s = -1  #!

== an unknown price list: did you mean openai
[providers.x]
base_url = "http://a"
prices = "opnai"  #!

== a provider name with a slash: holds a slash or a blank
[providers."a/b"]  #!
base_url = "http://a"

== a deployment without provider: write [deployments."provider/model"]
[deployments.small]  #!

== a deployment of an unknown provider: not configured; did you mean house?
[deployments."hous/x"]  #!

== a price without output: has input but no output; add output =
[deployments."house/x"]
price = {input = 1}  #!

== a price without input: has output but no input; add input =
[deployments."house/x"]

price = {output = 1}  #!

== a negative price: price.input is out of range
[deployments."house/x"]
price = {input = -1, output = 1}  #!

== an infinite price: price.input is out of range
[deployments."house/x"]
price = {input = inf, output = 1}  #!

== a price that is text: must be a number, not text
[deployments."house/x"]
price = {input = "1", output = 1}  #!

== a tier without output: has input but no output
[deployments."house/x"]
price = {input = 1, output = 1, tiers = {flex = {input = 1}}}  #!

== a tier that is the standard one: is no tier with rates of its own; name it as replies do
[deployments."house/x"]
price = {input = 1, output = 1, tiers = {default = {input = 1, output = 1}}}  #!

== a tier in capitals: is not written in small letters; name it as replies do
[deployments."house/x"]
price = {input = 1, output = 1, tiers = {Flex = {input = 1, output = 1}}}  #!

== a tier with a threshold: unknown key 'long_above'
[deployments."house/x"]
price = {input = 1, output = 1, tiers = {flex = {input = 1, output = 1, long_above = 9}}}  #!

== an encoder that is nowhere: neither an address nor a directory; write url
[encoder]  #!
within_ms = 20

== an encoder in two places: both an address and a directory
[encoder]  #!
url = "https://a.example/v1/embeddings"
model = "m"
onnx = "e"

== an address without a model: [encoder] has no model; add model
[encoder]  #!
url = "https://a.example/v1/embeddings"

== a directory with a model: has no effect with onnx; remove it
[encoder]
onnx = "e"
model = "m"  #!

== an address with a secret in it: is no plain web address
[encoder]
model = "m"
url = "https://me:hush@a.example/v1/embeddings"  #!

== an encoder's key in the file: encoder.credential does not name a place
[encoder]
url = "https://a.example/v1/embeddings"
model = "m"
credential = "sk-1234"  #!

== an encoder that may take forever: write a number from 1 to 1000
[encoder]
onnx = "e"
within_ms = 5000  #!

== an unknown medium: unknown medium 'imag'; did you mean image?
[deployments."house/x"]
media = ["imag"]  #!

== a dated price of nobody: does not say whose it is
[[prices]]  #!
input = 1
output = 1

== a dated price of an unknown deployment: house/small?
[[prices]]
deployment = "house/smal"  #!
input = 1
output = 1

== a dated price without output: has input but no output
[[prices]]  #!
deployment = "house/small"
input = 1

== a day that is none: such as since = 2026-11-01
[[prices]]
deployment = "house/small"
input = 1
output = 1
since = "soon"  #!

== a time for a day: is not a day
[[prices]]
deployment = "house/small"
input = 1
output = 1
since = 2026-11-01 07:00:00  #!

== two prices from one day on: two prices from 2026-11-01
[[prices]]
deployment = "house/small"
input = 1
output = 1
since = 2026-11-01
[[prices]]  #!
deployment = "house/small"
input = 1
output = 1
since = 2026-11-01

== a reference without provider: did you mean openai/gpt-5-mini?
[routes.auto]
reference = "gpt-5-mini"  #!

== a misspelt reference: did you mean openai/gpt-5-mini
[routes.auto]
reference = "openai/gpt-5-mimi"  #!

== a reference nobody has: declare it with [deployments."house/big"]
[routes.auto]
reference = "house/big"  #!

== a reference of no provider: add [providers.nobody]
[routes.auto]
reference = "nobody/x"  #!

== an unknown candidate: did you mean house/small
[routes.auto]
candidates = [
"openai/gpt-5",
"house/smal",  #!
]

== a candidate twice: repeats 'house/small'
[routes.auto]
candidates = ["house/small",
"house/small"]  #!

== a candidate that is no text: is not text
[routes.auto]
candidates = ["house/small",

3]  #!

== the reference as a candidate: remove it from candidates
[routes.auto]
reference = "house/small"
candidates = ["openai/gpt-5",
"house/small"]  #!

== an unknown objective: did you mean budget?
[routes.auto]
objective = "budgte"  #!

== a budget without its number: needs usd_per_1000
[routes.auto]

objective = "budget"  #!

== worth without its number: needs usd_per_answer
[routes.auto]
objective = "worth"  #!

== another objective's number: no effect with objective = "match"; remove it
[routes.auto]
usd_per_1000 = 3  #!

== a confidence in percent: write a number from 0.5 to 0.999
[routes.auto]
confidence = 95  #!

== a confidence where nothing is tested: no effect with objective = "best"; remove it
[routes.auto]
objective = "best"
confidence = 0.95  #!

== too much to be tried: write a number above 0 and at most 0.5
[routes.auto]
explore = {share = 0.6, usd_per_day = 1}  #!

== a share without money: has no usd_per_day: nobody is tried without a limit; add usd_per_day
[routes.auto]
explore = {share = 0.02}  #!

== money without a share: has no share
[features.x]
explore = {usd_per_day = 3}  #!

== no time to learn: is no time of a minute or more; write a number and s, m, h or d
[learning]
every = "5s"  #!

== a time in words: is no time of a minute or more
[learning]
every = "hourly"  #!

== a customer that pays nothing: [customers.acme] does not say what the customer pays; add one of per_request_usd
[customers.acme]  #!

== a price that is none: customers.acme.per_request_usd is out of range; write a number from 0 to 1000000
[customers.acme]
per_request_usd = -1  #!

== a fee by another name: unknown key 'per_year_usd' in [customers.acme]; did you mean per_request_usd or per_month_usd?
[customers.acme]
markup = 0
per_year_usd = 1  #!

== learning without a time: learning has no time; add every
[learning]  #!

== a caution out of reach: write a number from 0 to 3
[routes.auto]
caution = 9  #!

== a tolerance meant as a fraction: tolerances are in points: write 2 for 2 %
[routes.auto]
tolerance = 0.02  #!

== a tolerance out of range: write a number from 0 to 50
[features.a]
tolerance = 51  #!

== a control share in percent: write a number from 0 to 0.5
[routes.auto]
control_share = 5  #!

== a budget of nothing: write a number above 0
[routes.auto]
objective = "budget"
usd_per_1000 = 0  #!

== a check without kind: add kind = one of exact, numeric, regex
[features.a]
check = {spec = "x"}  #!

== an unknown kind of check: did you mean regex?
[features.a]
check = {kind = "regexp"}  #!

== code of models as a check of live requests: code of models is run by evaluations only
[features.a]
check = {kind = "code", spec = "assert True"}  #!

== a regular expression that is none: not a regular expression
[features.a]
check = {kind = "regex", spec = "("}  #!

== a schema that is not JSON: spec is not JSON
[features.a]
check = {kind = "json_schema", spec = "{"}  #!

== a schema that is none: not a JSON Schema
[features.a]
check = {kind = 'json_schema', spec = '{"type": "objekt"}'}  #!

== a numeric tolerance that is none: such as 0.01 or 1%
[features.a]
check = {kind = "numeric", spec = "x"}  #!

== a function that is none: "module:function"
[features.a]
check = {kind = "python", spec = "mine.grade"}  #!

== against without effect: against has no effect on a check
[features.a]
check = {kind = "regex", spec = "a", against = "reference"}  #!

== a judge that is none: 'openai/gpt-99' is not a deployment
[features.a]
judge = "openai/gpt-99"  #!

== a judging check of nobody: add spec = "provider/model"
[features.a]
check = {kind = "judge"}  #!

== a judge beside a check: keep one of the two
[features.a]
judge = "house/small"  #!
check = {kind = "exact"}

== nobody allowed: allows nobody
[routes.auto]
allow = []  #!

== a provider allowed that is none: no provider 'opnai' is configured
[routes.auto]
allow = ["opnai/*"]  #!

== a deployment allowed that is none: 'openai/gpt-55' is not a deployment
[routes.auto]
allow = ["openai/gpt-55"]  #!

== a reference that is not allowed: 'openai/gpt-5' is the reference in [routes.auto], and allow leaves it out
[routes.auto]  #!
reference = "openai/gpt-5"
allow = ["house/*"]

== a candidate that is not allowed: 'house/small' is the candidate in [routes.auto], and allow leaves it out
[routes.auto]  #!
reference = "openai/gpt-5"
candidates = ["house/small"]
allow = ["openai/*"]

== a judge that is not allowed: 'openai/gpt-4.1' is the judge in [features.a], and allow leaves it out
[features.a]  #!
allow = ["house/*"]
judge = "openai/gpt-4.1"

== no time at all: above 0 and at most 3600
[routes.auto]
answer_s = 0  #!

== a trial without a limit: has no limit of money; add cap_usd
[routes.auto]
reference = "openai/gpt-5"
candidates = ["openai/gpt-5-mini"]
[features.a]
check = {kind = "exact"}
trial = {share = 0.1}  #!

== a trial of everything twice: above 0 and at most 1
[routes.auto]
reference = "openai/gpt-5"
candidates = ["openai/gpt-5-mini"]
[features.a]
check = {kind = "exact"}
trial = {share = 2, cap_usd = 1}  #!

== a trial without reference: no reference
[features.a]
check = {kind = "exact"}
candidates = ["openai/gpt-5"]
trial = {cap_usd = 1}  #!

== a trial without candidates: has no candidates
[features.a]
check = {kind = "exact"}
reference = "openai/gpt-5"
trial = {cap_usd = 1}  #!

== a trial without a check: cannot grade
[features.a]
candidates = ["openai/gpt-5-mini"]
reference = "openai/gpt-5"
trial = {cap_usd = 1}  #!

== a trial of what has no price: no price is known for house/small; add price =
[features.a]
check = {kind = "exact"}
candidates = ["house/small"]
reference = "openai/gpt-5"
trial = {cap_usd = 1}  #!

== an unknown deployment for a table: did you mean house/small
[models]
a = "house/small"
b = "house/smal"  #!

== a client key without digest: [keys.a] has no sha256
[keys.a]  #!
feature = 'x'

== a client key twice: is that of [keys.a] too
[keys.a]
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[keys.b]
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"  #!

== a limit out of range: write a whole number from 0 to 10
[limits]
fallbacks = -1  #!

== more connections of one address than there are: write a whole number from 1 to 16384
[limits]
connections_per_address = 20_000  #!

== seconds out of range: write a number above 0
[limits]
total_s = 0  #!

== a release of nobody: 'house/unheard' is not a deployment; declare it
[releases."house/unheard"]  #!
quality = 50

== a release like nobody: 'house/smal' is not a deployment; did you mean house/small?
[releases."house/small"]
like = "house/smal"  #!

== a release like itself: names the release itself
[releases."house/small"]
like = "house/small"  #!

== a quality beyond all: write a number from 0 to 100
[releases."house/small"]
quality = 101  #!

== a spread around nothing: has nothing to spread around; add quality
[releases."house/small"]
spread = 5  #!

== a published figure in words: must be a number, not text
[releases."house/small"]
published = {gpqa = "high"}  #!
"""

CASES: Final = [tuple(block.partition("\n")[::2]) for block in re.split(r"^== ", TRANSCRIPT, flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize(("title", "lines"), CASES, ids=[title.partition(":")[0] for title, _ in CASES])
def test_a_mistake_is_told_with_its_line_and_remedy(title: str, lines: str) -> None:
    words = title.partition(": ")[2]
    text = BASE + lines
    at_fault = text[: text.index("#!")].count("\n") + 1
    with pytest.raises(ConfigError) as raised:
        parse(text.encode(), "its.toml")
    told = str(raised.value).splitlines()
    assert told[0] == "1 mistake in its.toml:", "one mistake must not be reported as several"
    assert told[1].startswith(f"  its.toml:{at_fault}: ")
    assert words in told[1]
    assert "; " in told[1], "a mistake comes with a remedy"


def test_a_key_twice_on_the_last_line_is_told_there() -> None:
    with pytest.raises(ConfigError, match="  f:3: this key stands here for the second time"):
        parse(b"[gateway]\nport = 1\nport = 2", "f")


def test_numbers_that_python_refuses_to_read_are_mistakes() -> None:
    for number in ("1" * 5000, "1e99999999999999999999"):
        with pytest.raises(ConfigError, match="a number has too many digits"):
            parse(f"[gateway]\nport = {number}".encode(), "f")


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = (
        '[gateway]\nport = "x"\n[providers.x]\n[journal]\nprompt = true\n[routes.auto]\nreference = "x/y"\ntolerance = -1\n'
    )
    with pytest.raises(ConfigError) as raised:
        parse(text.encode(), "f")
    head, *told = str(raised.value).splitlines()
    assert head == "5 mistakes in f:"
    assert [int(one.split(":")[1]) for one in told] == [2, 3, 5, 7, 8]


SECRET = "sk-proj-4f9Tq0aXr7"


@pytest.mark.parametrize(
    "text",
    [
        f'[providers.x]\nbase_url = "http://a"\ncredential = "{SECRET}"',
        f'[providers.x]\nbase_url = "http://a"\ncredential = "env:{SECRET}"',
        f'[providers.x]\nbase_url = "http://a"\ncredential = "key:{SECRET}"',
        f'[providers.x]\nbase_url = "http://a"\napi_key = "{SECRET}"',
        f'[providers.x]\nbase_url = "http://user:{SECRET}@a/v1"',
        f'[providers.x]\nbase_url = "http://a/v1?key={SECRET}"',
        f'[keys.x]\nsha256 = "{SECRET}"',
        f'[keys]\nx = "{SECRET}"',
        f'keys = "{SECRET}"',
        f'[providers.x]\nbase_url = "http://a"\ncredential = ["{SECRET}"]',
    ],
)
def test_what_may_be_a_secret_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text.encode(), "f")
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(raised.value)
