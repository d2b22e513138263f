"""What a caller claims of the context of use: read from metadata, a header, or lines of a system prompt.

Claims may only restrict (docs/design), so a name that no clause reads does no harm: all are returned, and the facts
version decides which of them are facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from countermark.errors import MalformedError

CLAIM_CONFLICT: Final = "conflict"
_PREFIX: Final = "countermark."
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VALUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_LINE: Final = re.compile(
    r"^[ \t]*countermark-claim:[ \t]*([A-Za-z][A-Za-z0-9_]{0,63})[ \t]*=[ \t]*([A-Za-z0-9._:/-]{1,128})[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)


def claims_of_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Claims among a request's metadata: keys that begin with `countermark.`, with their strings."""
    return {
        key.removeprefix(_PREFIX): value.strip().lower()
        for key, value in metadata.items()
        if key.startswith(_PREFIX) and type(value) is str
    }


def claims_of_texts(texts: Iterable[str]) -> dict[str, str]:
    """Claims in a system prompt: lines `countermark-claim: name=value`."""
    found: list[dict[str, str]] = []
    for text in texts:
        if "countermark-claim" in text.lower():
            found.extend({name.lower(): value.lower()} for name, value in _LINE.findall(text))
    return merge_claims(found)


def claims_of_header(value: str) -> dict[str, str]:
    """Claims in the header `countermark-claims: bulk_persons=yes, consent=inside`.

    Raises:
        MalformedError: Not a list of `name=value`: a claim that can't be read may have been meant to restrict.
    """
    claims: list[dict[str, str]] = []
    for item in value.split(","):
        name, equals, said = (part.strip().lower() for part in item.partition("="))
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(said):
            raise MalformedError(
                f"expected `name=value` in header `countermark-claims`, got `{item.strip()[:60]}`"
            )
        claims.append({name: said})
    return merge_claims(claims)


def merge_claims(sources: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Join what a caller claims in several places: `yes` stands over all else, other differences are `conflict`.

    The clauses that read claims forbid on `yes`: so a claim isn't talked away by a second one.
    """
    merged: dict[str, str] = {}
    for source in sources:
        for name, value in source.items():
            known = merged.get(name)
            if known is None or value in {known, "yes"}:
                merged[name] = value
            elif known != "yes":
                merged[name] = CLAIM_CONFLICT
    return merged
