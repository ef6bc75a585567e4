"""Paths, addresses, JSON, names, keys and prompts that are meant to be more than that."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.load import KEY

CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Asked:
    """One proper request with improper content. ``least`` and ``most`` bound the status that is right."""

    name: str
    path: str = CHAT
    body: bytes = b""
    headers: tuple[str, ...] = ()
    method: str = "POST"
    key: str = KEY
    least: int = 200
    most: int = 499
    marks: tuple[bytes, ...] = field(default=())
    """Words that may not stand in what came back."""


def chat(content: object = "hello", **fields: object) -> bytes:
    """Return a chat request."""
    return json.dumps({"model": "fast/m", "messages": [{"role": "user", "content": content}], **fields}).encode()


def paths() -> Iterator[Asked]:
    """Ask for files, and for what a key is needed for without one."""
    tails = [
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%252f..%252fetc/passwd",
        "....//....//etc/passwd",
        "..\\..\\..\\etc\\passwd",
        "%5c..%5c..%5cetc%5cpasswd",
        "..%c0%af..%c0%afetc/passwd",
        "..%00/etc/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        "~root/.ssh/id_rsa",
        "pointsman.toml",
        ".pointsman/key",
        "..;/..;/etc/passwd",
        "%u002e%u002e/etc/passwd",
        "?file=../../../etc/passwd",
        "#/../../etc/passwd",
        "%ff%fe/../etc/passwd",
    ]
    for tail in tails:
        for before in ("/", "/v1/models/", "/v1beta/models/", "/v1/", "/metrics/", "/healthz/", "/control/"):
            yield Asked(
                f"path {before}{tail}",
                before + tail.lstrip("?#") if tail[0] in "?#" else before + tail,
                method="GET",
                least=200,
                most=499,
                marks=(b"root:", b"base_url", b"PRIVATE KEY"),
            )
    closed = [
        "/v1/models",
        "/metrics",
        "/v1/models/auto",
        "/v1beta/models",
        "/%76%31/models",
        "/v1/models?key=",
        "/v1/models?key=x",
    ]
    for path in closed:
        for key in (
            "",
            "x",
            KEY[:-1],
            KEY + "x",
            KEY.upper(),
            KEY + "%00",
            " " + KEY[1:],
            KEY.replace("-", "\u2010"),
            "null",
            "undefined",
        ):
            yield Asked(f"{path} with a wrong key {key!r}", path, method="GET", key=key, least=400, marks=(b"fast/m",))


def addresses(forbidden: int) -> Iterator[Asked]:
    """Name places that the gateway would have to visit; at the port ``forbidden`` somebody listens whom nobody may ask."""
    places = [
        f"http://127.0.0.1:{forbidden}/x.png",
        f"http://localhost:{forbidden}/x",
        f"http://[::1]:{forbidden}/",
        f"http://0x7f000001:{forbidden}/",
        f"http://2130706433:{forbidden}/",
        f"http://127.1:{forbidden}/",
        f"http://0:{forbidden}/",
        f"http://user@127.0.0.1:{forbidden}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "file:///etc/passwd",
        f"gopher://127.0.0.1:{forbidden}/_x",
        f"ftp://127.0.0.1:{forbidden}/x",
        f"dict://127.0.0.1:{forbidden}/x",
        f"//127.0.0.1:{forbidden}/",
        f"jar:http://127.0.0.1:{forbidden}/!/",
        "ldap://127.0.0.1/",
        f"https://127.0.0.1:{forbidden}/x",
        f"http://127.0.0.1:{forbidden}\\@x/",
    ]
    marks = (b"root:",)
    for place in places:
        image = [{"type": "image_url", "image_url": {"url": place}}]
        yield Asked(f"an image at {place}", body=chat(image), most=599, marks=marks)
        source = [{"type": "image", "source": {"type": "url", "url": place}}]
        body = {"model": "claude/m", "max_tokens": 9, "messages": [{"role": "user", "content": source}]}
        yield Asked(f"Anthropic, {place}", "/v1/messages", json.dumps(body).encode(), most=599, marks=marks)
        part = {"contents": [{"parts": [{"fileData": {"fileUri": place, "mimeType": "image/png"}}]}]}
        yield Asked(
            f"Gemini, {place}", "/v1beta/models/gem%2Fm:generateContent", json.dumps(part).encode(), most=599, marks=marks
        )
        crossed = {**body, "model": "gem/m"}
        yield Asked(f"across dialects, {place}", "/v1/messages", json.dumps(crossed).encode(), most=599, marks=marks)
        reply = {"model": "fast/m", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": place}]}]}
        yield Asked(f"Responses, {place}", "/v1/responses", json.dumps(reply).encode(), most=599, marks=marks)
        yield Asked(f"a model at {place}", body=chat(model=place), most=599, marks=marks)
        yield Asked(f"a model below {place}", body=chat(model=f"fast/{place}"), most=599, marks=marks)
        for name in (
            "x-forwarded-host",
            "x-forwarded-for",
            "forwarded",
            "x-original-url",
            "x-rewrite-url",
            "referer",
            "openai-organization",
        ):
            yield Asked(f"{name}: {place}", body=chat(), headers=(f"{name}: {place}",), marks=marks)
        for key in ("base_url", "api_base", "callback", "webhook", "url", "endpoint", "proxy"):
            yield Asked(f"{key} = {place}", body=chat(**{key: place}), marks=marks)


def models() -> Iterator[Asked]:
    """Name models that would leave their provider's path."""
    names = [
        "../../admin",
        "..%2f..%2fadmin",
        "m/../../admin",
        "m?x=y",
        "m#x",
        "m:delete?",
        "m\r\nx: y",
        "m%0d%0ax:%20y",
        "m\x00",
        "m HTTP/1.1\r\n\r\n",
        "m/%2e%2e/%2e%2e/admin",
        "\\..\\admin",
        "m;x",
        "m&x=y",
        "//other/x",
        "m\u2028x",
        "m\u0000y",
        "%",
        "%zz",
        "a" * 5000,
        "\U0001f600",
        "m\t",
        "@127.0.0.1/",
        ":80/x",
        "..",
        ".",
        "",
    ]
    for name in names:
        for provider in ("gem", "fast", "claude", ""):
            model = f"{provider}/{name}" if provider else name
            yield Asked(f"model {model[:60]!r}", body=chat(model=model), most=599)
            yield Asked(f"Anthropic, model {model[:60]!r}", "/v1/messages", chat(model=model, max_tokens=9), most=599)


