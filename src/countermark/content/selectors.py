"""Selectors in a text: what names a person or account, and what names a machine or network.

Conservative on purpose: what is found may only restrict (all persons inside an order, all addresses inside an
engagement), so a false hit costs a HOLD or DENY where a missed one costs the promise. What is found is written in one
spelling; a telephone number without its country can't be, so it lies outside of every order.

Text is folded first: compatibility forms (NFKC), characters without width removed, digits of all scripts to ASCII,
`[.]`, `(at)` and the like to what they stand for. Where a text holds escapes (`\\u002e`, `%2e`, `&#46;`), it is searched
as it stands and as they read. What another encoding hides (base64, a cipher, words for digits) is not found, nor what is
cut in two by the border between two texts.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import unquote

from countermark.content.addresses import find_addresses, without_addresses


class AccountPattern(Protocol):
    """How one kind of identifier looks; a bundle defines them."""

    @property
    def kind(self) -> str:
        """Leads the selector: `subscriber` gives `subscriber:sub-123456`."""
        ...

    @property
    def pattern(self) -> str:
        """A regular expression without costly repeats."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectors:
    """What was found, each once.

    Attributes:
        persons: `email:ada@halden.example`, `phone:+15550100`, `phone:5550100` (country not written),
            `KIND:...` for the bundle's own kinds; lower case.
        addresses: IP addresses and networks as `ipaddress` writes them, host names in lower case.
    """

    persons: frozenset[str]
    addresses: frozenset[str]


_WIDTHLESS: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_FOLDED: Final = str.maketrans(
    {
        "\u3002": ".",
        "\uff61": ".",
        "\u2024": ".",
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2212": "-",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
    }
)
_DEFANGED: Final = (
    (re.compile(r" ?[\[({<] ?(?:\.|dot) ?[\])}>] ?", re.IGNORECASE), "."),
    (re.compile(r" ?[\[({<] ?(?:@|at) ?[\])}>] ?", re.IGNORECASE), "@"),
    (re.compile(r"\[(:|://)\]"), r"\1"),
    (re.compile(r"\bhxxp", re.IGNORECASE), "http"),
)
_NON_ASCII_DIGIT: Final = re.compile(r"[^\x00-\x7f]")


def fold(text: str) -> str:
    """Write a text in the form that is searched."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _WIDTHLESS.sub("", text)).translate(_FOLDED)
        text = _WIDTHLESS.sub("", text)
        if not text.isascii():
            text = _NON_ASCII_DIGIT.sub(_ascii_digit, text)
    if "[" in text or "(" in text or "{" in text or "<" in text or "hxxp" in text:
        for pattern, plain in _DEFANGED:
            text = pattern.sub(plain, text)
    return text


def _ascii_digit(match: re.Match[str]) -> str:
    digit = unicodedata.decimal(match[0], None)
    return match[0] if digit is None else str(digit)


_ESCAPED: Final = re.compile(r"\\(?:u(?![dD][89A-Fa-f])([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_ESCAPED_TWICE: Final = 2
"""How many times escapes are read, one inside the other."""


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))


def spellings(text: str) -> Iterator[str]:
    """A text folded as it stands and, where it holds escapes, as they read: a reader may take it either way."""
    yield fold(text)
    for _ in range(_ESCAPED_TWICE):
        if "\\" not in text and "%" not in text and "&" not in text:
            return
        read = html.unescape(unquote(_ESCAPED.sub(_unescaped, text)))
        if read == text:
            return
        text = read
        yield fold(text)


_AT_HOST: Final = re.compile(r"@([\w-]{1,63}(?:\.[\w-]{1,63})*)")
_LOCAL_PART: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\Z")
_LONGEST_LOCAL_PART: Final = 64  # RFC 5321, section 4.5.3.1.1


def _emails(text: str) -> Iterator[str]:
    for match in _AT_HOST.finditer(text):
        start = match.start()
        local = _LOCAL_PART.search(text, max(0, start - _LONGEST_LOCAL_PART), start)
        if local is not None:
            name = local[0].lstrip(".!#$%&'*/=?^`{|}~-+")
            if name:
                yield f"email:{name}@{match[1]}".casefold()


_PHONE: Final = re.compile(
    r"(?<![\w.])(?:\+ ?|00(?=[1-9]))?[(]?\d(?:[ ./()\t-]{0,3}\d){6,17}(?![\w]|[.,]\d)",
    re.ASCII,
)
_DATE: Final = re.compile(
    r"(?:19|20)\d\d([-./]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?:[ T-]?\d{2}(?:[0-5]\d)*)?"
    r"|(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d"
    r"|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d"
)
_DECIMALS: Final = re.compile(r"\d+\.\d+(?:[ \t]+\d+\.\d+)*")
_UUID: Final = re.compile(r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])", re.IGNORECASE)
_SHORTEST_BARE: Final = 8
"""Digits in a row without separators that may be a number of a person; seven are as likely an amount."""


def _phones(text: str) -> Iterator[str]:
    for match in _PHONE.finditer(text):
        written = match[0]
        digits = re.sub(r"\D", "", written)
        if written.startswith("+"):
            if len(digits) <= 15:  # ITU-T E.164, section 6
                yield f"phone:+{digits}"
        elif written.startswith("00") and 9 <= len(digits) <= 17:
            yield f"phone:+{digits[2:]}"
        elif _DATE.fullmatch(written) or _DECIMALS.fullmatch(written):
            continue
        elif len(digits) >= _SHORTEST_BARE or not written.isdigit():
            yield f"phone:{digits}"


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def find_selectors(texts: Iterable[str], account_patterns: Sequence[AccountPattern] = ()) -> Selectors:
    """Find all selectors in some texts.

    Args:
        account_patterns: The bundle's own kinds. What one of them matches is not looked at as a telephone number.
    """
    persons: set[str] = set()
    addresses: set[str] = set()
    for spelled in (each for written in texts for each in spellings(written)):
        text = spelled
        if "@" in text:
            persons.update(_emails(text))
        addresses.update(find_addresses(text))
        for account in account_patterns:
            found = list(_compiled(account.pattern).finditer(text))
            persons.update(f"{account.kind}:{match[0]}".casefold() for match in found)
            for match in reversed(found):
                text = f"{text[: match.start()]}\x00{text[match.end() :]}"
        persons.update(_phones(_UUID.sub("\x00", without_addresses(text))))
    return Selectors(persons=frozenset(persons), addresses=frozenset(addresses))
