"""Keyed selectors: persons, accounts and addresses by HMAC, so that neither an order nor the log names anybody.

A digest is worth what its key is secret: who has the key can try out all phone numbers. It keeps names out of files
that others read; it doesn't anonymise.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from countermark.errors import MalformedError, SettingsError
from countermark.evidence.predicates.fields import KEY_ID

MIN_KEY_BYTES: Final = 32
MAX_KEYS: Final = 16


def normalise_selector(selector: str) -> str:
    """Write a selector in its one spelling: compatibility forms folded, no case, single spaces.

    `normalise_selector(normalise_selector(x)) == normalise_selector(x)`.

    Source: Unicode 15, section 3.13, D146 (NFKC_Casefold, without its removal of default ignorables).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", selector.casefold()).casefold())
    return " ".join(folded.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorsSeen:
    """Distinct selectors that were parsed from one request, without saying which.

    Attributes:
        count: How many.
        digests: Their HMACs under each key that the gateway knows, by key id; `count` digests each.
    """

    count: int
    digests: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key_id, digests in self.digests.items():
            if len(digests) != self.count:
                raise MalformedError(
                    f"expected {self.count} digests under key `{key_id}`, got {len(digests)}"
                )


NOTHING_SEEN: Final = SelectorsSeen(count=0)


class SelectorKeys:
    """The secrets that selectors are keyed with, by key id. Its `repr` shows the ids only."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take over `keys`.

        Raises:
            SettingsError: More than 16, an id of another form than `[a-z0-9][a-z0-9._-]*`, or a key under 32 bytes.
        """
        if len(keys) > MAX_KEYS:
            raise SettingsError(f"expected at most {MAX_KEYS} selector keys, got {len(keys)}")
        for key_id, key in keys.items():
            if not KEY_ID.fullmatch(key_id):
                raise SettingsError(f"expected a selector key id like `k1`, got `{key_id!s:.40}`")
            if len(key) < MIN_KEY_BYTES:
                raise SettingsError(
                    f"expected selector key `{key_id}` of at least {MIN_KEY_BYTES} bytes, got {len(key)}"
                )
        self._keys: Mapping[str, bytes] = MappingProxyType(dict(keys))

    def __repr__(self) -> str:
        return f"SelectorKeys({', '.join(self._keys)})"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of the keys."""
        return tuple(self._keys)

    def digest(self, selector: str) -> Mapping[str, str]:
        """HMAC-SHA256 (64 hex digits) of the normalised selector under each key, by key id."""
        data = normalise_selector(selector).encode("utf-8", "surrogatepass")
        return {key_id: hmac.digest(key, data, "sha256").hex() for key_id, key in self._keys.items()}

    def see(self, selectors: Iterable[str]) -> SelectorsSeen:
        """Digest what was parsed from a request; spellings of one selector count once."""
        distinct = {normalise_selector(selector) for selector in selectors}
        data = [selector.encode("utf-8", "surrogatepass") for selector in distinct]
        return SelectorsSeen(
            count=len(distinct),
            digests={
                key_id: frozenset(hmac.digest(key, item, "sha256").hex() for item in data)
                for key_id, key in self._keys.items()
            },
        )
