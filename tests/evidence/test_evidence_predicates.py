"""Predicates: the schema in `spec/predicates/` and the parser accept the same documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from countermark.attestation.keys import PrivateKey
from countermark.errors import CountermarkError, KeyTypeError, MalformedError, PayloadTypeError, TooLargeError
from countermark.evidence.predicates.legal_basis import MAX_SELECTORS
from countermark.evidence.predicates.reading import PARSERS, parse_predicate

SPEC = Path(__file__).parents[2] / "spec" / "predicates"
KINDS = sorted(PARSERS)
HEX = "0123456789abcdef" * 4
COMMON: dict[str, Any] = {
    "seq": 1,
    "valid_from": "2026-05-01T00:00:00Z",
    "valid_until": "2026-06-01T00:00:00Z",
    "basis": "inspected",
    "interest": "none",
    "instrument": {"name": "directive D-7", "changed_by": ["northmark"]},
}
ED25519 = PrivateKey.from_seed(bytes(range(32))).public.to_dict()
ECDSA = PrivateKey.from_seed(bytes(range(32)), "ecdsa").public.to_dict()
WORKLOAD: dict[str, Any] = {"workload": "northmark/office"}
SOUND: dict[str, list[dict[str, Any]]] = {
    "credential": [
        {
            "descriptor": {"credential": "office-1"},
            "workload": "northmark/office",
            "kind": kind,
            name: value,
            "holders": ["eva", "fay"],
            "may_explain": True,
        }
        for kind, name, value in (
            ("api-key", "sha256", HEX),
            ("key", "public", ED25519),
            ("key", "public", ECDSA),
        )
    ],
    "deployment": [
        {
            "descriptor": WORKLOAD,
            "system": "assistant",
            "operator": "brightwater",
            "environment": "production",
            "site": "actuating",
            "tools": {"search": {"effects": []}, "actuate": {"effects": ["actuate", "decide"]}},
            "answer_effects": ["communicate"],
        }
    ],
    "purpose": [
        {
            "descriptor": WORKLOAD,
            "purpose": "locate-person",
            "models": ["m-1", "m-2"],
            "operations": ["locate", "link"],
            "data_classes": ["persons", "no-persons"],
            "persons_at_most": 25,
            "basis_required": "order",
        },
        {
            "descriptor": WORKLOAD,
            "purpose": "office",
            "models": ["m-1"],
            "operations": [],
            "data_classes": ["no-persons"],
            "persons_at_most": 0,
            "basis_required": "none",
        },
        {
            "descriptor": WORKLOAD,
            "purpose": "survey",
            "models": ["m-1"],
            "operations": ["profile"],
            "data_classes": ["synthetic"],
            "persons_at_most": 100,
            "basis_required": "none",
        },
    ],
    "legal-basis": [
        {
            "descriptor": {"order": "17/3", "party": "northmark"},
            "type": "order",
            "workloads": ["northmark/office"],
            "selectors": {"key_id": "k1", "hmac_sha256": [HEX, HEX[::-1]]},
            "may_derive": ["locate"],
        },
        {
            "descriptor": {"consent": "recall-4"},
            "type": "consent",
            "workloads": ["northmark/office", "northmark/recall"],
            "may_derive": ["notify"],
            "data_set": "recall-4",
        },
    ],
    "engagement": [
        {
            "descriptor": {"engagement": "E-9"},
            "workloads": ["northmark/office"],
            "ranges": ["10.4.0.0/16", "2001:db8::/32"],
            "names": ["*.lab.example", "lab.example"],
        }
    ],
    "oversight": [{"descriptor": WORKLOAD, "review": "before-effect", "decides": "reviewer"}],
    "status": [{"descriptor": {"statement": HEX}, "status": "good"}],
    "countersignature": [{"descriptor": {"statement": HEX}}],
}
# Texts that sit on some border, and sound values of other fields.
TEXTS = ["", " ", "a", "A", "a/b", "a/b/c", "unknown", "conflict", "conflicted", "office", "none", "order"]
TEXTS += ["northmark/office", "Northmark/office", "northmark/office ", "northmark/office\n", "m/1:2@3"]
TEXTS += [
    "consent",
    "key",
    "api-key",
    "no-persons",
    "serve",
    "decide",
    "good",
    HEX,
    HEX.upper(),
    HEX + "0",
    HEX[1:],
]
TEXTS += ["2026-05-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-05-01t00:00:00Z", "2026-05-01T00:00:00+00:00"]
TEXTS += ["10.4.0.0/16", "*.lab.example", "*.example", "lab..example", "\u00e9", "tab\there", "del\x7f"]
TEXTS += ["x" * length for length in (64, 65, 128, 129, 200, 201)]
VALUES = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=5),
    st.sampled_from([None, True, False, -1, 0, 1, 2**53 - 1, 2**53, 0.5]),
    st.builds(list),
    st.builds(dict),
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3),
)
CHANGES = st.sampled_from(["replace", "delete", "add", "append", "repeat", "empty"])


def _ecma_pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    # JSON Schema's `$` is that of ECMA 262; Python's would let a line break pass at the end
    if isinstance(instance, str) and not re.search(re.sub(r"\$(?=$|\))", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


Validator = extend(Draft202012Validator, {"pattern": _ecma_pattern})


def schema(kind: str) -> dict[str, Any]:
    """The schema of a predicate."""
    loaded: dict[str, Any] = json.loads((SPEC / f"{kind}.schema.json").read_text())
    return loaded


VALIDATORS = {kind: Validator(schema(kind)) for kind in KINDS}


def parses(kind: str, document: dict[str, Any]) -> bool:
    """Whether the parser accepts; any other exception than ours fails the test."""
    try:
        parse_predicate(kind, document)
    except CountermarkError:
        return False
    return True


def _beyond_schema(kind: str, document: dict[str, Any]) -> bool:
    """What a JSON Schema can't say: whether times exist and follow each other, points of curves, networks, parties."""
    times = [str(document.get(name)) for name in ("valid_from", "valid_until")]
    if times[0] >= times[1] or "2026-02-30T00:00:00Z" in times:
        return True
    if kind == "credential" and document.get("kind") == "key":
        return True
    if kind == "engagement":
        return any(item not in ("10.4.0.0/16", "2001:db8::/32") for item in document.get("ranges", ()))
    if kind == "legal-basis" and "party" in document.get("descriptor", {}):
        party = document["descriptor"]["party"]
        return not all(str(item).startswith(f"{party}/") for item in document.get("workloads", ()))
    return False


