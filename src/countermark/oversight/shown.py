"""The facts that a hold shows to those who sign, and their digest, which an approval names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from countermark.attestation.canonical import canonical_json
from countermark.clock import format_time, parse_time
from countermark.errors import MalformedError
from countermark.facts import LEVELS_BY_WORD, AppraisedFact, FactValue, Level, Support


def facts_digest(values: Mapping[str, FactValue]) -> str:
    """SHA-256 of the canonical JSON of `view.name -> value`, 64 hex digits.

    The values are those that the bundle's clauses can read, without the counts of approvals. An approval holds only
    while this digest is the same. Numbers over 2^53 (`MOST`, the unknown value of an upper limit) are written as
    text, since canonical JSON has no form for them.
    """
    written = {
        name: str(value) if isinstance(value, int) and abs(value) >= 2**53 else value
        for name, value in values.items()
    }
    return hashlib.sha256(canonical_json(written)).hexdigest()


def fact_to_dict(fact: AppraisedFact) -> dict[str, Any]:
    """Write an appraised fact as JSON values."""
    return {
        "name": fact.name,
        "values": {level.word: value for level, value in fact.values.items()},
        "support": [
            {
                "level": each.level.word,
                "value": each.value,
                "statement": each.statement,
                "statement_level": each.statement_level.word,
                "tie": each.tie,
                "tie_level": each.tie_level.word,
                "signers": list(each.signers),
                "valid_until": None if each.valid_until is None else format_time(each.valid_until),
            }
            for each in fact.support
        ],
    }


def fact_from_dict(value: Mapping[str, Any]) -> AppraisedFact:
    """Read what `fact_to_dict` wrote.

    Raises:
        MalformedError: Another form.
    """
    try:
        return AppraisedFact(
            name=_text(value["name"]),
            values={_level(word): _fact_value(each) for word, each in value["values"].items()},
            support=tuple(
                Support(
                    level=_level(each["level"]),
                    value=_fact_value(each["value"]),
                    statement=None if each["statement"] is None else _text(each["statement"]),
                    statement_level=_level(each["statement_level"]),
                    tie=_text(each["tie"]),
                    tie_level=_level(each["tie_level"]),
                    signers=tuple(_text(signer) for signer in each["signers"]),
                    valid_until=None if each["valid_until"] is None else parse_time(each["valid_until"]),
                )
                for each in value["support"]
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"expected an appraised fact, got another form ({error!r:.80})") from error


def values_from_dict(value: Any) -> dict[str, FactValue]:
    """Read `view.name -> value`.

    Raises:
        MalformedError: Another form.
    """
    if not isinstance(value, Mapping):
        raise MalformedError("expected an object of fact values")
    return {_text(name): _fact_value(each) for name, each in value.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"expected text, got {type(value).__name__}")
    return value


def _fact_value(value: Any) -> FactValue:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise MalformedError(f"expected a fact's value, text or whole number, got {type(value).__name__}")
    return value


def _level(word: Any) -> Level:
    level = LEVELS_BY_WORD.get(_text(word))
    if level is None:
        raise MalformedError(f"expected an assurance level, got `{word[:40]}`")
    return level
