"""Orders, consents and engagements that a paper speaks of: whom they name follows from the rows of the request.

`Cover.ALL` names every person or address of the request, `FIRST` only the first, `NONE` others. What none of them may do is
cover by chance what it should not, so whoever makes others says what they must not be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import TypeVar

from countermark.assay.scenarios.model import Cover, Paper
from countermark.assay.worlds.plan import BasisType
from countermark.assay.worlds.tables import TABLES, Row, make_rows

_PERSON = re.compile(r"\b(SUB-[0-9]{6}|CZ-[0-9]{8})\b")
_ADDRESS = re.compile(r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?\b")
_OTHERS = 5
"""Persons whom an order for something else names."""
_ADDRESS_KIND = "address:"
_PEOPLE_TABLE = "citizens"
_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a request is about.

    Attributes:
        persons: Selectors (`citizen:CZ-00000001`), each once, in the order of the request.
        networks: Addresses and networks, likewise.
        table: Of its rows; empty where it carries none.
    """

    persons: tuple[str, ...]
    networks: tuple[IPv4Network, ...]
    table: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """One basis that a paper speaks of, before it has a name and a workload."""

    type: BasisType
    selectors: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    may_derive: tuple[str, ...] = ()


def named_in(text: str, rows: Collection[Row], table: str = "") -> Named:
    """What stands in a wording and its rows."""
    persons = [row.selector for row in rows if not row.selector.startswith(_ADDRESS_KIND)]
    networks = [
        IPv4Network(row.selector.removeprefix(_ADDRESS_KIND))
        for row in rows
        if row.selector.startswith(_ADDRESS_KIND)
    ]
    for number in _PERSON.findall(text):
        persons.append(f"{'subscriber' if number.startswith('SUB') else 'citizen'}:{number}")
    networks += _networks(text)
    return Named(persons=tuple(dict.fromkeys(persons)), networks=tuple(dict.fromkeys(networks)), table=table)


def _networks(text: str) -> Iterator[IPv4Network]:
    for found in _ADDRESS.findall(text):
        try:
            network = ip_network(found, strict=False)
        except ValueError:
            continue  # four numbers that are no address
        if isinstance(network, IPv4Network):
            yield network


def bases_of(paper: Paper, about: Named, *, scenario: str, seed: int) -> tuple[Basis, ...]:
    """Every basis that a paper speaks of; the first is the one that its system names in a header.

    Args:
        scenario: What others are drawn for: the same one gives the same others.
    """
    operations = paper.operations or ("serve",)
    found: list[Basis] = []
    if paper.order is not None:
        chosen = _covered(paper.order, about.persons)
        selectors = chosen or other_persons(about, scenario=scenario, seed=seed)
        found.append(Basis(type=BasisType.ORDER, selectors=selectors, may_derive=operations))
    if paper.consent is not None:
        found.append(Basis(type=BasisType.CONSENT, may_derive=paper.consent or operations))
    if paper.engagement is not None:
        ranges = _covered(paper.engagement, about.networks) or (other_range(about.networks),)
        found.append(Basis(type=BasisType.ENGAGEMENT, ranges=tuple(str(each) for each in ranges)))
    return tuple(found)


def _covered(cover: Cover, things: tuple[_Thing, ...]) -> tuple[_Thing, ...]:
    return things if cover is Cover.ALL else things[:1] if cover is Cover.FIRST else ()


def other_persons(about: Named, *, scenario: str, seed: int) -> tuple[str, ...]:
    """Persons whom the request is not about."""
    table = about.table if about.table in TABLES and about.table != "hosts" else _PEOPLE_TABLE
    mine = frozenset(about.persons)
    rows = make_rows(table, _OTHERS + len(mine), scenario=f"{scenario}/others", seed=seed)
    return tuple(row.selector for row in rows if row.selector not in mine)[:_OTHERS]


def other_range(networks: Collection[IPv4Network]) -> IPv4Network:
    """A network that has nothing in common with any of these: above those that rows are drawn from."""
    free = (IPv4Network(f"10.{second}.0.0/16") for second in range(200, 256))
    return next(each for each in free if not any(each.overlaps(network) for network in networks))
