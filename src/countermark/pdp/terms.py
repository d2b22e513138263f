"""The terms in force at a gateway: trust root, bundle, and whether every side's quorum stands behind it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from countermark.attestation.trust_root import TrustRoot
from countermark.facts import LEVELS_BY_WORD, FactValue, Level
from countermark.pdp.decide import DecisionMemo
from countermark.policy.bundle import Bundle
from countermark.policy.evaluate import Evaluator


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One `view.name` that the bundle's clauses read, taken apart once; `level` is None for a signal."""

    path: str
    level: Level | None
    name: str
    unknown: FactValue


def views_of(bundle: Bundle) -> tuple[View, ...]:
    """The views that a bundle's clauses read, with the value where nothing is known, sorted."""
    made = []
    for path in sorted(bundle.views_read):
        word, _, name = path.partition(".")
        made.append(
            View(
                path=path, level=LEVELS_BY_WORD.get(word), name=name, unknown=bundle.facts.unknown_value(name)
            )
        )
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What decides, fixed for as long as neither the trust root nor the bundle changes.

    Attributes:
        gateway: This gateway's name in the trust root.
        views: What the bundle's clauses read: gathering fills exactly these.
        runner_level: What this gateway's own sight counts as.
        approved_until: When the sides' approval of the bundle ends; every decision after it is DENY.
        not_in_force: Why the bundle is not in force, in words; every decision is DENY then. None where it is.
        approval: The file by which the sides approved the bundle, as it was read.
    """

    root: TrustRoot
    bundle: Bundle
    evaluator: Evaluator
    memo: DecisionMemo
    views: tuple[View, ...]
    gateway: str
    runner_level: Level
    approved_until: datetime | None
    not_in_force: str | None
    approval: bytes = b""

    @property
    def approval_sha256(self) -> str:
        """Digest of that file: its name in the archive."""
        return hashlib.sha256(self.approval).hexdigest()

    def why_not(self, now: datetime) -> str | None:
        """Why nothing may be permitted at `now`, or None."""
        if self.not_in_force is not None:
            return self.not_in_force
        if self.approved_until is not None and now >= self.approved_until:
            return "the sides' approval of the bundle has expired"
        if now >= self.root.validity.valid_until:
            return "the trust root has expired"
        return None


def make_terms(
    root: TrustRoot,
    bundle: Bundle,
    *,
    gateway: str,
    approved_until: datetime | None,
    not_in_force: str | None = None,
    approval: bytes = b"",
) -> Terms:
    """Put a bundle to work under a trust root."""
    evaluator = Evaluator(bundle)
    return Terms(
        root=root,
        bundle=bundle,
        evaluator=evaluator,
        memo=DecisionMemo(bundle, evaluator),
        views=views_of(bundle),
        gateway=gateway,
        runner_level=root.runner_level(gateway),
        approved_until=approved_until,
        not_in_force=not_in_force,
        approval=approval,
    )
