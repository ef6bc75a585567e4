"""Policies of data: what whoever serves a request must meet, and what is known of who may.

Law: what nobody stated is not so. A region that is not stated is none, retention and training are taken to happen.
"""

from msgspec import Struct


class Facts(Struct, frozen=True, omit_defaults=True):
    """What the owner states of a deployment, from its contract: where it computes (empty: not stated), what it keeps.

    ``zero_retention``: nothing of a request is kept once it is answered; ``no_training``: nothing of it is learned from.
    """

    region: str = ""
    zero_retention: bool = False
    no_training: bool = False


class Demand(Struct, frozen=True, omit_defaults=True):
    """Demands that hold together; ``source`` says whose they are. An empty one demands nothing.

    ``regions`` are names of regions, each with all that begins with it and a dash (``eu``: ``eu-west-1``); ``vendors``
    providers; ``models`` deployments, ``provider/model`` or ``provider/*``.
    """

    source: str
    regions: tuple[str, ...] = ()
    zero_retention: bool = False
    no_training: bool = False
    vendors: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