def documents() -> Iterator[Asked]:
    """Send JSON that is too deep, too long, or none."""
    deep = 100_000
    bodies = {
        "100,000 open brackets": b"[" * deep,
        "100,000 open braces": b'{"a":' * deep,
        "a deep array": b"[" * deep + b"]" * deep,
        "a deep message": chat().replace(b'"hello"', b"[" * deep + b"]" * deep),
        "a deep schema": chat(response_format={"type": "json_schema"}).replace(
            b'"json_schema"', b'{"a":' * deep + b"1" + b"}" * deep
        ),
        "a deep tool": b'{"model":"fast/m","messages":[],"tools":[' + b'{"x":[' * 5000 + b"]}" * 5000 + b"]}",
        "a long number": b'{"model":"fast/m","seed":' + b"9" * 1_000_000 + b',"messages":[]}',
        "a huge exponent": b'{"model":"fast/m","temperature":1e999999999,"messages":[{"role":"user","content":"x"}]}',
        "a negative exponent": b'{"model":"fast/m","temperature":1e-999999999,"messages":[{"role":"user","content":"x"}]}',
        "NaN": b'{"model":"fast/m","temperature":NaN,"messages":[{"role":"user","content":"x"}]}',
        "no UTF-8": b'{"model":"fast/m","messages":[{"role":"user","content":"\xff\xfe"}]}',
        "half a surrogate": b'{"model":"fast/m","messages":[{"role":"user","content":"\\ud800"}]}',
        "a surrogate as a model": b'{"model":"\\udfff/m","messages":[{"role":"user","content":"x"}]}',
        "a byte order mark": b"\xef\xbb\xbf" + chat(),
        "UTF-16": chat().decode().encode("utf-16"),
        "two models": b'{"model":"fast/m","model":"gem/m","messages":[{"role":"user","content":"x"}]}',
        "100,000 keys": json.dumps({"model": "fast/m", "messages": [], **{f"k{n}": n for n in range(100_000)}}).encode(),
        "100,000 equal keys": b"{" + b'"a":1,' * 100_000 + b'"model":"fast/m"}',
        "100,000 messages": chat(messages=[{"role": "user", "content": "x"}] * 100_000),
        "a million zeros": b'{"model":"fast/m","messages":[' + b"0," * 1_000_000 + b"0]}",
        "nothing": b"",
        "null": b"null",
        "a string": b'"' + b"a" * 1_000_000 + b'"',
        "NUL bytes": bytes(1_000_000),
        "a body of 40 MB": chat("a" * 40_000_000),
        "a long model": chat(model="m" * 1_000_000),
        "a prototype": chat(__proto__={"admin": True}, constructor={"prototype": {"admin": True}}),
        "a model that is a list": chat(model=["fast/m"]),
        "messages that are none": chat(messages={"role": "user"}),
        "a role that is none": chat(messages=[{"role": "root\x00", "content": "x"}]),
        "regular expressions": chat("(a+)+$" + "a" * 50_000 + "!"),
    }
    for name, body in bodies.items():
        for path in (
            CHAT,
            "/v1/messages",
            "/v1/responses",
            "/v1beta/models/gem%2Fm:generateContent",
            "/v1/feedback",
            "/v1/messages/count_tokens",
        ):
            yield Asked(f"{name} to {path}", path, body, most=502)


