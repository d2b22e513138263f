"""The charter that `trust draft` writes where there is none yet: an example to fill in, or what is in force now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from countermark.attestation.trust_root import TrustRoot
from countermark.cli.charter_file import CONTEXT
from countermark.cli.key_files import PUBLIC_ENDING, encode_public
from countermark.cli.own_bundle import commander, duty_officer, reviewer, role_stem
from countermark.cli.signing import write_new
from countermark.cli.working_folder import EVIDENCE
from countermark.policy.bundle import Bundle

PUBLIC_FOLDER: Final = "public"
"""Beside the charter: public halves of keys that are in force already."""

_HEAD: Final = """\
# The charter: who may say what, with which keys, and whose word counts beside whose. Every side signs what is drafted
# from it, and a change needs the old sides and the new ones. Fill it in together, then:
#
#   countermark trust draft --charter {file}            drafts the trust root
#   countermark trust show trust-root.draft.json        says it in words
#   countermark trust sign trust-root.draft.json --key SIDE.pem
#
# Keys are files of public keys beside this file (`countermark keys new NAME --out NAME.pem` writes NAME.pub.json).
"""
_COMMENTS: Final[Mapping[str, str]] = {
    "name": "Of this trust root, for ever.",
    "version": "Rises with each change.",
    "valid_days": "Then every side signs anew.",
    "observers": "Runners whose gateways' sight (who asks, what is in a request) every side accepts. With none, nothing\n"
    "# gets past clauses that ask for countersigned facts: what ties a statement to a request would be one party's word.",
    "upstream_key_held_by": "Who holds the key of the model's server, and so can go round any gateway",
    "upstream_checks_permit": "... unless that server checks for permits (docs/how-to/protect-the-upstream.md).",
    "parties": "Organisations, each with a title.",
    "sides": "Parties without whose signatures neither this nor a bundle is in force. threshold: how many of the keys.",
    "persons": "People, each with keys of their own.",
    "roles": 'Belong to one party. makes: what its people may state, about what; `until = "2027-12-31T00:00:00Z"` ends it.',
    "counterparts": "Whose countersignature makes a statement `countersigned`: only parties of opposed interests.",
    "status_required": "Statements that need a fresh `status: good` of those who made them, not older than this many seconds.",
    "gateways": "Gateways, the parties that run them, and their keys.",
    "bundle": "The bundle to start from, with these names put in: who uses the model, and whose people look on.",
}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_value(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping) for item in value):
            return "[\n" + "".join(f"  {_value(item)},\n" for item in value) + "]"
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _lines(record: Mapping[str, Any]) -> Iterable[str]:
    return (f"{name} = {_value(value)}" for name, value in record.items())


def charter_text(document: Mapping[str, Any], *, file: str) -> str:
    """Write a charter as commented TOML; `read_charter_file` reads it back as the same document."""
    plain = ("name", "version", "valid_days", "observers", "upstream_key_held_by", "upstream_checks_permit")
    parts = [_HEAD.format(file=file)]
    parts += [f"# {_COMMENTS[field]}\n{field} = {_value(document[field])}\n" for field in plain]
    for field in ("parties", "bundle"):
        if field in document:
            parts.append("\n".join([f"# {_COMMENTS[field]}", f"[{field}]", *_lines(document[field])]) + "\n")
    for field in ("sides", "persons", "roles", "gateways"):
        tables = [
            "\n".join([f"[{field}.{name}]", *_lines(record)]) + "\n"
            for name, record in document.get(field, {}).items()
        ]
        parts.append(f"# {_COMMENTS[field]}\n" + "\n".join(tables))
    for field in ("counterparts", "status_required"):
        records = ["\n".join([f"[[{field}]]", *_lines(record)]) + "\n" for record in document.get(field, [])]
        if records:
            parts.append(f"# {_COMMENTS[field]}\n" + "\n".join(records))
    return "\n".join(parts)


def _grouped(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records that differ in their predicate only, as one with a list of predicates."""
    made: list[dict[str, Any]] = []
    for record in records:
        rest = {name: value for name, value in record.items() if name != "predicate"}
        same = next((m for m in made if {n: v for n, v in m.items() if n != "predicates"} == rest), None)
        if same is not None:
            same["predicates"].append(record["predicate"])
        else:
            made.append({"predicates": [record["predicate"]], **rest})
    return made


def key_names(root: TrustRoot) -> dict[str, str]:
    """A name for each key of a trust root: the person's, side's or gateway's, counted where there are several."""
    names: dict[str, str] = {}
    for gateway in root.gateways.values():
        names.setdefault(gateway.key.keyid, gateway.name)
    for person in root.persons.values():
        for number, key in enumerate(person.keys, start=1):
            names.setdefault(key.keyid, person.name if number == 1 else f"{person.name}-{number}")
    for side in root.sides.values():
        for number, key in enumerate(side.keys, start=1):
            names.setdefault(
                key.keyid, f"{side.party}-side" if number == 1 else f"{side.party}-side-{number}"
            )
    for keyid in root.keys:
        names.setdefault(keyid, f"unused-{keyid[:8]}")
    return names


