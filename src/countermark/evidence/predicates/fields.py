"""Strict reading of a predicate: every field is asked for, none is left over, and each error names its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from countermark.clock import parse_time
from countermark.errors import MalformedError, TooLargeError

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8785, appendix D)."""

IDENTITY: Final = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?", re.ASCII)
"""Id of an order, consent, engagement, credential or data set: printable ASCII, no space at either end."""
PARTY: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}", re.ASCII)
"""As the trust root names parties and persons."""
PERSON: Final = PARTY
WORKLOAD: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
"""`party/name`."""
MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}", re.ASCII)
TOOL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}", re.ASCII)
PURPOSE: Final = re.compile(r"(?!(?:unknown|conflict)$)[a-z][a-z0-9-]{0,63}", re.ASCII)
"""A value of the open enum of purposes. `unknown` and `conflict` are made by appraisal, never by a statement."""
SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
TEXT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
"""A line that people read."""
TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)

BASES: Final = ("word", "document-seen", "system-queried", "inspected", "measured")
INTERESTS: Final = ("party", "none")


class Fields:
    """One JSON object while it is read. `done` refuses what nobody asked for."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise MalformedError(f"expected `{where}` to be an object")
        self._value = value
        self._where = where
        self._asked: set[str] = set()

    def name(self, field: str) -> str:
        """The field's full name, for errors."""
        return f"{self._where}.{field}"

    def has(self, field: str) -> bool:
        """Whether the field is there."""
        return field in self._value

    def take(self, field: str) -> object:
        """The field's value, whatever it is."""
        self._asked.add(field)
        if field not in self._value:
            raise MalformedError(f"expected a field `{self.name(field)}`")
        return self._value[field]

    def text(self, field: str, pattern: re.Pattern[str]) -> str:
        """A text of the given form."""
        return _text(self.take(field), pattern, self.name(field))

    def choice(self, field: str, options: tuple[str, ...]) -> str:
        """One of a closed list of words."""
        value = self.take(field)
        if not isinstance(value, str) or value not in options:
            raise MalformedError(
                f"expected `{self.name(field)}` to be one of `{', '.join(options)}`, got `{value!s:.40}`"
            )
        return value

    def texts(self, field: str, pattern: re.Pattern[str], *, least: int, most: int) -> tuple[str, ...]:
        """A list of distinct texts of the given form."""
        where = self.name(field)
        return tuple(_text(item, pattern, where) for item in self._list(field, least, most))

    def choices(self, field: str, options: tuple[str, ...], *, least: int) -> tuple[str, ...]:
        """A list of distinct words out of a closed list, in the order of that list."""
        found = self._list(field, least, len(options))
        for item in found:
            if not isinstance(item, str) or item not in options:
                raise MalformedError(
                    f"expected each of `{self.name(field)}` to be one of `{', '.join(options)}`, got `{item!s:.40}`"
                )
        return tuple(option for option in options if option in found)

    def integer(self, field: str, *, most: int = MAX_SAFE_INTEGER) -> int:
        """An integer of at least 0."""
        value = self.take(field)
        if isinstance(value, bool) or not isinstance(value, int):
            raise MalformedError(f"expected `{self.name(field)}` to be an integer")
        if not 0 <= value <= most:
            raise MalformedError(f"expected `{self.name(field)}` from 0 to {most}, got `{value!s:.40}`")
        return value

    def flag(self, field: str) -> bool:
        """True or false."""
        value = self.take(field)
        if not isinstance(value, bool):
            raise MalformedError(f"expected `{self.name(field)}` to be true or false")
        return value

    def time(self, field: str) -> datetime:
        """A time in UTC, to the second."""
        try:
            return parse_time(self.text(field, TIME))
        except MalformedError as error:
            raise MalformedError(f"`{self.name(field)}`: {error}") from error

    def record(self, field: str) -> Fields:
        """An object inside this one; its reader has to be `done` by itself."""
        return Fields(self.take(field), self.name(field))

    def items(self, field: str, pattern: re.Pattern[str], *, most: int) -> dict[str, Fields]:
        """An object whose keys are names and whose values are objects."""
        value, where = self.take(field), self.name(field)
        if not isinstance(value, Mapping):
            raise MalformedError(f"expected `{where}` to be an object")
        if len(value) > most:
            raise TooLargeError(f"expected at most {most} names in `{where}`, got {len(value)}")
        return {
            _text(key, pattern, where): Fields(child, f"{where}.{key!s:.40}") for key, child in value.items()
        }

    def done(self) -> None:
        """Refuse fields that nobody asked for: what is not understood may change what is."""
        for field in self._value:
            if field not in self._asked:
                raise MalformedError(f"expected no field `{self._where}.{field!s:.40}`")

    def _list(self, field: str, least: int, most: int) -> list[object]:
        value, where = self.take(field), self.name(field)
        if not isinstance(value, list | tuple):
            raise MalformedError(f"expected `{where}` to be a list")
        if len(value) > most:
            raise TooLargeError(f"expected at most {most} items in `{where}`, got {len(value)}")
        if len(value) < least:
            raise MalformedError(f"expected at least {least} items in `{where}`, got {len(value)}")
        if len({repr(item) for item in value}) != len(value):
            raise MalformedError(f"expected distinct items in `{where}`")
        return list(value)


def _text(value: object, pattern: re.Pattern[str], where: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"expected `{where}` to be a text, got {type(value).__name__}")
    if not pattern.fullmatch(value):
        raise MalformedError(f"expected `{where}` of the form `{pattern.pattern}`, got `{value!r:.60}`")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The fields that every predicate has beside its own.

    Attributes:
        seq: Rises with each statement of the same makers about the same subject; the newest wins.
        basis: How the maker knows.
        interest: Whether the maker is party to the deal.
        instrument: The rule that the statement leans on, in words; empty where it leans on none.
        changed_by: Parties that can change that rule, each alone.
    """

    seq: int
    valid_from: datetime
    valid_until: datetime
    basis: str
    interest: str
    instrument: str = ""
    changed_by: tuple[str, ...] = ()


def read_common(fields: Fields, *, instrument_required: bool = False) -> Common:
    """Read the common fields, except the descriptor, which each predicate reads for itself.

    Raises:
        MalformedError: A field is missing, of another form, or its time ends before it begins.
    """
    valid_from, valid_until = fields.time("valid_from"), fields.time("valid_until")
    if valid_until <= valid_from:
        raise MalformedError(f"expected `{fields.name('valid_until')}` after `valid_from`")
    name = ""
    changed_by: tuple[str, ...] = ()
    if instrument_required or fields.has("instrument"):
        instrument = fields.record("instrument")
        name = instrument.text("name", TEXT)
        changed_by = instrument.texts("changed_by", PARTY, least=1, most=16)
        instrument.done()
    return Common(
        seq=fields.integer("seq"),
        valid_from=valid_from,
        valid_until=valid_until,
        basis=fields.choice("basis", BASES),
        interest=fields.choice("interest", INTERESTS),
        instrument=name,
        changed_by=changed_by,
    )


def read_descriptor(
    fields: Fields, *, key: str, pattern: re.Pattern[str], party_allowed: bool = False
) -> tuple[str, str]:
    """Read the descriptor: the stable identity of what the statement is about.

    Returns:
        The identity and, where the descriptor names one, the party whose register it comes from (else empty).

    Raises:
        MalformedError: Other keys than `key` (and `party` where that is allowed), or another form.
    """
    descriptor = fields.record("descriptor")
    identity = descriptor.text(key, pattern)
    party = descriptor.text("party", PARTY) if party_allowed and descriptor.has("party") else ""
    descriptor.done()
    return identity, party
