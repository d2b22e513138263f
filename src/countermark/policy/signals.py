"""`[signals.NAME]` of a bundle: which classifier looks at what, and from which score on it flags.

A lower threshold restricts more, a higher one less: so it stands in what the sides sign, together with the digest of
what the classifier was made from. A gateway's settings only say how to reach a server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from countermark.policy.table import Table

CONTENT: Final = "content"
SIGNAL_OF_FACT: Final[Mapping[str, str]] = MappingProxyType({"content_flagged": CONTENT})
"""The facts of view `signal`, and the classifier that each comes from."""

OFFLINE: Final = "offline-1"
LOCAL: Final = "minilm-1"
MODERATIONS: Final = "moderations"
CHAT_GUARD: Final = "chat-guard"
CLASSIFIERS: Final = (OFFLINE, LOCAL, MODERATIONS, CHAT_GUARD)
_WITH_DIGEST: Final = (OFFLINE, LOCAL, CHAT_GUARD)
_WITH_MODEL: Final = (MODERATIONS, CHAT_GUARD)
_MODEL: Final = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,119}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTerms:
    """What the sides agreed on about one classifier.

    Attributes:
        threshold: Flagged from this score on; over 0, up to 1.
        sha256: Digest of its weights, or of the template that a chat model is asked with; empty for `moderations`.
        model: Which model a server is asked for; empty where the classifier runs in the gateway.
    """

    classifier: str
    threshold: float
    sha256: str
    model: str


def read_signals(table: Table) -> Mapping[str, SignalTerms]:
    """`[signals.content]`: classifier, threshold, sha256, model."""
    made: dict[str, SignalTerms] = {}
    if table.has("signals"):
        group = table.table("signals")
        for name in table.raw("signals"):
            if name != CONTENT:
                raise group.error(name, f"expected `[signals.{CONTENT}]`, got `{name:.60}`", "rename it")
            made[name] = _read_one(group.table(name))
        group.finish()
    return MappingProxyType(made)


def _read_one(inner: Table) -> SignalTerms:
    classifier = inner.word(
        "classifier", like=OFFLINE, pattern="|".join(re.escape(name) for name in CLASSIFIERS)
    )
    made = SignalTerms(
        classifier=classifier,
        threshold=inner.share("threshold"),
        sha256=inner.word("sha256", like="64 hex digits", pattern=r"[0-9a-f]{64}")
        if classifier in _WITH_DIGEST
        else "",
        model=inner.word("model", like="guard-1", pattern=_MODEL) if classifier in _WITH_MODEL else "",
    )
    inner.finish()
    return made
