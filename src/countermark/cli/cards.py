"""What people have already: a file of theirs, a CI attestation, a model or data card. Only what maps is taken.

What is taken becomes the word of whoever signs. Signatures on such a file are not checked here, and nothing in it is
evidence by itself: a builder that signs knows what it built, not what it is used for.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from countermark.attestation.envelope import parse_envelope
from countermark.cli.forms import FORMS
from countermark.cli.signing import read_file
from countermark.errors import CountermarkError, MalformedError
from countermark.strictjson import parse_object

MAX_CARD_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One field that a file gave: its value, and where in the file it stood."""

    field: str
    value: Any
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A file as it was understood.

    Attributes:
        form: What kind of file it is, in words.
        unread: Names at its top that nothing was taken from.
    """

    form: str
    taken: tuple[Taken, ...]
    unread: tuple[str, ...]

    @property
    def values(self) -> dict[str, Any]:
        """Field to value."""
        return {item.field: item.value for item in self.taken}


def _slsa(document: Mapping[str, Any]) -> Iterator[Taken]:
    for number, subject in enumerate(document.get("subject", [])):
        name, digest = subject.get("name"), subject.get("digest", {}).get("sha256")
        if isinstance(name, str) and isinstance(digest, str):
            yield Taken(field="system", value=f"{name} sha256:{digest[:16]}", where=f"subject[{number}]")
            return


def _model_card(document: Mapping[str, Any]) -> Iterator[Taken]:
    details = document.get("model_details")
    index = document.get("model-index")
    for value, where in (
        (document.get("model_name"), "model_name"),
        (details.get("name") if isinstance(details, dict) else None, "model_details.name"),
        (
            index[0].get("name")
            if isinstance(index, list) and index and isinstance(index[0], dict)
            else None,
            "model-index[0].name",
        ),
    ):
        if isinstance(value, str):
            yield Taken(field="models", value=[value], where=where)
            return


def _cyclonedx(document: Mapping[str, Any]) -> Iterator[Taken]:
    components = document.get("components")
    found = [
        (item["name"], f"components[{number}].name")
        for number, item in enumerate(components if isinstance(components, list) else [])
        if isinstance(item, dict)
        and item.get("type") == "machine-learning-model"
        and isinstance(item.get("name"), str)
    ]
    if found:
        yield Taken(field="models", value=[name for name, _ in found], where=found[0][1])


def _data_card(document: Mapping[str, Any]) -> Iterator[Taken]:
    if isinstance(document.get("name"), str):
        yield Taken(field="data_set", value=document["name"], where="name")


def _is_slsa(document: Mapping[str, Any]) -> bool:
    return str(document.get("predicateType", "")).startswith("https://slsa.dev/provenance/")


def _is_dataset(document: Mapping[str, Any]) -> bool:
    kind = document.get("@type")
    return "Dataset" in str(kind) if isinstance(kind, str | list) else False


_FORMS: Final[
    tuple[tuple[str, str, Callable[[Mapping[str, Any]], bool], Callable[..., Iterator[Taken]]], ...]
] = (
    ("a build's provenance (SLSA)", "deployment", _is_slsa, _slsa),
    ("a bill of materials (CycloneDX)", "purpose", lambda d: d.get("bomFormat") == "CycloneDX", _cyclonedx),
    (
        "a model card",
        "purpose",
        lambda d: any(name in d for name in ("model_name", "model_details", "model-index")),
        _model_card,
    ),
    ("a data card (schema.org, Croissant)", "legal-basis", _is_dataset, _data_card),
)


def _parse(path: Path) -> Mapping[str, Any]:
    data = read_file(path)
    if path.suffix == ".toml":
        try:
            return tomllib.loads(data.decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise MalformedError(f"expected TOML in `{path}`: {error}") from error
    try:
        document = parse_object(data, max_bytes=MAX_CARD_BYTES)
        if "payload" in document and "signatures" in document:
            document = parse_object(parse_envelope(data).payload, max_bytes=MAX_CARD_BYTES)
    except CountermarkError as error:
        raise MalformedError(f"expected TOML (`.toml`) or a JSON object in `{path}`: {error}") from error
    return document


def read_card(path: Path, kind: str) -> Card:
    """Read what a file says of the fields of a predicate.

    Raises:
        SettingsError: The file can't be read.
        MalformedError: Neither TOML nor JSON, or nothing in it is a field of this predicate.
    """
    document = _parse(path)
    for form, about, known, take in _FORMS:
        if known(document):
            taken = tuple(take(document)) if about == kind else ()
            return _card(form, taken, document, kind, path)
    inner = document.get(kind, document)
    if not isinstance(inner, Mapping):
        raise MalformedError(f"expected a table `{kind}` in `{path}`")
    names = {field.name for field in FORMS[kind]}
    taken = tuple(
        Taken(field=name, value=value, where=name) for name, value in inner.items() if name in names
    )
    return _card("a file of your own", taken, inner, kind, path)


def _card(form: str, taken: tuple[Taken, ...], document: Mapping[str, Any], kind: str, path: Path) -> Card:
    if not taken:
        fields = ", ".join(field.name for field in FORMS[kind]) or "none"
        raise MalformedError(
            f"expected fields of `{kind}` ({fields}) in `{path}`, which was read as {form}: nothing in it maps"
        )
    used = {item.where.partition("[")[0].partition(".")[0] for item in taken}
    return Card(form=form, taken=taken, unread=tuple(sorted(set(document) - used)))


def card_words(card: Card, path: Path) -> str:
    """What was taken and what wasn't, for whoever is about to sign it."""
    lines = [f"from {path}, read as {card.form} (its signatures, if any, were not checked):"]
    lines += [
        f"  taken   {item.field} = {json.dumps(item.value)}  (from {item.where})" for item in card.taken
    ]
    if card.unread:
        lines.append(f"  unread  {', '.join(card.unread[:12])}{' ...' if len(card.unread) > 12 else ''}")
    return "\n".join(lines)
