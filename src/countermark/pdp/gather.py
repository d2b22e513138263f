"""Gathering: what is known about one action, from statements on file and from what this gateway saw of it.

Evidence makes facts, policy reads them; here they are joined. Everything that a replay needs and that is not in the
statements on file stands in `Gathered.record`, which goes into the entry.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from countermark.content.selectors import find_selectors
from countermark.evidence.appraise import CLAIM_VALUES, Appraisal, Appraiser
from countermark.evidence.observation import Observation
from countermark.evidence.relations import relation_record, seen_record
from countermark.evidence.selectors import NOTHING_SEEN, SelectorKeys, SelectorsSeen
from countermark.evidence.standing import stand
from countermark.facts import UNKNOWN, FactValue, Level
from countermark.pdp.asked import Asked
from countermark.pdp.on_file import StatementsOnFile
from countermark.pdp.signalled import SignalSeen, signals_record
from countermark.pdp.terms import Terms, View
from countermark.request import Action

MAX_REMEMBERED = 1024
LONG_SEARCH_CHARS = 16_384
"""Looking through more than this takes longer than a decision, up to seconds for a megabyte of addresses."""
MAX_NAMED = 16
"""Statements that a caller may name in one request; more say nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What is known about one action.

    Attributes:
        observation: What the gateway saw.
        record: The observation as the entry holds it: no content, enough to appraise again.
        purpose: The purpose on the best word there is, for brakes; `unknown` where nobody says.
        values: `view.name` to value, for exactly the views that the bundle's clauses read.
        remembered: The same object is given for the next such request, so that what follows from it can be kept.
    """

    appraisal: Appraisal
    observation: Observation
    record: Mapping[str, Any]
    purpose: str
    values: Mapping[str, FactValue]
    remembered: bool = False


class Gatherer:
    """Gathers for one set of terms; remembers what stands for each workload until that changes."""

    def __init__(self, terms: Terms, statements: StatementsOnFile, selector_keys: SelectorKeys) -> None:
        self._terms = terms
        self._statements = statements
        self._selector_keys = selector_keys
        self._standing: dict[str, tuple[int, Appraiser, frozenset[str]]] = {}
        self._known: OrderedDict[Hashable, tuple[Appraiser, Gathered]] = OrderedDict()

    def appraiser(self, workload: str, now: datetime) -> tuple[Appraiser, frozenset[str]]:
        """What stands for a workload at `now`, and the kinds of statements among it."""
        known = self._standing.get(workload)
        if known is not None and known[0] == self._statements.version:
            changes_at = known[1].standing.changes_at
            if changes_at is None or now < changes_at:
                return known[1], known[2]
        about = self._statements.about(workload)
        standing = stand(
            about, workload=workload, root=self._terms.root, now=now, skew_s=self._terms.bundle.skew_s
        )
        kinds = frozenset(each.statement.kind for each in standing.in_force)
        made = Appraiser(standing)
        self._standing[workload] = (self._statements.version, made, kinds)
        return made, kinds

    def gather(self, asked: Asked, *, now: datetime) -> Gathered:
        """Observe one action, tie the statements on file to it, and appraise them."""
        appraiser, kinds = self.appraiser(asked.caller.workload, now)
        if "legal-basis" in kinds or "engagement" in kinds or asked.named:
            return self._observe(asked, appraiser, kinds)
        # Nothing of the content matters here: the same caller, action and claims give the same facts
        key = (
            asked.caller,
            asked.action,
            asked.model,
            asked.resource,
            tuple(asked.claims.items()),
            len(asked.tools),
            len(asked.unread),
            asked.signals,
        )
        known = self._known.get(key)
        if known is not None and known[0] is appraiser:
            self._known.move_to_end(key)
            return known[1]
        gathered = replace(self._observe(asked, appraiser, kinds), remembered=True)
        self._known[key] = (appraiser, gathered)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return gathered

    def search(self, asked: Asked) -> Asked:
        """Look for persons and addresses beforehand, so that `gather` needn't. Pure; for a thread of its own."""
        return replace(asked, selectors=find_selectors(asked.texts, self._terms.bundle.selectors))

    def is_long_search(self, asked: Asked, *, now: datetime) -> bool:
        """Whether `gather` would have to look through so much text that others would wait for it."""
        _, kinds = self.appraiser(asked.caller.workload, now)
        if not ("legal-basis" in kinds or "engagement" in kinds) or opaque(asked.unread):
            return False
        return sum(map(len, asked.texts)) > LONG_SEARCH_CHARS

    def _observe(self, asked: Asked, appraiser: Appraiser, kinds: frozenset[str]) -> Gathered:
        persons: SelectorsSeen = NOTHING_SEEN
        addresses: tuple[str, ...] = ()
        # Parsing for persons and addresses costs; it can matter only where an order or engagement stands. Where the
        # request holds content that nobody reads (an image of a list), nothing is known of whom it names: unknown.
        if ("legal-basis" in kinds or "engagement" in kinds) and not opaque(asked.unread):
            found = asked.selectors or find_selectors(asked.texts, self._terms.bundle.selectors)
            if "legal-basis" in kinds:
                persons = self._selector_keys.see(found.persons)
            if "engagement" in kinds:
                addresses = tuple(sorted(found.addresses))
        observation = Observation(
            credential=asked.caller,
            runner_level=self._terms.runner_level,
            action=asked.action,
            model=asked.model,
            tool=asked.resource if asked.action is Action.CALL else "",
            tools=asked.tools,
            persons=persons,
            addresses=addresses,
            claims=asked.claims,
            named=asked.named[:MAX_NAMED],
        )
        appraisal = appraiser.appraise(observation)
        return Gathered(
            appraisal=appraisal,
            observation=observation,
            record=observation_record(asked, observation, appraisal),
            purpose=best_word(appraisal, "purpose"),
            values=view_values(appraisal, self._terms.views, asked.signals or ()),
        )


