"""What a statement says, in words: the text that a person reads before they sign or vouch for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from countermark.attestation.statement import Statement
from countermark.clock import format_time
from countermark.errors import CountermarkError
from countermark.evidence.predicates.credential import Credential
from countermark.evidence.predicates.deployment import Deployment
from countermark.evidence.predicates.engagement import Engagement
from countermark.evidence.predicates.legal_basis import LegalBasis
from countermark.evidence.predicates.oversight import Oversight
from countermark.evidence.predicates.purpose import Purpose
from countermark.evidence.predicates.reading import Parsed, parse_predicate, subject_name
from countermark.evidence.predicates.status import Status
from countermark.oversight.words import plain

BASIS_WORDS = {
    "word": "somebody told them",
    "document-seen": "they saw the document",
    "system-queried": "they asked the system",
    "inspected": "they looked at the thing itself",
    "measured": "they measured it",
}
INTEREST_WORDS = {"party": "is party to the deal", "none": "is not party to the deal"}

_EFFECT_WORDS = {
    "actuate": "a physical effect",
    "decide": "a decision about a person",
    "communicate": "a message to somebody outside",
    "spend": "spending money",
}
_OPERATION_WORDS = {
    "serve": "serves them",
    "notify": "notifies them",
    "profile": "profiles them",
    "link": "links data about them",
    "score": "scores them",
    "locate": "locates them",
}


def _list(items: Iterable[str], nothing: str) -> str:
    return ", ".join(plain(item) for item in items) or nothing


def _effects(effects: Sequence[str], nothing: str) -> str:
    return _list((_EFFECT_WORDS[effect] for effect in effects), nothing)


def _credential(value: Credential) -> list[str]:
    if value.public is not None:
        what = f"the key {value.public.keyid[:16]} (each request is signed with it)"
    else:
        what = f"the API key whose SHA-256 is {str(value.sha256)[:16]}..."
    return [
        f"whoever presents {what} is {plain(value.workload)}",
        f"credential {plain(value.name)}; a newer one of this name takes its place",
        f"held by {_list(value.holders, 'nobody')}, who therefore never approve what is asked with it",
        f"they {'may' if value.may_explain else 'may not'} see which evidence is missing",
    ]


def _deployment(value: Deployment) -> list[str]:
    tools = [
        f"tool {plain(name)}: sets off {_effects(effects, 'nothing')}"
        for name, effects in value.tools.items()
    ]
    return [
        f"{plain(value.workload)} is the system `{plain(value.system)}`, operated by {plain(value.operator)}",
        f"environment {value.environment}, site {value.site}",
        *(tools or ["it has no tools: none may be called"]),
        f"acting on its plain answer, with nobody between, sets off {_effects(value.answer_effects, 'nothing')}",
    ]


def _purpose(value: Purpose) -> list[str]:
    done = "nothing is done to persons"
    if value.operations:
        done = "to persons: " + _list((_OPERATION_WORDS[each] for each in value.operations), "")
    return [
        f"{plain(value.workload)} is for `{plain(value.purpose)}`, with {_list(value.models, 'no model')}",
        f"{done}; at most {value.persons_at_most} persons in one request",
        f"its data: {_list(value.data_classes, 'none')}",
        "each request needs no legal basis of its own"
        if value.basis_required == "none"
        else f"each request needs a legal basis: {value.basis_required}",
    ]


def _legal_basis(value: LegalBasis) -> list[str]:
    about = (
        f"{len(value.selectors)} persons or accounts, by digests under the key {plain(value.key_id)}"
        if value.type == "order"
        else f"the data set `{plain(value.data_set)}`"
    )
    return [
        f"{value.type} {plain(value.identity)}"
        + (f" of {plain(value.party)}" if value.party else "")
        + f" covers {about}",
        f"{_list(value.workloads, 'nobody')} may lean on it, to {_list(value.may_derive, 'nothing')}",
    ]


def _engagement(value: Engagement) -> list[str]:
    where = [*(str(each) for each in value.ranges), *value.names]
    return [
        f"engagement {plain(value.identity)}: security testing of {_list(where, 'nothing')} is authorised",
        f"{_list(value.workloads, 'nobody')} may lean on it",
    ]


def _oversight(value: Oversight) -> list[str]:
    return [
        f"{plain(value.workload)}: a person looks: {value.review}; who decides: {value.decides}",
        f"because of {plain(value.common.instrument)}, which {_list(value.common.changed_by, 'nobody')} can change, each alone",
    ]


def sentences(statement: Statement) -> list[str]:
    """What the statement's content says, one sentence a line.

    Raises:
        MalformedError: It is not what its predicate's schema says; PayloadTypeError: no predicate of evidence.
    """
    parsed = parse_predicate(statement.predicate_type, statement.predicate)
    if isinstance(parsed, Credential):
        return _credential(parsed)
    if isinstance(parsed, Deployment):
        return _deployment(parsed)
    if isinstance(parsed, Purpose):
        return _purpose(parsed)
    if isinstance(parsed, LegalBasis):
        return _legal_basis(parsed)
    if isinstance(parsed, Engagement):
        return _engagement(parsed)
    if isinstance(parsed, Oversight):
        return _oversight(parsed)
    if isinstance(parsed, Status):
        return [f"the statement {parsed.statement} still holds"]
    return [f"vouches for the statement {plain(str(statement.descriptor.get('statement')))}"]


def misnamed(statement: Statement) -> str | None:
    """Why the subject's name isn't that of what the statement is about, or None."""
    try:
        parsed = parse_predicate(statement.predicate_type, statement.predicate)
    except CountermarkError as error:
        return str(error)
    if not isinstance(parsed, Parsed):
        return None
    expected = subject_name(parsed)
    return None if expected == statement.subject.name else f"expected the subject name `{expected}`"


def words(statement: Statement, *, now: datetime | None = None) -> str:
    """A whole statement in words: what it says, how its maker knows, until when."""
    instrument = statement.instrument
    leans = (
        [
            f"  leans on    {plain(instrument.name)}, which {_list(instrument.changed_by, 'nobody')} can change alone"
        ]
        if instrument is not None and statement.predicate_type != "oversight"
        else []
    )
    end = format_time(statement.validity.valid_until)
    if now is not None:
        days = (statement.validity.valid_until - now).total_seconds() / 86400
        end += f" ({days:.0f} days)" if days >= 1 else f" ({days * 24:.0f} hours)"
    return "\n".join(
        [
            f"{statement.predicate_type} about {plain(statement.subject.name)}",
            *(f"  {line}" for line in sentences(statement)),
            *leans,
            f"  knows it    because {BASIS_WORDS[statement.basis]} ({statement.basis})",
            f"  interest    {INTEREST_WORDS[statement.interest]}",
            f"  holds       from {format_time(statement.validity.valid_from)} until {end}",
            f"  number      {statement.seq} (a higher one of the same makers takes its place)",
        ]
    )
