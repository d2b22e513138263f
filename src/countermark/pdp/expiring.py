"""What ends soon, so that people renew it in time: statements, the sides' approval of the bundle, the trust root."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from countermark.attestation.verify import VerifiedStatement
from countermark.evidence.standing import newest
from countermark.pdp.terms import Terms

WARN_BEFORE = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Something in force that ends within a week.

    Attributes:
        what: `purpose northmark/office`, `the sides' approval of the bundle`, `the trust root`.
        key: Tells it from others, for whoever warns once.
        renew: The command that renews it.
    """

    what: str
    key: str
    ends_at: datetime
    renew: str


def ending_soon(statements: Iterable[VerifiedStatement], terms: Terms, now: datetime) -> tuple[Ending, ...]:
    """What is in force at `now` and ends within a week, the next to end first.

    A statement that a newer one of the same makers has replaced is not named: it has been renewed.
    """
    soon = now + WARN_BEFORE
    standing = [each for each in statements if now < each.validity.valid_until]
    kept, _ = newest(standing)
    found = [
        Ending(
            what=f"{each.kind} {each.subject.name}",
            key=each.sha256,
            ends_at=each.validity.valid_until,
            renew=f"countermark evidence new {each.kind}",
        )
        for each in kept
        if each.validity.valid_until <= soon
    ]
    if terms.approved_until is not None and now < terms.approved_until <= soon:
        found.append(
            Ending(
                what="the sides' approval of the bundle",
                key=f"{terms.bundle.digest} {terms.approved_until}",
                ends_at=terms.approved_until,
                renew="countermark policy approve",
            )
        )
    ends_at = terms.root.validity.valid_until
    if now < ends_at <= soon:
        found.append(
            Ending(
                what="the trust root", key=terms.root.digest, ends_at=ends_at, renew="countermark trust draft"
            )
        )
    return tuple(sorted(found, key=lambda each: (each.ends_at, each.key)))
