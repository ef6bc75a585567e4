"""What is expected of a new model: the tables ``releases``."""

from pointsman.control.config.callables import Callables
from pointsman.control.config.reading import Table
from pointsman.control.config.values import ReleaseRules


def read_releases(document: Table, callables: Callables) -> dict[str, ReleaseRules]:
    """Read the tables ``releases``."""
    found: dict[str, ReleaseRules] = {}
    for name, table in document.tables("releases"):
        quality, spread = table.number("quality", "0", "100"), table.number("spread", "0", "100", above=True)
        like = table.text("like")
        published = table.table("published")
        figures = {one: published.number(one, "-1e9", "1e9") for one in published} if published is not None else {}
        table.finish()
        if not callables.check(document.report, ("releases", name), name):
            continue
        if like is not None and not callables.check(document.report, (*table.path, "like"), like):
            continue
        if like == name:
            table.wrong("like", "names the release itself", "name another deployment, or remove it")
        if spread is not None and quality is None:
            table.wrong("spread", "has nothing to spread around", "add quality = the expected mean grade in percent")
        found[name] = ReleaseRules(
            quality=None if quality is None else float(quality / 100),
            spread=None if spread is None else float(spread / 100),
            like=like,
            published={one: float(figure) for one, figure in figures.items() if figure is not None},
        )
    return found