def compressed() -> Iterator[Asked]:
    """Send bodies that grow when they are unpacked."""
    for kind, body in (
        ("gzip", b"\x1f\x8b\x08\x00" + bytes(1000)),
        ("deflate", bytes(1000)),
        ("br", bytes(1000)),
        ("zstd", b"\x28\xb5\x2f\xfd"),
    ):
        for path in (CHAT, "/v1/messages", "/v1/feedback"):
            yield Asked(f"{kind} to {path}", path, body, (f"content-encoding: {kind}",), least=400)


def names() -> Iterator[Asked]:
    """Say who asks, and for what, in letters that look like others, turn the line around, or end it."""
    tricks = [
        "\u0430uto",
        "ａｕｔｏ",
        "auto\u200b",
        "auto\u202e",
        "\u202eotua",
        "auto\x7f",
        "AUTO",
        "auto ",
        "aut\u014d",
        "auto\u0301",
        "au\u00adto",
        "%61uto",
        "auto%00",
        "auto\u2028",
        "\ufeffauto",
        "auto\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "a" * 10_000,
        "%ff%fe",
        "%0d%0aset-cookie: a=b",
        "\u0085x",
        "default\u200d",
        "../default",
        "'; DROP TABLE exchanges; --",
        "{{7*7}}",
        "${jndi:ldap://x}",
    ]
    for trick in tricks:
        for name in (
            "x-pointsman-feature",
            "x-pointsman-id",
            "x-request-id",
            "x-pointsman-customer",
            "x-pointsman-conversation",
            "traceparent",
            "x-pointsman-task",
            "idempotency-key",
            "openai-beta",
            "x-pointsman-expected",
        ):
            yield Asked(f"{name}: {trick[:40]!r}", body=chat(), headers=(f"{name}: {trick}",), marks=(b"\r\nset-cookie",))
        yield Asked(
            f"metadata {trick[:40]!r}", body=chat(metadata={"feature": trick, "customer": trick, "conversation": trick})
        )
        if trick != "%61uto":
            for path in (f"/v1/models/{trick}", f"/v1/models/{trick}/../auto"):
                yield Asked(f"{path[:60]!r}", path.replace(" ", "%20"), method="GET", most=499, marks=(b"\r\nset-cookie",))
    for key in (
        KEY.replace("s", "\u0455"),
        KEY.replace("b", "ｂ"),
        KEY + "\u200b",
        KEY + "\xa0",
        "\ufeff" + KEY,
        KEY.title(),
        KEY + "\x00",
        KEY + "\x0b",
    ):
        yield Asked(f"key {key!r}", body=chat(), key=key, least=400)


FORGED = "the forger was here"


def prompts() -> Iterator[Asked]:
    """Write prompts, names and ids that look like lines of a log."""
    entry = json.dumps({"time": "2026-01-01T00:00:00.000+00:00", "level": "info", "event": "exchange", "key": FORGED})
    for around in (
        "\n{}\n",
        "\r\n{}\r\n",
        "\u2028{}\u2029",
        "\x85{}\x85",
        '"}}\n{}',
        "\\n{}",
        "\x1b[2K\r{}",
        "\x0b{}\x0c",
        "%0a{}",
    ):
        text = around.replace("{}", entry) if "}}" not in around else '"}\n' + entry
        yield Asked(f"prompt {around!r}", body=chat(text))
        yield Asked(f"model {around!r}", body=chat(model=f"fast/{text}"), most=599)
        yield Asked(f"metadata {around!r}", body=chat(metadata={"feature": text, "customer": text}))
        quoted = "".join(f"%{byte:02x}" for byte in text.encode())
        for name in ("x-pointsman-id", "x-pointsman-feature", "x-pointsman-customer", "x-pointsman-conversation"):
            yield Asked(f"{name} {around!r}", body=chat(), headers=(f"{name}: {quoted}",))