def _places(value: Any) -> Iterator[Callable[[], tuple[Any, Any]]]:
    """Each (container, key or index) in a document, outermost first."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    for key in keys:
        yield lambda key=key: (value, key)  # type: ignore[misc]
        yield from _places(value[key])


@st.composite
def changed(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """A sound document of the predicate after up to two changes, which may break it or not."""
    document = deepcopy(COMMON | draw(st.sampled_from(SOUND[kind])))
    for _ in range(draw(st.integers(0, 2))):
        places = list(_places(document))
        if not places:
            break
        container, key = draw(st.sampled_from(places))()
        change = draw(CHANGES)
        inner = container[key]
        if change == "replace":
            container[key] = draw(VALUES)
        elif change == "delete":
            del container[key]
        elif change == "add" and isinstance(container, dict):
            container[
                draw(
                    st.sampled_from(
                        ["extra", "sha256", "public", "data_set", "selectors", "party", "instrument"]
                    )
                )
            ] = draw(VALUES)
        elif change == "append" and isinstance(inner, list):
            inner.append(draw(VALUES))
        elif change == "repeat" and isinstance(inner, list) and inner:
            inner.append(deepcopy(inner[0]))
        elif change == "empty" and isinstance(inner, list | dict):
            inner.clear()
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one(kind: str) -> None:
    """Each predicate of this part has a sound JSON Schema 2020-12 whose `$id` is its predicate type."""
    Draft202012Validator.check_schema(schema(kind))
    assert schema(kind)["$id"] == f"urn:countermark:{kind}:v1"
    assert schema(kind)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_shared_definitions_are_the_same_everywhere() -> None:
    """`$defs` and common fields that several schemas have read the same in each."""
    known: dict[str, Any] = {}
    for kind in KINDS:
        for name, definition in (
            schema(kind)["$defs"] | {f"field {name}": schema(kind)["properties"][name] for name in COMMON}
        ).items():
            assert known.setdefault(name, definition) == definition, f"{name} in {kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_schema_and_parser_accept_what_is_sound(kind: str) -> None:
    """The examples that the generated documents start from are accepted by both."""
    for example in SOUND[kind]:
        VALIDATORS[kind].validate(COMMON | example)
        parse_predicate(kind, COMMON | example)


@pytest.mark.parametrize("kind", KINDS)
def test_schema_and_parser_agree(kind: str) -> None:
    """Any document is accepted by schema and parser, or refused by both, but for what a schema can't express."""
    outcomes = {True: 0, False: 0}

    @given(changed(kind))
    def agree(document: dict[str, Any]) -> None:
        valid, parsed = VALIDATORS[kind].is_valid(document), parses(kind, document)
        outcomes[parsed] += 1
        if parsed:
            VALIDATORS[kind].validate(document)
        elif valid:
            assert _beyond_schema(kind, document), document

    agree()
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_can_be_left_out_or_added(kind: str) -> None:
    """Without any one required field, and with any unknown one at any depth, a predicate is refused, by name."""
    for example in SOUND[kind]:
        document = COMMON | deepcopy(example)
        for field in schema(kind)["required"]:
            without = {name: value for name, value in document.items() if name != field}
            with pytest.raises(MalformedError, match=field):
                parse_predicate(kind, without)
        with pytest.raises(MalformedError, match="surplus"):
            parse_predicate(kind, document | {"surplus": 1})
        with pytest.raises(MalformedError, match=r"descriptor\.surplus"):
            parse_predicate(kind, document | {"descriptor": {**document["descriptor"], "surplus": 1}})


