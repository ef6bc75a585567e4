"""Credentials: where keys come from, which header they go into, and that no text ever shows one."""

import os
from pathlib import Path

import pytest

from pointsman.core.errors import ConfigError, UpstreamError
from pointsman.core.routing import Provider
from pointsman.upstream.credentials import credential_for
from pointsman.upstream.interfaces import Request
from pointsman.upstream.providers import API_KEY_HEADER, X_API_KEY_HEADER

SECRET = "sk-very-secret"
REQUEST = Request("POST", "https://example.com/v1/chat/completions", ((b"content-type", b"application/json"),), b"{}")


def provider(credential: str, *quirks: str) -> Provider:
    return Provider("example", "https://example.com/v1", credential, quirks=quirks)


@pytest.mark.parametrize(
    ("quirks", "header"),
    [
        ((), (b"authorization", b"Bearer sk-very-secret")),
        ((API_KEY_HEADER,), (b"api-key", b"sk-very-secret")),
        ((X_API_KEY_HEADER,), (b"x-api-key", b"sk-very-secret")),
    ],
)
async def test_the_key_goes_into_its_header(quirks: tuple[str, ...], header: tuple[bytes, bytes]) -> None:
    credential = credential_for(provider("env:EXAMPLE_KEY", *quirks), {"EXAMPLE_KEY": f" {SECRET}\n"})
    signed = await credential.sign(REQUEST)
    assert signed.headers == (*REQUEST.headers, header)
    assert (signed.method, signed.url, signed.body) == (REQUEST.method, REQUEST.url, REQUEST.body)
    assert credential.ready(REQUEST) == signed


async def test_a_header_that_was_there_is_replaced() -> None:
    """A client's own authorization is for the gateway and never goes on to a provider beside the provider's key."""
    credential = credential_for(provider("env:EXAMPLE_KEY"), {"EXAMPLE_KEY": SECRET})
    request = Request("POST", REQUEST.url, ((b"authorization", b"Bearer client"), (b"a", b"b")), b"")
    assert (await credential.sign(request)).headers == ((b"a", b"b"), (b"authorization", b"Bearer sk-very-secret"))


async def test_none_changes_nothing() -> None:
    credential = credential_for(provider("none"))
    assert await credential.sign(REQUEST) == credential.ready(REQUEST) == REQUEST


@pytest.mark.parametrize("environ", [{}, {"EXAMPLE_KEY": ""}, {"EXAMPLE_KEY": "  "}])
async def test_a_missing_variable_is_named_with_its_remedy(environ: dict[str, str]) -> None:
    credential = credential_for(provider("env:EXAMPLE_KEY"), environ)
    with pytest.raises(UpstreamError, match="EXAMPLE_KEY is not set: export EXAMPLE_KEY=") as caught:
        await credential.sign(REQUEST)
    assert (caught.value.kind, caught.value.sent) == ("credential", False)


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Changed in place, and replaced as a mounted secret is."""
    path = tmp_path / "key"
    path.write_text("first\n\n")
    credential = credential_for(provider(f"file:{path}"))

    async def key() -> bytes:
        return (await credential.sign(REQUEST)).headers[-1][1]

    assert await key() == b"Bearer first"
    path.write_text("second, longer")
    assert await key() == b"Bearer second, longer"
    (tmp_path / "next").write_text("third")
    (tmp_path / "next").replace(path)
    assert await key() == b"Bearer third"


async def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("aaaa")
    credential = credential_for(provider(f"file:{path}"))
    await credential.sign(REQUEST)
    stat = path.stat()
    path.write_text("bbbb")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (await credential.sign(REQUEST)).headers[-1][1] == b"Bearer aaaa"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "is empty"), (b"\n" + SECRET.encode(), "is empty"), (b"\xff\xfe", "not a text file")],
    ids=["absent", "empty", "first line empty", "binary"],
)
async def test_a_file_without_a_key_says_so(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UpstreamError, match=words) as caught:
        await credential_for(provider(f"file:{path}")).sign(REQUEST)
    assert (caught.value.kind, caught.value.sent) == ("credential", False)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("bad", ["two\nlines", "tab\tbed", "kéy", "nul\0"])
async def test_a_key_that_no_header_can_carry_is_refused_unseen(bad: str) -> None:
    with pytest.raises(UpstreamError, match="env:EXAMPLE_KEY holds a line end") as caught:
        await credential_for(provider("env:EXAMPLE_KEY"), {"EXAMPLE_KEY": SECRET + bad}).sign(REQUEST)
    assert SECRET not in str(caught.value)


def test_a_home_that_does_not_exist_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="home directory does not exist"):
        credential_for(provider("file:~no-such-user/key"))


@pytest.mark.parametrize("source", ["", SECRET, f"key:{SECRET}", "env:", "file:"])
def test_a_source_of_another_form_is_refused_unseen(source: str) -> None:
    with pytest.raises(ConfigError, match=r'provider .example.* "env:NAME"') as caught:
        credential_for(provider(source))
    assert SECRET not in str(caught.value)


async def test_no_repr_shows_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    for source in ("env:EXAMPLE_KEY", f"file:{path}", "none"):
        credential = credential_for(provider(source, X_API_KEY_HEADER), {"EXAMPLE_KEY": SECRET})
        signed = await credential.sign(REQUEST)
        assert SECRET not in f"{credential!r} {credential} {signed!r} {signed}"
        assert source == "none" or source in repr(credential)