def opaque(unread: Sequence[str]) -> bool:
    """Whether there is content that could name people or addresses unseen. What the model's maker sealed itself, such
    as the signature of its own thinking, was no caller's to write."""
    return any(not kind.startswith("sealed/") for kind in unread)


def observation_record(asked: Asked, observation: Observation, appraisal: Appraisal) -> dict[str, Any]:
    """The observation as an entry holds it: digests, counts and relations, no content."""
    record: dict[str, Any] = {
        "binding": observation.credential.binding,
        "model": observation.model,
    }
    optional: dict[str, Any] = {
        "tools": len(observation.tools),
        "unread": len(asked.unread),
        # only what is a fact of the clauses' language; the rest is the caller's text, and stands as a digest
        "claims": {
            name: value
            for name, value in sorted(observation.claims.items())
            if value in CLAIM_VALUES.get(name, ())
        },
        "named": list(observation.named),
        # a caller may also name a consent by its data set, which is text of his own: what it led to stands here
        "consents": [
            support.statement
            for support in appraisal.facts["consent"].support
            if support.statement is not None
        ],
        "persons": seen_record(observation.persons) if observation.persons.count else None,
        "addresses": len(observation.addresses),
        "relations": [relation_record(relation) for relation in appraisal.relations],
        "signals": signals_record(asked.signals or ()),
    }
    record.update({key: value for key, value in optional.items() if value})
    return record


def view_values(
    appraisal: Appraisal, views: Sequence[View], signals: Sequence[SignalSeen] = ()
) -> dict[str, FactValue]:
    """Exactly the views that clauses read, each filled: with the appraised value, or with the unknown one."""
    said = {signal.fact: signal.value for signal in signals}
    values: dict[str, FactValue] = {}
    for view in views:
        if view.level is None:
            values[view.path] = said.get(view.name, view.unknown)
            continue
        fact = appraisal.facts.get(view.name)
        values[view.path] = view.unknown if fact is None else fact.values.get(view.level, view.unknown)
    return values


def best_word(appraisal: Appraisal, name: str) -> str:
    """A fact's value at the highest level that says anything; `unknown` where none does."""
    fact = appraisal.facts.get(name)
    if fact is None:
        return UNKNOWN
    for level in (Level.OBSERVED, Level.COUNTERSIGNED, Level.OPERATOR):
        value = fact.values.get(level, UNKNOWN)
        if value != UNKNOWN:
            return str(value)
    return UNKNOWN
