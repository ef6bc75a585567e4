"""The default store: one SQLite file in the data directory, shared by every process of an installation.

connections  one connection a thread; write transactions; what may go wrong
schema       numbered migrations, and which files are refused
faults       SQLite's errors in words that say what to do
insertion    many rows into one table
exchanges    exchange records as rows
judgements   graded answers as rows
feedback     what was said of answers, until it is joined to them
ledger       what every call cost, chained by hashes
journal      the interface over exchanges and judgements
past         exchanges in bulk, to be decided again
reviews      what people are asked, what they read, what they said
snapshots    published snapshots
counters     shared integers
forgetting   what is older than its owner wants it
keys         keys of clients and of administrators, as digests
audit        what was done, by whom
leases       what workers may use of budgets without asking again

Laws:
- Write-ahead logging: readers never block, and never wait for, the one writer. A writer waits for another up to
  ``connections.WAIT_S`` and then gives up with nothing written.
- ``synchronous=FULL``: a commit returns after the log is on disk, so what an append returned from survives a crash of the
  machine as well. NORMAL would lose the last commits with the power; the journal's batches (five a second at most) make
  the difference of one fsync each, a few milliseconds of waiting and next to no CPU.
- Long reads go page by page and hold no transaction between pages, so that an idle reader never makes the log grow.
- The data directory is on a local disk: write-ahead logging needs memory that the processes share, which network file
  systems do not give.
- Vectors and what reviewers read are stored sealed or, without a key, not at all.
- What is deleted is overwritten in the file (``secure_delete``), and what reviewers read is gone from the log too.
"""

from pathlib import Path
from typing import Final

from pointsman.core.audit import GATEWAY
from pointsman.store.seal import KEY_FILE, MaterialSeal, VectorSeal
from pointsman.store.sqlite.audit import SqliteAudit
from pointsman.store.sqlite.connections import Connections
from pointsman.store.sqlite.counters import SqliteCounters
from pointsman.store.sqlite.feedback import SqliteFeedback
from pointsman.store.sqlite.forgetting import SqliteForgetting
from pointsman.store.sqlite.journal import SqliteJournal
from pointsman.store.sqlite.keys import SqliteKeys
from pointsman.store.sqlite.leases import SqliteLeases
from pointsman.store.sqlite.ledger import SqliteLedger
from pointsman.store.sqlite.past import SqlitePasts
from pointsman.store.sqlite.reviews import SqliteReviews
from pointsman.store.sqlite.snapshots import SqliteSnapshots
from pointsman.store.tally import DIRECTORY

FILE: Final = "pointsman.sqlite3"


class SqliteStore:
    """One opened store. All its methods may be called from any thread of the process that opened it."""

    def __init__(
        self,
        connections: Connections,
        seal: VectorSeal | None,
        materials: MaterialSeal | None,
        tallies: Path,
        actor: str,
    ) -> None:
        self._connections = connections
        self.journal = SqliteJournal(connections, seal)
        self.ledger = SqliteLedger(connections)
        self.feedback = SqliteFeedback(connections, seal)
        self.past = SqlitePasts(connections, seal)
        self.reviews = SqliteReviews(connections, materials)
        self.snapshots = SqliteSnapshots(connections, actor)
        self.counters = SqliteCounters(connections)
        self.forgetting = SqliteForgetting(connections)
        self.keys = SqliteKeys(connections, actor)
        self.audit = SqliteAudit(connections, actor)
        self.leases = SqliteLeases(connections, tallies)

    def close(self) -> None:
        """Close every connection of this store. Idempotent; later calls of other methods raise StoreError."""
        self._connections.close()


def open_store(path: Path, *, vector_key: bytes | None, actor: str = GATEWAY, patient: bool = False) -> SqliteStore:
    """Open the store in the data directory ``path``; both are made (mode 0700 and 0600) where they do not exist.

    ``vector_key`` are the 32 bytes of ``seal.installation_key``; with None, neither vectors nor what reviewers
    read are written or read. ``actor`` is who acts through this store, for the log of acts (``core/audit``).
    ``patient``: a store that cannot be opened now raises with every use until it can.
    Raises StoreError: not a store, of a newer version, damaged, not writable.
    """
    seal = VectorSeal(vector_key, path / KEY_FILE) if vector_key is not None else None
    materials = MaterialSeal(vector_key, path / KEY_FILE) if vector_key is not None else None
    return SqliteStore(Connections(path / FILE, patient=patient), seal, materials, path / DIRECTORY, actor)