REFUSED: dict[str, tuple[str, int, dict[str, Any], str]] = {
    "operations on persons in data without persons": ("purpose", 1, {"operations": ["profile"]}, "operations"),
    "a purpose that calls itself unknown": ("purpose", 0, {"purpose": "unknown"}, "purpose.purpose"),
    "a purpose that calls itself a conflict": ("purpose", 0, {"purpose": "conflict"}, "purpose.purpose"),
    "a number that only some readers keep exact": ("purpose", 0, {"persons_at_most": 2**53}, "persons_at_most"),
    "true as a number": ("purpose", 0, {"persons_at_most": True}, "persons_at_most"),
    "a class of data of the bundle's own beside a known one": (
        "purpose", 0, {"data_classes": ["synthetic", "bulk-acquired"]}, "synthetic",
    ),
    "a class of data that calls itself unknown": ("purpose", 0, {"data_classes": ["unknown"]}, "data_classes"),
    "an order without persons": ("legal-basis", 0, {"selectors": {"key_id": "k1", "hmac_sha256": []}}, "hmac_sha256"),
    "an order about a data set": ("legal-basis", 0, {"data_set": "x"}, "data_set"),
    "an order for a foreign workload": ("legal-basis", 0, {"workloads": ["halden/office"]}, "workloads"),
    "a consent called an order": ("legal-basis", 1, {"descriptor": {"order": "1"}}, "descriptor.consent"),
    "a range with host bits": ("engagement", 0, {"ranges": ["10.4.0.1/16"]}, "ranges"),
    "a range in a second spelling": ("engagement", 0, {"ranges": ["2001:db8:0::/32"]}, "ranges"),
    "a range as wide as a registry": ("engagement", 0, {"ranges": ["0.0.0.0/0"]}, "/8 or narrower"),
    "a range of IPv6 as wide as a registry": ("engagement", 0, {"ranges": ["2000::/3"]}, "/16 or narrower"),
    "a top-level domain as a zone": ("engagement", 0, {"names": ["*.example"]}, "names"),
    "an engagement over nothing": ("engagement", 0, {"ranges": [], "names": []}, "ranges"),
    "a time that doesn't exist": ("status", 0, {"valid_from": "2026-02-30T00:00:00Z"}, "valid_from"),
    "an end before the beginning": ("status", 0, {"valid_until": "2026-04-01T00:00:00Z"}, "valid_until"),
    "a status other than good": ("status", 0, {"status": "revoked"}, "status.status"),
    "a credential with a secret of the other kind": ("credential", 0, {"public": ED25519}, "public"),
    "a credential that nobody holds": ("credential", 0, {"holders": []}, "holders"),
    "a key that is no point of the curve": (
        "credential", 1, {"public": {**ED25519, "keyval": {"public": "02" + "00" * 31}}}, "credential.public",
    ),
    "an effect that nobody knows": ("deployment", 0, {"answer_effects": ["charm"]}, "answer_effects"),
    "a tool without effects": ("deployment", 0, {"tools": {"search": {}}}, "tools.search.effects"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What would mean nothing, or two things, is refused with an error that names the field."""
    kind, example, change, named = REFUSED[case]
    with pytest.raises(MalformedError, match=re.escape(named)):
        parse_predicate(kind, COMMON | SOUND[kind][example] | change)


def test_oversight_names_its_instrument() -> None:
    """A statement about humans in the loop that no rule stands behind is refused."""
    document = {name: value for name, value in COMMON.items() if name != "instrument"} | SOUND["oversight"][0]
    with pytest.raises(MalformedError, match="instrument"):
        parse_predicate("oversight", document)


def test_limits() -> None:
    """Lists over their limit are too large, and named as such."""
    many = [f"{number:064x}" for number in range(MAX_SELECTORS + 1)]
    document = COMMON | SOUND["legal-basis"][0] | {"selectors": {"key_id": "k1", "hmac_sha256": many}}
    with pytest.raises(TooLargeError, match="hmac_sha256"):
        parse_predicate("legal-basis", document)
    tools = {f"t{number}": {"effects": []} for number in range(1025)}
    with pytest.raises(TooLargeError, match="tools"):
        parse_predicate("deployment", COMMON | SOUND["deployment"][0] | {"tools": tools})


def test_unknown_kinds_and_key_types_have_their_own_errors() -> None:
    """A predicate of another part and a key of another type are refused with their own types."""
    with pytest.raises(PayloadTypeError, match="approval"):
        parse_predicate("approval", {})
    rsa = {"keytype": "rsa", "scheme": "rsa-pkcs1v15-sha256", "keyval": {"public": "x"}}
    with pytest.raises(KeyTypeError, match="rsa"):
        parse_predicate("credential", COMMON | SOUND["credential"][1] | {"public": rsa})


def test_lists_of_words_are_ordered_by_the_enum() -> None:
    """Two statements that list the same words in another order say the same."""
    first, second = (
        SOUND["purpose"][0],
        SOUND["purpose"][0] | {"data_classes": ["no-persons", "persons"], "operations": ["link", "locate"]},
    )
    assert parse_predicate("purpose", COMMON | first) == parse_predicate("purpose", COMMON | second)
