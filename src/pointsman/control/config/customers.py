"""What customers pay the owner: the tables ``customers.NAME``."""

from decimal import Decimal
from typing import Final

from pointsman.control.config.reading import Table
from pointsman.control.config.values import CustomerRules

_PAYS: Final = ("per_request_usd", "per_1000_tokens_usd", "per_month_usd")


def read_customers(document: Table) -> dict[str, CustomerRules]:
    """Read the tables ``customers``, by the customer's name."""
    found = {}
    for name, table in document.tables("customers"):
        stated = {key: table.number(key, "0", "1000000") for key in _PAYS}
        markup = table.number("markup", "-1", "1000")
        said = any(key in table for key in (*_PAYS, "markup"))
        table.finish()
        if not said:
            what = f"[{table.name}] does not say what the customer pays"
            table.report.add(table.path, what, f"add one of {', '.join(_PAYS)}, markup")
        found[name] = CustomerRules(**{key: value or Decimal(0) for key, value in stated.items()}, markup=markup)
    return found
