"""A trust root in words, and what changes from one to the next: what a side reads before it signs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from countermark.attestation.charter import Side
from countermark.attestation.envelope import Envelope, signers_of
from countermark.attestation.keys import PublicKey
from countermark.attestation.trust_root import TrustRoot
from countermark.clock import format_time
from countermark.oversight.words import plain
from countermark.policy.read import listed

Said = Mapping[tuple[str, ...], str]
"""What a trust root says, one sentence each, under a name that stays the same over its versions."""


def key_words(root: TrustRoot, key: PublicKey) -> str:
    """A key by whom it belongs to; ids alone tell nobody which key to fetch."""
    person = root.person_of_key(key)
    holders = [f"{person}'s key"] if person is not None else []
    for side in root.sides.values():
        if key in side.keys:
            number = f" {side.keys.index(key) + 1}" if len(side.keys) > 1 else ""
            holders.append(f"side key{number} of {side.party}")
    holders += [f"key of gateway {each.name}" for each in root.gateways.values() if each.key == key]
    return f"{' and '.join(holders) or 'a key that nobody holds'} ({key.keyid[:12]})"


def _people(names: Iterable[str]) -> str:
    return listed(sorted(names), "and") or "nobody"


def said(root: TrustRoot) -> Said:
    """Every sentence of a trust root."""
    made: dict[tuple[str, ...], str] = {}
    for party, title in root.parties.items():
        made["party", party] = f"party {party}: {plain(title)}"
    for side in root.sides.values():
        keys = listed([key_words(root, key) for key in side.keys], "and")
        made["side", side.party] = (
            f"side {side.party}: nothing is in force without {side.threshold} of {len(side.keys)}: {keys}"
        )
    for person in root.persons.values():
        keys = listed([key.keyid[:12] for key in person.keys], "and")
        title = f" ({plain(person.title)})" if person.title else ""
        made["person", person.name] = f"{person.name} of {person.party}{title}, key {keys}"
    for role in root.roles.values():
        who = f"{role.threshold} of {_people(role.persons)}" if role.threshold > 1 else _people(role.persons)
        made["role", role.name] = f"role {role.name} of {role.party}: {who}"
        for right in role.makes:
            until = f" until {format_time(right.until)}" if right.until is not None else ""
            about = listed([plain(each) for each in right.subjects], "and")
            made["right", role.name, right.predicate, about] = (
                f"{role.name} may state `{right.predicate}` about {about}{until}"
            )
    for rule in root.counterpart_rules:
        about = listed([plain(each) for each in rule.subjects], "and")
        made["counterpart", rule.party, rule.predicate, about] = (
            f"{rule.party}'s `{rule.predicate}` about {about} counts as countersigned with a countersignature of "
            f"{listed(sorted(rule.counterparts), 'or')}"
        )
    for predicate in root.charter.status_required:
        age = root.status_max_age_s(predicate)
        made["status", predicate] = f"`{predicate}` needs a `status: good` not older than {age} s"
    for gateway in root.gateways.values():
        level = (
            "counts as observed" if gateway.runner in root.observers and not root.one_sided else "is its word"
        )
        made["gateway", gateway.name] = (
            f"gateway {gateway.name} is run by {gateway.runner}, whose sight {level}; key {gateway.key.keyid[:12]}"
        )
    held = listed(root.upstream_key_held_by, "and") or "nobody that it names"
    checks = (
        "the server checks for permits"
        if root.upstream_checks_permit
        else "who holds it can go round the gateway"
    )
    made["upstream",] = f"the key of the model's server is held by {held}: {checks}"
    return made


def root_head(root: TrustRoot) -> str:
    """Which trust root it is, in one line and its digest."""
    one = ", ONE-SIDED: nothing in it rises above the word of its one side" if root.one_sided else ""
    until = format_time(root.validity.valid_until)
    return f"trust root {root.name}, version {root.version}, until {until}{one}\ndigest {root.digest}"


def root_text(root: TrustRoot) -> str:
    """A whole trust root in words."""
    return "\n".join([root_head(root), *(f"  {sentence}" for sentence in said(root).values())])


def differences(old: TrustRoot, new: TrustRoot) -> list[str]:
    """What changes, sentence by sentence: `+` is new, `-` is gone, `~` is said otherwise."""
    before, after = said(old), said(new)
    lines = [f"- {before[name]}" for name in before if name not in after]
    for name, sentence in after.items():
        if name not in before:
            lines.append(f"+ {sentence}")
        elif before[name] != sentence:
            lines += [f"~ {before[name]}", f"  -> {sentence}"]
    if old.one_sided != new.one_sided:
        lines.append(
            "+ two sides or more: countersigned and observed begin to count"
            if old.one_sided
            else "- one side alone"
        )
    if old.name != new.name:
        lines.append(f"~ the name {old.name} becomes {new.name}: no successor, but another trust root")
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class SideState:
    """How far one side's quorum is."""

    party: str
    which: str
    signed: int
    needed: int
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nobody of this side is missing."""
        return self.signed >= self.needed

    def __str__(self) -> str:
        text = f"{self.signed} of {self.needed} {self.party} ({self.which})"
        return text if self.complete else f"{text}, missing: {listed(self.missing, 'or')}"


def _side_state(side: Side, root: TrustRoot, envelope: Envelope, which: str) -> SideState:
    signed = signers_of(envelope, side.keys)
    return SideState(
        party=side.party,
        which=which,
        signed=len(signed),
        needed=side.threshold,
        missing=tuple(key_words(root, key) for key in side.keys if key not in signed),
    )


def quorum_states(envelope: Envelope, new: TrustRoot, old: TrustRoot | None) -> tuple[SideState, ...]:
    """Who has signed a trust root, and who is missing: its own sides, and those of the one that it takes the place of.

    A side whose keys and quorum stay the same is named once.
    """
    states = [
        _side_state(side, new, envelope, "new side" if old is not None else "side")
        for side in new.sides.values()
    ]
    if old is None:
        return tuple(states)
    made: list[SideState] = []
    for state in states:
        former = old.sides.get(state.party)
        same = former == new.sides[state.party]
        made.append(
            _side_state(new.sides[state.party], new, envelope, "side, now and then") if same else state
        )
    made += [
        _side_state(side, old, envelope, "side in force now")
        for side in old.sides.values()
        if new.sides.get(side.party) != side
    ]
    return tuple(made)
