"""One installation as a command sees it: its configuration, its data directory, its store.

Strategy: everything is opened on first use, so that a command which needs none of it (``learn --out``) creates no file.
The configuration is ``--config``, else ``POINTSMAN_CONFIG``, else ``./pointsman.toml`` where it exists, else empty.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from pointsman.control import config as configuration
from pointsman.control import publish as publishing
from pointsman.control.config import Config
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import StoreError
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Published, Store
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import open_store

DEFAULT_CONFIG = Path("pointsman.toml")
R = TypeVar("R")


@dataclass(frozen=True)
class Workspace:
    """An installation. ``config_path`` is None when there is no configuration file; ``data_path`` overrides the file's."""

    config_path: Path | None = None
    data_path: Path | None = None

    @functools.cached_property
    def config(self) -> Config:
        """The configuration file's content. Raises ConfigError with every mistake in it."""
        return configuration.load(self.config_path) if self.config_path else Config()

    @functools.cached_property
    def data(self) -> Path:
        """The data directory: ``--data``, else the configuration's, else ``.pointsman``."""
        return self.data_path or Path(self.config.data)

    @functools.cached_property
    def store(self) -> Store:
        """The opened store. Raises StoreError."""
        return open_store(self.data, vector_key=installation_key(self.data))

    def published(self) -> Published | None:
        """Return the current snapshot as published, None in a new installation."""
        return self.store.snapshots.current()

    def snapshot(self) -> Snapshot:
        """Return the current snapshot. Raises StoreError, with what to do, where none was ever published."""
        current = self.published()
        if current is None:
            raise StoreError(
                f"nothing is published in {self.data} yet: start the gateway once with `pointsman up`, "
                "or name the right place with --config or --data"
            )
        return snapshots.decode(current.data)

    def publish(self, change: Callable[[Snapshot], Snapshot], *, made_by: str) -> Published:
        """Apply a change to the current snapshot and make the result current. Raises StoreError or SnapshotError."""
        return publishing.publish(self.store, change, made_by=made_by, now_ms=int(time.time() * 1000))

    def close(self) -> None:
        """Close the store if it was opened."""
        if "store" in self.__dict__:
            self.store.close()


def workspace_option(function: Callable[..., R]) -> Callable[..., R]:
    """Give a click command the options ``--config`` and ``--data``, and a Workspace as its first argument."""

    @click.option(
        "-c", "--config", "config_path", envvar="POINTSMAN_CONFIG", type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file [default: ./pointsman.toml where it exists].",
    )  # fmt: skip
    @click.option(
        "--data", "data_path", type=click.Path(path_type=Path, file_okay=False),
        help="Data directory [default: the configuration's, else .pointsman].",
    )  # fmt: skip
    @functools.wraps(function)
    def with_workspace(*args: Any, config_path: Path | None, data_path: Path | None, **options: Any) -> R:
        workspace = Workspace(find_config(config_path), data_path)
        try:
            return function(workspace, *args, **options)
        finally:
            workspace.close()

    return with_workspace


def find_config(named: Path | None) -> Path | None:
    """Return the configuration file to use: the one named, else ``./pointsman.toml`` where it exists."""
    if named is not None:
        return named
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
