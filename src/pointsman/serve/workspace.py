"""One installation as a command sees it: its configuration, its data directory, its store.

Strategy: everything is opened on first use, so that a command which needs none of it (``learn --out``) creates no file.
The configuration is ``--config``, else ``POINTSMAN_CONFIG``, else ``./pointsman.toml`` where it exists, else empty.
"""

import functools
import os
import pwd
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
from pointsman.core.errors import SnapshotError, StoreError
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Published, Store
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import FILE, open_store

DEFAULT_CONFIG = Path("pointsman.toml")
R = TypeVar("R")


@dataclass(frozen=True)
class Workspace:
    """An installation. ``config_path`` is None when there is no configuration file; ``data_path`` overrides the file's.

    ``actor`` is who acts on it, for the log of acts; None: the user of this machine who runs the command.
    """

    config_path: Path | None = None
    data_path: Path | None = None
    actor: str | None = None

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
        return open_store(self.data, vector_key=installation_key(self.data), actor=self.actor or f"cli:{_user()}")

    @functools.cached_property
    def patient_store(self) -> Store:
        """The store for a process that serves without it too: what cannot be opened raises StoreError with every use."""
        return open_store(self.data, vector_key=installation_key(self.data), patient=True)

    @property
    def existing(self) -> Store:
        """The store, for commands that only look: nothing is made in a directory that is no installation's.

        Raises StoreError, with what to do.
        """
        if "store" not in self.__dict__ and not (self.data / FILE).exists():
            raise StoreError(
                f"nothing is recorded in {self.data} yet: start with `pointsman up` or `pointsman import FILE`, "
                "or name the right place with --config or --data"
            )
        return self.store

    def published(self) -> Published | None:
        """Return the current snapshot as published, None in a new installation."""
        return self.store.snapshots.current()

    def snapshot(self) -> Snapshot:
        """Return the current snapshot. Raises StoreError, with what to do, where there is none or it is damaged."""
        current = self.existing.snapshots.current()
        if current is None:
            raise StoreError(
                f"nothing is published in {self.data} yet: start the gateway once with `pointsman up`, "
                "or name the right place with --config or --data"
            )
        return self.decoded(current)

    def decoded(self, published: Published) -> Snapshot:
        """Return a published snapshot's content. Raises StoreError that names the snapshot and its place."""
        try:
            return snapshots.decode(published.data)
        except SnapshotError as error:
            raise StoreError(
                f"snapshot {published.number} in {self.data} ({published.made_by}) cannot be used: {error}; "
                "put back a copy of this directory, or begin a new one with --data (what was recorded stays in this one)"
            ) from error

    def publish(self, change: Callable[[Snapshot], Snapshot], *, made_by: str) -> Published:
        """Apply a change to the current snapshot and make the result current. Raises StoreError or SnapshotError."""
        return publishing.publish(self.store, change, made_by=made_by, now_ms=int(time.time() * 1000))

    def note(self, act: str, subject: str, detail: str = "") -> None:
        """Write down what was done that no publication tells. Raises StoreError."""
        self.store.audit.note(act, subject, detail, at_ms=int(time.time() * 1000))

    def close(self) -> None:
        """Close the store if it was opened."""
        for name in ("store", "patient_store"):
            if name in self.__dict__:
                self.__dict__[name].close()


def _user() -> str:
    """Return the name of the user whose process this is (the system's word, and no variable's)."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container's user need have no name
        return str(number)


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
