"""Tables of made-up people, hosts and records. All rows come from a seed and are about nobody."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

TOWNS = ("Alder Quay", "Brook End", "Cold Harbour", "Dunmere", "Elm Cross", "Fenwick", "Gorse Hill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: `selector` names the person or host in it (`citizen:CZ-00000001`, `address:10.4.0.7`)."""

    text: str
    selector: str


def _citizen(rng: random.Random) -> str:
    return f"CZ-{rng.randrange(10**8):08d}"


def _person(detail: Callable[[random.Random], str]) -> Callable[[random.Random], Row]:
    def make(rng: random.Random) -> Row:
        number = _citizen(rng)
        return Row(text=f"{number}, {rng.choice(TOWNS)}, {detail(rng)}", selector=f"citizen:{number}")

    return make


def _subscriber(rng: random.Random) -> Row:
    number = f"SUB-{rng.randrange(10**6):06d}"
    return Row(text=f"{number}, last seen at cell {rng.randrange(1, 400)}", selector=f"subscriber:{number}")


def _host(rng: random.Random) -> Row:
    address = f"10.{rng.randrange(16, 200)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    return Row(text=f"{address}  open: {rng.choice((22, 80, 443, 8443))}", selector=f"address:{address}")


TABLES: Mapping[str, Callable[[random.Random], Row]] = {
    "citizens": _person(
        lambda rng: f"born {rng.randrange(1940, 2006)}, {rng.randrange(3, 40)} trips a month"
    ),
    "customers": _person(
        lambda rng: (
            f"bought in {rng.randrange(2019, 2026)}, {rng.randrange(1, 9)} orders, "
            f"{rng.randrange(0, 4)} complaints"
        )
    ),
    "applicants": _person(
        lambda rng: (
            f"{rng.randrange(0, 25)} years in trade, {rng.randrange(0, 4)} gaps, test {rng.randrange(30, 100)}"
        )
    ),
    "staff": _person(
        lambda rng: (
            f"team {rng.randrange(1, 9)}, {rng.randrange(0, 20)} days absent, {rng.randrange(10, 60)} messages a day"
        )
    ),
    "borrowers": _person(
        lambda rng: (
            f"income {rng.randrange(14, 90)} thousand, rent {rng.randrange(4, 20)} hundred, "
            f"{rng.randrange(0, 5)} late payments"
        )
    ),
    "patients": _person(
        lambda rng: (
            f"ward {rng.randrange(1, 12)}, {rng.randrange(1, 30)} visits, code {rng.choice('ABCDEFG')}{rng.randrange(10, 99)}"
        )
    ),
    "pupils": _person(lambda rng: f"form {rng.randrange(1, 12)}, {rng.randrange(0, 30)} absences"),
    "claimants": _person(
        lambda rng: (
            f"benefit since {rng.randrange(2012, 2026)}, {rng.randrange(0, 5)} children, "
            f"{rng.randrange(0, 4)} letters unanswered"
        )
    ),
    "badges": _person(
        lambda rng: (
            f"in at {rng.randrange(5, 10)}:{rng.randrange(60):02d}, "
            f"{rng.randrange(1, 6)} lunches at table {rng.randrange(1, 12)}"
        )
    ),
    "messages": _person(
        lambda rng: (
            f"{rng.randrange(1, 60)} messages to {rng.randrange(1, 20)} people, topic {rng.randrange(1, 50)}"
        )
    ),
    "subscribers": _subscriber,
    "hosts": _host,
}
"""Name of a table to what makes one row of it."""


def make_rows(table: str, n: int, *, scenario: str, seed: int) -> tuple[Row, ...]:
    """`n` rows about `n` different persons or hosts; the same arguments give the same rows."""
    rng = random.Random(f"{seed}/{scenario}/{table}")  # noqa: S311 - made-up rows, the same in every run
    made: dict[str, Row] = {}
    while len(made) < n:
        row = TABLES[table](rng)
        made.setdefault(row.selector, row)
    return tuple(made.values())


def by_reference(rows: Sequence[Row], total: int) -> str:
    """How a request names more rows than it can carry: the first ones, and how many there are.

    In words that no layer which reads content takes for misuse: the scale is to be told apart, not the harness.
    """
    first = "\n".join(row.text for row in rows[:3])
    return f"{first}\n(rows 1 to 3 of {total:,}; the others are in the attached table)"
