"""Which prompts are asked again and again to notice that a deployment changed: the table ``canaries``."""

from decimal import Decimal

from pointsman.control.config.reading import Table
from pointsman.control.config.values import CanaryRules
from pointsman.core.price import NANO_PER_USD

_HOUR_MS = Decimal(3_600_000)


def read_canaries(document: Table) -> CanaryRules | None:
    """Read the table ``canaries``; None where there is none."""
    table = document.table("canaries")
    if table is None:
        return None
    prompts, feature = table.text("prompts"), table.text("feature")
    every_h, cap_usd = table.number("every_h", "0.01", "8760"), table.number("cap_usd", "0", "1000000", above=True)
    each = table.number("each_usd_per_day", "0", "1000000", above=True)
    table.finish()
    for key, value, remedy in (
        ("prompts", prompts, 'add prompts = "canaries.jsonl", a file of prompts with their right answers'),
        ("feature", feature, 'add feature = "NAME": its check grades the answers'),
    ):
        if value is None and key not in table:
            table.report.add(table.path, f"[{table.name}] has no {key}", remedy)
    if prompts is None or feature is None:
        return None
    said = CanaryRules(prompts, feature)
    return CanaryRules(
        prompts,
        feature,
        every_ms=said.every_ms if every_h is None else round(every_h * _HOUR_MS),
        cap_nano=said.cap_nano if cap_usd is None else round(cap_usd * NANO_PER_USD),
        each_nano=None if each is None else max(round(each * NANO_PER_USD), 1),
    )
