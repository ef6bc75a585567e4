"""Discovery: keys by name only, servers on loopback by their list of models, everything else passed over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from pointsman.upstream.discover import FoundProvider, discover, keyed, model_names, running
from pointsman.upstream.providers import LOOPBACK, LoopbackServer
from pointsman.upstream.transport import HttpTransport

SECRET = "sk-very-secret"


def test_keys_are_found_by_name_and_never_shown() -> None:
    environ = {"OPENAI_API_KEY": SECRET, "GROQ_API_KEY": SECRET, "XAI_API_KEY": " ", "PATH": "/bin"}
    found = keyed(environ)
    assert [(one.provider.name, one.where, one.provider.credential) for one in found.providers] == [
        ("openai", "OPENAI_API_KEY", "env:OPENAI_API_KEY"),
        ("groq", "GROQ_API_KEY", "env:GROQ_API_KEY"),
    ]
    assert found.problems == ()
    assert SECRET not in repr(found)
    assert SECRET.encode() not in msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({"GEMINI_API_KEY": SECRET}, "GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": SECRET}, "GOOGLE_API_KEY"),
        ({"GOOGLE_API_KEY": SECRET, "GEMINI_API_KEY": SECRET}, "GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": SECRET, "GEMINI_API_KEY": ""}, "GOOGLE_API_KEY"),
    ],
)
def test_a_key_may_have_several_names(environ: dict[str, str], where: str) -> None:
    (found,) = keyed(environ).providers
    assert (found.where, found.price_id) == (where, "google")


def test_azure_needs_its_address_too() -> None:
    alone = keyed({"AZURE_OPENAI_API_KEY": SECRET})
    assert alone.providers == ()
    assert "AZURE_OPENAI_ENDPOINT is not" in alone.problems[0]
    assert SECRET not in alone.problems[0]
    both = keyed({"AZURE_OPENAI_API_KEY": SECRET, "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/"})
    assert [one.provider.base_url for one in both.providers] == ["https://mine.openai.azure.com/openai/v1"]


@pytest.mark.parametrize(
    ("address", "said"),
    [("http://127.0.0.1:8787/v1", True), ("https://api.openai.com/v1/", False), ("", False)],
    ids=["elsewhere", "the usual one", "empty"],
)
def test_an_address_for_the_sdk_is_not_followed_and_that_is_said(address: str, *, said: bool) -> None:
    """It may well be this gateway's own, where it would send its requests to itself."""
    found = keyed({"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": address})
    assert [one.provider.base_url for one in found.providers] == ["https://api.openai.com/v1"]
    assert bool(found.problems) == said
    assert all("OPENAI_BASE_URL is not followed" in problem for problem in found.problems)
    assert not any(SECRET in problem or "8787" in problem for problem in found.problems)


def test_an_empty_environment_is_no_error() -> None:
    assert keyed({}).providers == ()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"object":"list","data":[{"id":"llama3.2:1b","object":"model"},{"id":"b"}]}', ("llama3.2:1b", "b")),
        (b'{"data":[]}', ()),
        (b'{"data":null}', None),
        (b'{"data":[{"name":"x"}]}', None),
        (b'{"models":[]}', None),
        (b"[]", None),
        (b"<html>", None),
        (b"", None),
        (b'{"data":[{"id":"\xff"}]}', None),
    ],
)
def test_names_in_a_list_of_models(body: bytes, names: tuple[str, ...] | None) -> None:
    assert model_names(body) == names


Listen = Callable[..., Awaitable[LoopbackServer]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Start servers that answer every request with these bytes and close; None: never; with a barrier: once past it."""
    servers: list[asyncio.Server] = []
    done = asyncio.Event()
    under_way: set[asyncio.Task[None]] = set()

    async def start(answer: bytes | None, barrier: asyncio.Barrier | None = None) -> LoopbackServer:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"GET /v1/models HTTP/1.1\r\n")
            if barrier is not None:
                await barrier.wait()
            if answer is None:
                await done.wait()
            else:
                writer.write(answer)
            writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(serve(reader, writer))
            under_way.add(task)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        servers.append(server)
        return LoopbackServer(f"server{len(servers)}", "Server", server.sockets[0].getsockname()[1])

    yield start
    done.set()
    await asyncio.gather(*under_way)
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.close()


def reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


MODELS = b'{"object":"list","data":[{"id":"tiny"},{"id":"small"}]}'


async def test_servers_that_list_their_models_are_found_in_order(listen: Listen, transport: HttpTransport) -> None:
    silent = await listen(None)
    good = await listen(reply(MODELS))
    others = [await listen(reply(b"<html>")), await listen(reply(MODELS, b"401 No")), await listen(b"SSH-2.0\r\n")]
    last = await listen(reply(b'{"data":[]}'))
    found = await running(transport, [silent, good, *others, last, LoopbackServer("nobody", "Nobody", 1)])
    assert found == (
        FoundProvider(good.provider(), "Server", f"http://127.0.0.1:{good.port}/v1", models=("tiny", "small")),
        FoundProvider(last.provider(), "Server", f"http://127.0.0.1:{last.port}/v1"),
    )


async def test_servers_are_asked_at_the_same_time(listen: Listen, transport: HttpTransport) -> None:
    """Each answers only when the other has been asked too."""
    both = asyncio.Barrier(2)
    servers = [await listen(reply(MODELS), both) for _ in range(2)]
    assert len(await running(transport, servers)) == 2


async def test_an_endless_list_is_given_up(listen: Listen, transport: HttpTransport) -> None:
    server = await listen(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 5_000_000)
    assert await running(transport, [server]) == ()


async def test_discover_joins_keys_and_servers(transport: HttpTransport) -> None:
    """Whatever runs on this machine: the keys come first, and nothing is raised."""
    found = await discover({"MISTRAL_API_KEY": SECRET, "AZURE_OPENAI_API_KEY": SECRET}, transport)
    assert found.providers[0].provider.name == "mistral"
    assert {one.provider.name for one in found.providers[1:]} <= {server.name for server in LOOPBACK}
    assert len(found.problems) == 1
