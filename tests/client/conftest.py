"""The official client against one real gateway process in front of one real zoo: started once for this folder's tests.

The gateway asks its clients for a key, so that every test also shows that the key is let in. Tests that make a model fail
use a model of their own, because the gateway remembers failures for a while.
"""

import hashlib
import signal
from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo
from tests.serve.conftest import Up

KEY = "key-of-the-shop"

collect_ignore = ["suites"]  # they need the clients' own environment: `make clients` runs them


@pytest.fixture(scope="package")
def zoo() -> Zoo:
    return Zoo(seed=7)


@pytest.fixture(scope="package")
def up(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    path = tmp_path_factory.mktemp("client") / "pointsman.toml"
    with serving(zoo) as url:
        keys = f'[keys.shop]\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\n'
        limits = "[limits]\nbody_bytes = 100000\n"
        path.write_text(config_toml(zoo, url, data="data") + keys + limits, "utf-8")
        gateway = Up(path)
        try:
            yield gateway
        finally:
            assert gateway.stop(signal.SIGTERM) == 0
            assert not any("Traceback" in line for line in gateway.said), gateway.said


@pytest.fixture
def client(up: Up) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=up.base_url, api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
async def later(up: Up) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client."""
    async with openai.AsyncOpenAI(base_url=up.base_url, api_key=KEY, max_retries=0, timeout=20) as client:
        yield client
