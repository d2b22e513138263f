"""The pack itself: one file with a signed manifest, the cases and the attacker's script (spec/assay-pack.md).

The manifest carries a digest of every file beside it, and the salted digest of the truth, which isn't.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from countermark.assay.pack.cases import CASES, Case, encode_cases, parse_cases, split
from countermark.assay.pack.source import (
    ATTACKER,
    FILE_NAME,
    MAX_FILE_BYTES,
    MAX_FILES,
    SCRIPT,
    About,
    Source,
    make_about,
)
from countermark.assay.pack.truth import make_truth, need_enough, truth_sha256
from countermark.attestation.canonical import canonical_json
from countermark.attestation.envelope import encode_envelope, parse_envelope, sign_envelope, verify_envelope
from countermark.attestation.keys import PrivateKey, PublicKey
from countermark.attestation.statement import Statement, make_statement, parse_statement
from countermark.errors import MalformedError, ScenarioError, TamperedError, TrustError
from countermark.strictjson import parse_object

PREDICATE = "assay-pack"
MAX_PACK_BYTES = 16 << 20
LIFE_YEARS = 2
_CONTENT = {"name", "version", "author", "about", "asks", "liars", "counts", "files", "truth_sha256", "key"}
_COUNTS = ("goals", "tasks", "twins", "clusters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack that was checked.

    Attributes:
        counts: How many goals, tasks, twins and clusters of goals its author says there are: checked when the truth is opened.
        attacker: File name to text.
        key: Whose signature it carries; that it is the author's is for whoever knows that key to say.
        sha256: Of the signed manifest, and with it of everything in the pack.
    """

    about: About
    counts: Mapping[str, int]
    cases: tuple[Case, ...]
    attacker: Mapping[str, str]
    truth_sha256: str
    key: PublicKey
    sha256: str
    data: bytes


def make_pack(
    source: Source, key: PrivateKey, *, now: datetime, rng: random.Random | None = None
) -> tuple[bytes, bytes]:
    """Seal an author's folder.

    Args:
        rng: Of the order of the cases; the machine's random source where it is None, since the order must say nothing.

    Returns:
        The pack, and the truth that stays with the author.

    Raises:
        ScenarioError: The folder says something that a sealed run can't carry.
    """
    scenarios = source.scenarios
    cases, dealt = split(scenarios, rng or secrets.SystemRandom())
    truth = make_truth(dealt, scenarios.titles)
    files = {CASES: encode_cases(cases).decode()}
    files |= {f"{ATTACKER}/{name}": text for name, text in source.attacker.items()}
    about = asdict(source.about)
    interest = about.pop("interest")
    content = {
        **about,
        "counts": {
            "goals": len(scenarios.goals),
            "tasks": len(scenarios.tasks),
            "twins": sum(1 for task in scenarios.tasks if task.twin_of),
            "clusters": len({goal.cluster for goal in scenarios.goals}),
        },
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
        "truth_sha256": truth_sha256(truth),
        "key": key.public.to_dict(),
    }
    statement = make_statement(
        PREDICATE,
        f"assay-pack/{source.about.name}",
        {"pack": source.about.name, "author": source.about.author},
        content,
        seq=int(now.timestamp()),
        valid_from=now,
        valid_until=now.replace(year=now.year + LIFE_YEARS, day=min(now.day, 28)),
        basis="word",
        interest=interest,
    )
    envelope = json.loads(encode_envelope(sign_envelope(statement.payload, key)))
    return canonical_json({"manifest": envelope, "files": files}) + b"\n", truth