def write_public_keys(root: TrustRoot, folder: Path) -> dict[str, str]:
    """Write the keys of a trust root where a charter in `folder` can name them; returns id to file name."""
    target = folder / PUBLIC_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for keyid, name in key_names(root).items():
        path = target / f"{name}{PUBLIC_ENDING}"
        data = encode_public(name, root.keys[keyid])
        if not path.exists() or path.read_bytes() != data:
            write_new(path, data)
        files[keyid] = f"{PUBLIC_FOLDER}/{path.name}"
    return files


def document_of_root(root: TrustRoot, files: Mapping[str, str]) -> dict[str, Any]:
    """The charter of the trust root in force, as the next version.

    Args:
        files: Key id to the file that the charter names.
    """
    content = root.statement.content
    return {
        "name": root.name,
        "version": root.version + 1,
        "valid_days": (root.validity.valid_until - root.validity.valid_from).days,
        "observers": content["observers"],
        "upstream_key_held_by": content["upstream_key_held_by"],
        "upstream_checks_permit": content["upstream_checks_permit"],
        "parties": {name: item["title"] for name, item in content["parties"].items()},
        "sides": {
            name: {**item, "keys": [files[keyid] for keyid in item["keys"]]}
            for name, item in content["sides"].items()
        },
        "persons": {
            name: {**item, "keys": [files[keyid] for keyid in item["keys"]]}
            for name, item in content["persons"].items()
        },
        "roles": {
            name: {**item, "makes": _grouped(item["makes"])} for name, item in content["roles"].items()
        },
        "gateways": {name: {**item, "key": files[item["key"]]} for name, item in content["gateways"].items()},
        "counterparts": _grouped(content["counterparts"]),
        "status_required": content["status_required"],
    }


def routing_of(bundle: Bundle) -> dict[str, Any]:
    """Where a bundle sends its models, for the charter of its successor."""
    upstream = bundle.upstreams[next(iter(bundle.routes.values())).upstream]
    models = [route.model for route in bundle.routes.values() if route.upstream == upstream.name]
    return {"upstream": upstream.url, "models": models, "apis": list(upstream.api)}


def invite(
    document: Mapping[str, Any], *, party: str, persons: Sequence[str], routing: Mapping[str, Any]
) -> dict[str, Any]:
    """The same charter with another side: its keys, its people, and what they look at.

    Args:
        persons: People of the new side; each may countersign and look at held requests.
    """
    made = deepcopy(dict(document))
    user = next(iter(made["sides"]))
    subjects = [f"{user}/*"]
    made["parties"].setdefault(party, party.capitalize())
    made["sides"][party] = {"threshold": 1, "keys": [f"{party}-side{PUBLIC_ENDING}"]}
    for person in persons:
        title = f"vouches for {party.capitalize()}"
        made["persons"][person] = {"party": party, "title": title, "keys": [f"{person}{PUBLIC_ENDING}"]}
    looks = {"party": party, "persons": list(persons), "threshold": 1}
    made["roles"][reviewer(party)] = {**looks, "makes": [{"predicates": ["approval"], "subjects": subjects}]}
    made["roles"][f"{role_stem(party)}_policy"] = {
        **looks,
        "makes": [{"predicates": ["countersignature"], "subjects": subjects}],
    }
    made["counterparts"].append(
        {"party": user, "predicates": list(CONTEXT), "subjects": subjects, "counterparts": [party]}
    )
    made["bundle"] = {"from": "red-lines", "user": user, "other": party, **routing}
    return made


def example_document() -> dict[str, Any]:
    """Three fictional organisations: who uses the model, who provides it, and who runs the gateway between them."""
    subjects = ["northmark/*"]
    alone: dict[str, Any] = {
        "name": "office-pilot",
        "version": 1,
        "valid_days": 365,
        "observers": ["brightwater"],
        "upstream_key_held_by": ["brightwater"],
        "upstream_checks_permit": False,
        "parties": {
            "northmark": "Northmark, agency that uses the model",
            "halden": "Halden, provider of the model",
            "brightwater": "Brightwater, integrator",
        },
        "sides": {"northmark": {"threshold": 1, "keys": [f"northmark-side{PUBLIC_ENDING}"]}},
        "persons": {
            name: {"party": "northmark", "title": title, "keys": [f"{name}{PUBLIC_ENDING}"]}
            for name, title in (("ben", "duty officer"), ("cem", "commander"), ("dua", "keeps the records"))
        },
        "roles": {
            f"{role_stem('northmark')}_records": {
                "party": "northmark",
                "persons": ["dua"],
                "threshold": 1,
                "makes": [{"predicates": list(EVIDENCE), "subjects": subjects}],
            },
            **{
                role: {
                    "party": "northmark",
                    "persons": [person],
                    "threshold": 1,
                    "makes": [{"predicates": ["approval"], "subjects": subjects}],
                }
                for role, person in ((duty_officer("northmark"), "ben"), (commander("northmark"), "cem"))
            },
        },
        "gateways": {"gw-1": {"runner": "brightwater", "key": f"gateway{PUBLIC_ENDING}"}},
        "counterparts": [],
        "status_required": [],
    }
    routing = {"upstream": "http://127.0.0.1:8787", "models": ["m-1"], "apis": ["openai", "anthropic"]}
    return invite(alone, party="halden", persons=["ada", "abe"], routing=routing)
