"""What classifiers say of an action: asked where a clause reads it, kept in the entry, checked in a replay.

The entry holds the classifier, its digest, the value and the score's tenth: enough to decide again, and no content.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from countermark.errors import MalformedError, SignalError
from countermark.facts import UNKNOWN
from countermark.policy.signals import SIGNAL_OF_FACT, SignalTerms
from countermark.signals.classifier import FLAGGED, QUIET, TENTHS, Signal

log = logging.getLogger("countermark")
MAX_WHY_CHARS = 200


class Classifier(Protocol):
    """A classifier of the bundle, ready to be asked."""

    async def see(self, texts: Sequence[str]) -> Signal:
        """What it says of all texts of one action.

        Raises:
            SignalError: It can't say.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSeen:
    """One signal as the entry holds it.

    Attributes:
        fact: The fact that it makes, in view `signal`.
        sha256: Digest of the classifier's weights or template; empty where a server keeps them to itself.
        value: `yes`, `no`, or `unknown` where it said nothing.
        tenth: The score's tenth, 0 to 9; None where there is no score.
        why: Why it said nothing; empty where it did.
    """

    fact: str
    classifier: str
    sha256: str
    value: str
    tenth: int | None
    why: str = ""


class Watch:
    """Asks the classifiers behind the signals that clauses read. Whatever goes wrong is `unknown`, which permits nothing."""

    def __init__(
        self, read: Mapping[str, SignalTerms], classifiers: Mapping[str, Classifier] = MappingProxyType({})
    ) -> None:
        """Set up.

        Args:
            read: By fact; `Bundle.signals_read`.
            classifiers: By signal (`content`); one that is missing here says nothing.
        """
        self._read = tuple(read.items())
        self._classifiers = classifiers

    @property
    def reads(self) -> bool:
        """Whether a clause reads a signal at all."""
        return bool(self._read)

    async def see(self, texts: Sequence[str], *, unread: bool) -> tuple[SignalSeen, ...]:
        """What they say of one action.

        Args:
            unread: It holds content that is no text, which no classifier here reads.
        """
        return tuple([await self._one(fact, terms, texts, unread) for fact, terms in self._read])

    async def _one(self, fact: str, terms: SignalTerms, texts: Sequence[str], unread: bool) -> SignalSeen:
        classifier = self._classifiers.get(SIGNAL_OF_FACT[fact])
        if unread:
            return _silent(fact, terms, "content that no classifier reads")
        if classifier is None:
            return _silent(fact, terms, "no classifier is set up")
        try:
            signal = await classifier.see(texts)
        except SignalError as error:
            log.warning("signal `%s`: %s", fact, error)
            return _silent(fact, terms, str(error))
        if (signal.name, signal.digest, signal.threshold) != (
            terms.classifier,
            terms.sha256,
            terms.threshold,
        ):
            return _silent(fact, terms, "another classifier than the bundle names")
        return SignalSeen(
            fact=fact,
            classifier=signal.name,
            sha256=signal.digest,
            value=signal.value,
            tenth=signal.tenth,
            why=signal.why[:MAX_WHY_CHARS],
        )

    async def close(self) -> None:
        """Let go of what the classifiers hold open."""
        for classifier in self._classifiers.values():
            await classifier.close()


def _silent(fact: str, terms: SignalTerms, why: str) -> SignalSeen:
    return SignalSeen(
        fact=fact,
        classifier=terms.classifier,
        sha256=terms.sha256,
        value=UNKNOWN,
        tenth=None,
        why=why[:MAX_WHY_CHARS],
    )


def signals_record(signals: Sequence[SignalSeen]) -> dict[str, Any]:
    """The signals as an entry's observation holds them, by fact."""
    made: dict[str, Any] = {}
    for signal in signals:
        record: dict[str, Any] = {"classifier": signal.classifier, "value": signal.value}
        if signal.sha256:
            record["sha256"] = signal.sha256
        if signal.tenth is not None:
            record["tenth"] = signal.tenth
        if signal.why:
            record["why"] = signal.why
        made[signal.fact] = record
    return made


def parse_signals(record: Mapping[str, Any]) -> tuple[SignalSeen, ...]:
    """Read them back.

    Raises:
        MalformedError: Another form.
    """
    made = []
    for fact, each in sorted(record.items()):
        value, tenth = each["value"], each.get("tenth")
        scored = isinstance(tenth, int) and not isinstance(tenth, bool) and 0 <= tenth < TENTHS
        if value not in (FLAGGED, QUIET, UNKNOWN) or scored is (value == UNKNOWN):
            raise MalformedError(f"expected a signal `{fact}` with a score or none, got `{value!s:.40}`")
        made.append(
            SignalSeen(
                fact=fact,
                classifier=str(each["classifier"]),
                sha256=str(each.get("sha256", "")),
                value=value,
                tenth=tenth,
                why=str(each.get("why", "")),
            )
        )
    return tuple(made)


def why_not_signalled(signal: SignalSeen, terms: SignalTerms) -> str | None:
    """Why a recorded signal can't be what these terms ask for, or None: another classifier, or a score on the other side."""
    if (signal.classifier, signal.sha256) != (terms.classifier, terms.sha256):
        return f"the bundle names {terms.classifier} {terms.sha256[:16]}".rstrip()
    if signal.tenth is None:
        return None
    if signal.value == FLAGGED and (signal.tenth + 1) / TENTHS < terms.threshold:
        return f"a score under the threshold {terms.threshold}"
    if signal.value == QUIET and signal.tenth / TENTHS >= terms.threshold:
        return f"a score from the threshold {terms.threshold} on"
    return None
