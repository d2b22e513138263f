"""What is being signed, in plain words: the text that a person reads before signing.

Everything that came from outside is written so that it cannot pass for another text or for our own words: control
and format characters (terminal sequences, bidirectional overrides, zero-width letters) appear as `\\u{...}`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from countermark.attestation.canonical import canonical_json
from countermark.clock import format_time
from countermark.facts import LEVELS_BY_WORD, Level
from countermark.oversight.hold import HeldContent, Hold, HoldState

MAX_BODY_CHARS = 20_000

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(text: str, *, keep: str = "") -> str:
    """Write `text` with every character that doesn't show itself as `\\u{...}`.

    Args:
        keep: Characters that stay as they are, for example a line feed.
    """
    return "".join(
        character
        if character in keep or unicodedata.category(character) not in _HIDDEN
        else f"\\u{{{ord(character):x}}}"
        for character in text
    )


def words(hold: Hold, content: HeldContent, *, titles: Mapping[str, str] | None = None) -> str:
    """Say what a signature under this hold means: action, for whom, on which clauses and facts, until when, once.

    Args:
        titles: Title of each clause, from the bundle, where it is at hand.
    """
    needed = [f"{count} x {plain(role)}" for role, count in hold.quorum.items()]
    lines = [
        _action(hold, content),
        "",
        f"  held by       {_clauses(hold, titles or {})}",
        f"  needs         {', '.join(needed) or 'nobody'}: different people, each in one role",
        f"  asked by      {_people(hold)}",
        f"  under bundle  {hold.bundle[:16]}",
        f"  state         {hold.state}, since {format_time(hold.closed_at or hold.created_at)}",
        f"  expires       {format_time(hold.expires_at)}",
        "",
        "It rests on these facts:",
        *_facts(hold),
        "",
        "If you approve: this may happen ONCE, and only while bundle and facts are as shown here.",
        "If you refuse: it does not happen, and nobody is asked the same again until it expires.",
        "If nobody signs: it does not happen.",
    ]
    if hold.state is not HoldState.OPEN:
        lines.append(f"This hold is {hold.state}: a signature changes nothing any more.")
    return "\n".join(lines) + "\n"


def body_text(content: HeldContent, *, max_chars: int = MAX_BODY_CHARS) -> str:
    """The held body, to be read by a person; what is cut off is said."""
    text = plain(content.body.decode("utf-8", errors="backslashreplace"), keep="\n\t")
    if len(text) <= max_chars:
        return text
    return f"{text[:max_chars]}\n[cut: {len(text) - max_chars} more characters]"


def _action(hold: Hold, content: HeldContent) -> str:
    descriptor = content.descriptor
    workload, resource = plain(hold.workload), plain(hold.resource)
    if hold.action == "call":
        arguments = plain(canonical_json(descriptor["arguments"]).decode())
        return f"`{workload}` calls the tool `{resource}` with {arguments}"
    headers = ", ".join(
        f"{plain(name)}: {plain(value)}" for name, value in sorted(descriptor["headers"].items())
    )
    verb = "sends to" if hold.action == "prompt" else "gets the answer of"
    return (
        f"`{workload}` {verb} the model `{resource}` at `{plain(descriptor['upstream'])}` the body\n"
        f"  sha256        {descriptor['body_sha256']} ({len(content.body)} bytes)\n"
        f"  with headers  {headers or 'none'}"
    )


def _clauses(hold: Hold, titles: Mapping[str, str]) -> str:
    return ", ".join(
        f"{plain(clause)} ({plain(titles[clause])})" if clause in titles else plain(clause)
        for clause in hold.clauses
    )


def _people(hold: Hold) -> str:
    if not hold.requesters:
        return "a credential that names no person"
    return ", ".join(plain(person) for person in sorted(hold.requesters)) + " (cannot approve)"


def _facts(hold: Hold) -> list[str]:
    by_name = {fact.name: fact for fact in hold.facts}
    lines: list[str] = []
    for view_name, value in sorted(hold.values.items()):
        lines.append(f"  {plain(view_name)} = {plain(str(value))}")
        view, _, name = view_name.partition(".")
        fact = by_name.get(name)
        if fact is None:
            continue
        for each in fact.support:
            if not _is_heard(each.level, view):
                continue
            said = "; ".join(plain(signer) for signer in each.signers) or "the gateway saw it"
            until = "" if each.valid_until is None else f", until {format_time(each.valid_until)}"
            lines.append(f"      {plain(str(each.value))}: {said}; tied by {plain(each.tie)}{until}")
    return lines or ["  none"]


def _is_heard(level: Level, view: str) -> bool:
    """Whether a support of this level is behind the value in that view: claims in their own, else all from it up."""
    asked = LEVELS_BY_WORD.get(view)
    if asked is None:
        return False
    return level == asked if asked is Level.CLAIMED else level >= asked
