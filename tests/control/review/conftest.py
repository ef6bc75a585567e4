from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.store.interfaces import Store
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, vector_key=installation_key(tmp_path))
    yield opened
    opened.close()
