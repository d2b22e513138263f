"""`oversight`: how humans stand in the loop of a workload, and which instrument says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from countermark.evidence.predicates.fields import WORKLOAD, Common, Fields, read_common, read_descriptor

REVIEWS: Final = ("none", "after-effect", "before-effect")
DECIDERS: Final = ("nobody", "operator", "reviewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """Where people stand; `common.instrument` names the rule that says so, and `common.changed_by` who can change it.

    Attributes:
        workload: `party/name` that this is the oversight of.
        review: When a person looks.
        decides: Who takes the decision that has the effect.
    """

    common: Common
    workload: str
    review: str
    decides: str


def parse_oversight(predicate: Mapping[str, object]) -> Oversight:
    """Read the predicate of an oversight statement.

    Raises:
        MalformedError: Not what `spec/predicates/oversight.schema.json` says (the instrument is required here); the
            message names the field.
    """
    fields = Fields(predicate, "oversight")
    workload, _ = read_descriptor(fields, key="workload", pattern=WORKLOAD)
    oversight = Oversight(
        common=read_common(fields, instrument_required=True),
        workload=workload,
        review=fields.choice("review", REVIEWS),
        decides=fields.choice("decides", DECIDERS),
    )
    fields.done()
    return oversight
