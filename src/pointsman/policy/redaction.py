"""What is taken out of a text before it is stored: things that tell who somebody is, and keys.

Strategy: each kind is a pattern that finds candidates and, where the thing has a checksum or a form of its own, a check that
says how much of a candidate really is one. What is found is replaced by its kind in brackets, so that the text stays
readable: ``[email]``. An owner adds patterns of their own by name.

    email       RFC 5322's dot-atom form with a domain
    phone       international (+49 ...) or with a leading zero, 8 to 15 digits (ITU-T E.164)
    card        13 to 19 digits that pass Luhn's check (ISO/IEC 7812-1, annex B)
    iban        two letters, two check digits, up to 30 more, remainder 1 modulo 97 (ISO 13616-1; ISO/IEC 7064)
    ip          IPv4 and IPv6 addresses
    key         API keys by their well-known beginnings, JSON Web Tokens, private keys in PEM

Laws: the shipped patterns take time in proportion to the text; a checksum is required where there is one, so that an order
number stays; what no pattern finds stays in the text: a name is not found by a pattern.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pointsman.core.snapshot import Keeping

Check = Callable[[str], int]
"""How many characters of a candidate are the thing; 0: none."""

_EMAIL: Final = r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"
_PHONE: Final = r"(?<![\w.+])(?:\+|00?(?=[1-9])|\(0)\d?(?:[ ()./-]{0,2}\d){6,14}(?![\w])"
_CARD: Final = r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w])"
_IBAN: Final = r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}"
_IPV4: Final = r"\d{1,3}(?:\.\d{1,3}){3}"
_IPV6: Final = rf"(?=[0-9A-Fa-f]{{0,4}}:)(?:[0-9A-Fa-f:]{{1,30}}:{_IPV4}|[0-9A-Fa-f:]{{2,39}})(?![\w:])"
_IP: Final = rf"(?<![\w.:])(?:{_IPV4}(?!\w|\.\d)|{_IPV6})"
_KEY: Final = (
    r"(?<![\w-])(?:"
    r"(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,200}"  # OpenAI, Anthropic (sk-ant-), Stripe, OpenRouter
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS
    r"|AIza[0-9A-Za-z_-]{35}"  # Google
    r"|(?:gh[pousr]_[A-Za-z0-9]{36,200}|github_pat_\w{22,200}|glpat-[\w-]{20,100})"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,200}"  # Slack
    r"|(?:hf|gsk|xai|pplx|pm)[-_][A-Za-z0-9_-]{20,200}"
    r"|eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,2000}"  # RFC 7519
    r")(?![\w-])"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----)){1,20000}-----END [A-Z ]{0,40}PRIVATE KEY-----"
)


def _whole(candidate: str) -> int:
    return len(candidate)


def _phone(candidate: str) -> int:
    digits = sum(letter.isdigit() for letter in candidate)
    return len(candidate) if 8 <= digits <= 15 else 0


def luhn(digits: str) -> bool:
    """Say whether digits pass Luhn's check: every second one from the right doubled, its digits summed, 0 modulo 10."""
    total = 0
    for place, letter in enumerate(reversed(digits)):
        value = int(letter) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _card(candidate: str) -> int:
    digits = re.sub(r"\D", "", candidate)
    return len(candidate) if luhn(digits) and len(set(digits)) > 1 else 0


def mod97(account: str) -> bool:
    """Say whether an account number without blanks passes ISO 7064's check: its first four moved to the end, letters as
    10 to 35, remainder 1 modulo 97.
    """
    turned = account[4:] + account[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _iban(candidate: str) -> int:
    """The longest beginning that passes: the words that follow look like a part of it."""
    for end in range(len(candidate), 14, -1):
        if candidate[end - 1] == " " or (end < len(candidate) and candidate[end] != " "):
            continue
        account = candidate[:end].replace(" ", "")
        if 15 <= len(account) <= 34 and mod97(account):
            return end
    return 0


def _ip(candidate: str) -> int:
    text = candidate if candidate.endswith("::") else candidate.rstrip(":")  # a colon after an address ends a phrase
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return 0
    return len(text) if any(letter.isdigit() for letter in text) else 0  # std::abs is no address


KINDS: Final[dict[str, tuple[str, Check]]] = {
    "key": (_KEY, _whole),
    "email": (_EMAIL, _whole),
    "iban": (_IBAN, _iban),
    "card": (_CARD, _card),
    "ip": (_IP, _ip),
    "phone": (_PHONE, _phone),
}
"""In the order in which they are taken out: what has a checksum before what has none."""


@dataclass(frozen=True)
class Redaction:
    """Rules, ready to be applied: pairs of a name and a pattern, and a check."""

    rules: tuple[tuple[str, "re.Pattern[str]", Check], ...]

    def __call__(self, text: str) -> str:
        """Return the text without what the rules find. An owner's pattern may take long: see who calls for the bound."""
        for name, pattern, check in self.rules:
            text = _without(text, f"[{name}]", pattern, check)
        return text


def redaction(keeping: Keeping) -> Redaction | None:
    """Return what an owner's rules take out, None where there are none. Raises re.error for a pattern that is none."""
    shipped = [(name, re.compile(KINDS[name][0]), KINDS[name][1]) for name in KINDS if name in keeping.redacted]
    own = [(name, re.compile(pattern), _whole) for name, pattern in keeping.patterns]
    return Redaction((*own, *shipped)) if own or shipped else None


def _without(text: str, instead: str, pattern: "re.Pattern[str]", check: Check) -> str:
    pieces: list[str] = []
    kept = place = 0
    while found := pattern.search(text, place):
        start = found.start()
        length = check(found[0]) if found[0] else 0
        if length:
            pieces += (text[kept:start], instead)
            kept = place = start + length
        else:
            place = start + 1
    return "".join((*pieces, text[kept:])) if pieces else text