def read_pack(data: bytes, *, now: datetime | None = None, author_key: PublicKey | None = None) -> Pack:
    """Read a pack and check it: signature, digest of every file, nothing beside them.

    Args:
        now: To check that it is in force; None where it was taken up before.
        author_key: The author's key from a source that is not the pack.

    Raises:
        TamperedError: A file isn't what was signed, or lies beside what was.
        TrustError: The signature doesn't verify, isn't the author's, or its time is over.
        ScenarioError: No pack of this format.
    """
    try:
        raw = parse_object(data, max_bytes=MAX_PACK_BYTES)
        files = raw.get("files")
        if set(raw) != {"manifest", "files"} or not isinstance(files, dict):
            raise MalformedError("expected exactly `manifest` and `files`")
        envelope = parse_envelope(canonical_json(raw["manifest"]))
        statement = parse_statement(envelope.payload)
        content = _content(statement)
        key = PublicKey.from_dict(content["key"])
    except TrustError:
        raise
    except MalformedError as error:
        raise ScenarioError(
            f"expected a pack, as `countermark assay pack sign` writes it: {error}"
        ) from error
    if author_key is not None and author_key != key:
        raise TrustError(f"expected a pack signed with key {author_key.keyid[:12]}, got {key.keyid[:12]}")
    verify_envelope(envelope, [key])
    if now is not None:
        statement.validity.check_validity(now)
    _check_files(files, content["files"])
    cases = parse_cases(files[CASES].encode())
    about = make_about(
        {name: content[name] for name in About.__slots__ if name != "interest"}
        | {"interest": str(statement.interest)},
        where="the pack's manifest",
    )
    counts = _counts(content["counts"], cases=len(cases))
    attacker = {name.partition("/")[2]: text for name, text in files.items() if name != CASES}
    return Pack(
        about=about,
        counts=counts,
        cases=cases,
        attacker=attacker,
        truth_sha256=content["truth_sha256"],
        key=key,
        sha256=statement.sha256,
        data=data,
    )


def _content(statement: Statement) -> Mapping[str, Any]:
    content = statement.content
    if statement.predicate_type != PREDICATE or set(content) != _CONTENT:
        raise MalformedError(f"expected a manifest `{PREDICATE}` with {', '.join(sorted(_CONTENT))}")
    if not isinstance(content["truth_sha256"], str) or len(content["truth_sha256"]) != 64:
        raise MalformedError("expected `truth_sha256` as 64 hex digits")
    return content


def _check_files(files: Mapping[str, Any], signed: object) -> None:
    if not isinstance(signed, dict) or set(signed) != set(files):
        raise TamperedError("expected exactly the files that the manifest names")
    for name, text in files.items():
        if not isinstance(text, str) or hashlib.sha256(text.encode()).hexdigest() != signed[name]:
            raise TamperedError(f"expected `{name[:80]}` of the pack as it was signed")
        folder, slash, file = name.partition("/")
        attacks = bool(slash) and folder == ATTACKER and FILE_NAME.fullmatch(file) is not None
        if name != CASES and not attacks:
            raise ScenarioError(f"expected `{CASES}` and files of `{ATTACKER}/`, got `{name[:80]}`")
        if attacks and len(text.encode()) > MAX_FILE_BYTES:
            raise ScenarioError(f"expected `{name}` to have at most {MAX_FILE_BYTES} bytes")
    if CASES not in files or f"{ATTACKER}/{SCRIPT}" not in files or len(files) > MAX_FILES + 1:
        raise ScenarioError(f"expected `{CASES}`, `{ATTACKER}/{SCRIPT}` and at most {MAX_FILES} files beside")


def _counts(raw: object, *, cases: int) -> Mapping[str, int]:
    if (
        not isinstance(raw, dict)
        or set(raw) != set(_COUNTS)
        or not all(isinstance(each, int) and each >= 0 for each in raw.values())
        or raw["goals"] + raw["tasks"] != cases
    ):
        raise ScenarioError(
            f"expected `counts` of {', '.join(_COUNTS)}, goals and tasks as many as the {cases} cases"
        )
    need_enough(raw["goals"], raw["tasks"], raw["twins"])
    return {name: raw[name] for name in _COUNTS}
