"""`purpose`: what a workload is for: models, operations on persons, classes of data, the legal basis that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from countermark.errors import MalformedError
from countermark.evidence.predicates.fields import (
    MODEL,
    PURPOSE,
    WORKLOAD,
    Common,
    Fields,
    read_common,
    read_descriptor,
)

OPERATIONS: Final = ("serve", "notify", "profile", "link", "score", "locate")
"""What is done to persons; an empty list says: nothing is."""
DATA_CLASSES: Final = ("no-persons", "consented", "public-record", "persons", "bulk-acquired")
"""From the most harmless to the least: where a purpose names several, the last one counts. A bundle may have classes of
its own; how bad those are isn't known here, so one of them stands alone."""
BASES_REQUIRED: Final = ("none", "consent", "order", "engagement")
MAX_MODELS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a workload may be used for.

    Attributes:
        workload: `party/name` that this is the purpose of.
        purpose: A value of the open enum of purposes (`office`, `locate-person`).
        models: Models that serve it, by the names that callers write.
        operations: What it does to persons, in the order of `OPERATIONS`.
        data_classes: What data it carries, most harmless first; at least one. Of a bundle's own classes, just one.
        persons_at_most: How many persons one request may be about.
        basis_required: The legal basis that each request needs.
    """

    common: Common
    workload: str
    purpose: str
    models: tuple[str, ...]
    operations: tuple[str, ...]
    data_classes: tuple[str, ...]
    persons_at_most: int
    basis_required: str


def _data_classes(fields: Fields) -> tuple[str, ...]:
    found = fields.texts("data_classes", PURPOSE, least=1, most=len(DATA_CLASSES))
    if len(found) > 1 and not set(found) <= set(DATA_CLASSES):
        own = next(item for item in found if item not in DATA_CLASSES)
        raise MalformedError(
            f"expected `purpose.data_classes` out of `{', '.join(DATA_CLASSES)}`, "
            f"or one class of the bundle's own alone, got `{own}` beside others"
        )
    return found if len(found) == 1 else tuple(item for item in DATA_CLASSES if item in found)


def parse_purpose(predicate: Mapping[str, object]) -> Purpose:
    """Read the predicate of a purpose statement.

    Raises:
        MalformedError: Not what `spec/predicates/purpose.schema.json` says, or operations on persons in data without
            persons; the message names the field.
    """
    fields = Fields(predicate, "purpose")
    workload, _ = read_descriptor(fields, key="workload", pattern=WORKLOAD)
    purpose = Purpose(
        common=read_common(fields),
        workload=workload,
        purpose=fields.text("purpose", PURPOSE),
        models=fields.texts("models", MODEL, least=1, most=MAX_MODELS),
        operations=fields.choices("operations", OPERATIONS, least=0),
        data_classes=_data_classes(fields),
        persons_at_most=fields.integer("persons_at_most"),
        basis_required=fields.choice("basis_required", BASES_REQUIRED),
    )
    fields.done()
    if purpose.operations and purpose.data_classes == ("no-persons",):
        raise MalformedError(
            "expected `purpose.operations` empty where `purpose.data_classes` is `no-persons` alone, "
            f"got `{', '.join(purpose.operations)}`"
        )
    return purpose
