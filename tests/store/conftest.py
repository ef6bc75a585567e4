from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.records import STORES, opened

from pointsman.store.interfaces import Store


@pytest.fixture(params=STORES)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a store that must hold the contract."""
    return str(request.param)


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Iterator[Store]:
    """A new, empty store."""
    store = opened(kind, tmp_path)
    yield store
    store.close()
