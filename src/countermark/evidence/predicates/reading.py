"""Which parser reads which predicate, and which subject name each predicate must bear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from countermark.errors import PayloadTypeError
from countermark.evidence.predicates.countersignature import parse_countersignature
from countermark.evidence.predicates.credential import Credential, parse_credential
from countermark.evidence.predicates.deployment import Deployment, parse_deployment
from countermark.evidence.predicates.engagement import Engagement, parse_engagement
from countermark.evidence.predicates.legal_basis import LegalBasis, parse_legal_basis
from countermark.evidence.predicates.oversight import Oversight, parse_oversight
from countermark.evidence.predicates.purpose import Purpose, parse_purpose
from countermark.evidence.predicates.status import parse_status

Parsed = Credential | Deployment | Purpose | LegalBasis | Engagement | Oversight
"""The predicates that say something about a workload, or that one may lean on."""

CONTEXT_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Parsed]]] = MappingProxyType(
    {
        "credential": parse_credential,
        "deployment": parse_deployment,
        "purpose": parse_purpose,
        "legal-basis": parse_legal_basis,
        "engagement": parse_engagement,
        "oversight": parse_oversight,
    }
)

PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = MappingProxyType(
    {**CONTEXT_PARSERS, "status": parse_status, "countersignature": parse_countersignature}
)


def parse_predicate(kind: str, predicate: Mapping[str, Any]) -> object:
    """Read a predicate of this part.

    Raises:
        PayloadTypeError: No predicate of this part has that name.
        MalformedError: It isn't what its schema says.
    """
    if kind not in PARSERS:
        raise PayloadTypeError(f"expected a predicate out of `{', '.join(PARSERS)}`, got `{kind[:40]}`")
    return PARSERS[kind](predicate)


def subject_name(parsed: Parsed) -> str:
    """The name that the statement's subject must bear, since the trust root's `subjects` patterns match names.

    Were the name free, a role that may speak about `northmark/office` only could write that name above a descriptor of
    another workload.
    """
    if isinstance(parsed, LegalBasis | Engagement):
        return f"{parsed.party}/{parsed.identity}" if parsed.party else parsed.identity
    return parsed.workload


def workloads_of(parsed: Parsed) -> tuple[str, ...]:
    """The workloads that a statement is about, or that may lean on it."""
    if isinstance(parsed, LegalBasis | Engagement):
        return parsed.workloads
    return (parsed.workload,)
