"""A request that waits for people: what is kept of it, where, and for how long.

A `Hold` holds no content; what was asked (`HeldContent`: the description of the action and the body) is kept apart,
sealed, and deleted as soon as the hold is decided or its time is over. At most one hold of an action is open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from countermark.attestation.canonical import canonical_json
from countermark.clock import format_time, parse_time
from countermark.errors import MalformedError
from countermark.facts import AppraisedFact, FactValue
from countermark.oversight.action import action_digest, check_descriptor
from countermark.oversight.sealing import HoldKey, seal, unseal
from countermark.oversight.shown import fact_from_dict, fact_to_dict, facts_digest, values_from_dict
from countermark.strictjson import parse_object

FILE_TYPE = "urn:countermark:hold:v1"
MAX_FILE_BYTES = 64 << 20
MAX_APPROVALS = 64
"""Signatures that one hold takes; more is an attack on the disk, not a quorum."""
MAX_APPROVAL_BYTES = 1 << 20

HOLD_ID = re.compile(r"h_[a-z2-7]{26}\Z")


class HoldState(StrEnum):
    """What became of a hold. Only an open one takes approvals; only an open one still has its content."""

    OPEN = "open"
    USED = "used"
    """Permitted, and the entry of that is durable. A new request needs a new hold."""
    REFUSED = "refused"
    """Somebody of a needed role refused. It stands until `expires_at`: nobody is asked the same again."""
    SUPERSEDED = "superseded"
    """Facts, bundle or clauses changed, so that what was signed would not count: another hold took its place."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a held request is known by, while it waits and after. No content.

    Attributes:
        hold_id: `h_` and 128 random bits in base32. An approval names it, so that one that comes late, after the
            action was taken, is worth nothing for the next time.
        action: `prompt`, `release` or `call`; `resource` is the model or the tool.
        action_digest: `oversight.action.action_digest` of the description.
        clauses: Those that hold it, sorted; an approval has to name each clause that holds when it is used.
        quorum: Persons needed per role.
        values: `view.name -> value` of the facts that clauses can read; `facts_sha256` is their digest.
        facts: The same facts with what supports them, for those who sign.
        requesters: Persons who never count as approvers.
        closed_at: When the state left `OPEN`.
    """

    hold_id: str
    workload: str
    action: str
    resource: str
    action_digest: str
    clauses: tuple[str, ...]
    quorum: Mapping[str, int]
    bundle: str
    values: Mapping[str, FactValue]
    facts: tuple[AppraisedFact, ...]
    facts_sha256: str
    requesters: frozenset[str]
    created_at: datetime
    expires_at: datetime
    state: HoldState = HoldState.OPEN
    closed_at: datetime | None = None

    def is_same_question(self, other: Hold) -> bool:
        """Whether signatures for this hold would count for the other: same action, bundle and facts.

        Clauses may have become fewer: those that a first approval satisfied no longer hold.
        """
        return (
            (self.workload, self.action_digest) == (other.workload, other.action_digest)
            and (self.bundle, self.facts_sha256) == (other.bundle, other.facts_sha256)
            and set(other.clauses) <= set(self.clauses)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldContent:
    """What was asked: the description of the action, and its body (of a call: the arguments as they were written)."""

    descriptor: Mapping[str, Any]
    body: bytes


def new_hold_id(random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A fresh id: 128 random bits."""
    return "h_" + base64.b32encode(random(16)).decode("ascii").rstrip("=").lower()


def make_hold(
    content: HeldContent,
    *,
    clauses: Sequence[str],
    quorum: Mapping[str, int],
    bundle: str,
    values: Mapping[str, FactValue],
    facts: Sequence[AppraisedFact],
    requesters: frozenset[str],
    now: datetime,
    expires_at: datetime,
    hold_id: str | None = None,
) -> Hold:
    """Make the hold of an action, with the digests of the action and of the facts.

    Raises:
        MalformedError: The description isn't one of `oversight.action`.
    """
    check_descriptor(content.descriptor)
    return Hold(
        hold_id=hold_id or new_hold_id(),
        workload=content.descriptor["workload"],
        action=content.descriptor["action"],
        resource=_resource(content.descriptor),
        action_digest=action_digest(content.descriptor),
        clauses=tuple(sorted(set(clauses))),
        quorum={role: needed for role, needed in sorted(quorum.items()) if needed > 0},
        bundle=bundle,
        values=dict(values),
        facts=tuple(facts),
        facts_sha256=facts_digest(values),
        requesters=requesters,
        created_at=now.replace(microsecond=0),
        expires_at=expires_at.replace(microsecond=0),
    )


def _resource(descriptor: Mapping[str, Any]) -> str:
    return str(descriptor["tool"] if descriptor["action"] == "call" else descriptor["resource"])


def seal_content(content: HeldContent, hold: Hold, key: HoldKey) -> bytes:
    """Encrypt what was asked, for this hold only."""
    head = canonical_json(dict(content.descriptor))
    plain = struct.pack(">I", len(head)) + head + content.body
    return seal(plain, key=key, hold_id=hold.hold_id, action_digest=hold.action_digest)


def unseal_content(sealed: bytes, hold: Hold, key: HoldKey) -> HeldContent:
    """Decrypt what was asked.

    Raises:
        SealError: Another key or hold, or changed bytes.
    """
    plain = unseal(sealed, key=key, hold_id=hold.hold_id, action_digest=hold.action_digest)
    (length,) = struct.unpack(">I", plain[:4])
    return HeldContent(
        descriptor=parse_object(plain[4 : 4 + length], max_bytes=length), body=plain[4 + length :]
    )


class HoldStore(Protocol):
    """Where holds are kept. Each method is atomic, and durable when it returns.

    Content is handed over sealed and is never stored otherwise. When a hold leaves `OPEN` its sealed content is
    deleted in the same step, so that no later read, by anybody, finds it.
    """

    def open(self, hold: Hold, sealed: bytes, *, limit: int, now: datetime) -> Hold:
        """Put a hold on file, or return the one that is there: look at `state` of what comes back.

        Where an open hold of the same question (`Hold.is_same_question`) exists, or a refused one whose time isn't
        over, that one is returned and nothing is written. An open hold of the same action with other facts, bundle
        or clauses is closed as `SUPERSEDED` in the same step.

        Raises:
            HoldLimitError: The workload has `limit` open holds already.
        """
        ...

    def find(self, workload: str, action_digest: str, *, now: datetime) -> Hold | None:
        """The newest hold of an action that is open or refused and whose time isn't over."""
        ...

    def get(self, hold_id: str) -> Hold:
        """One hold, in whatever state.

        Raises:
            UnknownHoldError: There is none of that id.
        """
        ...

    def list(
        self, *, state: HoldState | None = HoldState.OPEN, workload: str | None = None
    ) -> Sequence[Hold]:
        """Holds, oldest first."""
        ...

    def sealed_content(self, hold_id: str) -> bytes:
        """The sealed content of an open hold.

        Raises:
            UnknownHoldError: There is none of that id.
            HoldClosedError: It was decided or has expired; the content is gone.
        """
        ...

    def add_approval(self, hold_id: str, *, sha256: str, document: bytes, now: datetime) -> None:
        """Keep a signed approval or refusal with an open hold; the same one again changes nothing.

        Whether it counts is not decided here (`oversight.approval.count_approvals`).

        Args:
            sha256: Digest of the statement's payload, the id of the approval.
            document: The signed document, as it came.

        Raises:
            UnknownHoldError: There is none of that id.
            HoldClosedError: The hold isn't open at `now`.
            TooLargeError: Over `MAX_APPROVAL_BYTES`, or over `MAX_APPROVALS` of one hold.
        """
        ...

    def approvals(self, hold_id: str) -> Sequence[bytes]:
        """The documents added to a hold, in the order in which they came. They stay when it is closed."""
        ...

    def close(self, hold_id: str, state: HoldState, *, now: datetime) -> None:
        """Close an open hold and delete its content.

        Raises:
            UnknownHoldError: There is none of that id.
            HoldClosedError: It was closed before, with another state. With the same one nothing happens.
        """
        ...

    def expire(self, now: datetime) -> Sequence[str]:
        """Close all open holds whose time is over and delete their content; returns their ids."""
        ...

    def forget(self, before: datetime) -> int:
        """Delete closed holds, with their approvals, that were closed and whose time was over before then."""
        ...


def hold_to_dict(hold: Hold) -> dict[str, Any]:
    """Write a hold as JSON values."""
    return {
        "hold": hold.hold_id,
        "workload": hold.workload,
        "action": hold.action,
        "resource": hold.resource,
        "action_digest": hold.action_digest,
        "clauses": list(hold.clauses),
        "quorum": dict(hold.quorum),
        "bundle": hold.bundle,
        "values": dict(hold.values),
        "facts": [fact_to_dict(fact) for fact in hold.facts],
        "facts_sha256": hold.facts_sha256,
        "requesters": sorted(hold.requesters),
        "created_at": format_time(hold.created_at),
        "expires_at": format_time(hold.expires_at),
        "state": str(hold.state),
        "closed_at": None if hold.closed_at is None else format_time(hold.closed_at),
    }


def hold_from_dict(value: Mapping[str, Any]) -> Hold:
    """Read what `hold_to_dict` wrote, and check that the facts are those of their digest.

    Raises:
        MalformedError: Another form, or facts that were changed.
    """
    try:
        if not HOLD_ID.match(value["hold"]):
            raise MalformedError(f"expected a hold id like `h_` and 26 letters, got `{value['hold']!s:.40}`")
        texts = {
            name: value[name]
            for name in ("workload", "action", "resource", "action_digest", "bundle", "facts_sha256")
        }
        if not all(
            isinstance(each, str) for each in (*texts.values(), *value["clauses"], *value["requesters"])
        ):
            raise MalformedError("expected text in the fields of a hold")
        if not all(type(needed) is int and needed > 0 for needed in value["quorum"].values()):
            raise MalformedError("expected whole numbers from 1 in `quorum`")
        hold = Hold(
            hold_id=value["hold"],
            clauses=tuple(value["clauses"]),
            quorum=dict(value["quorum"]),
            values=values_from_dict(value["values"]),
            facts=tuple(fact_from_dict(each) for each in value["facts"]),
            requesters=frozenset(value["requesters"]),
            created_at=parse_time(value["created_at"]),
            expires_at=parse_time(value["expires_at"]),
            state=HoldState(value["state"]),
            closed_at=None if value["closed_at"] is None else parse_time(value["closed_at"]),
            **texts,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MalformedError(f"expected a hold, got another form ({error!r:.80})") from error
    if facts_digest(hold.values) != hold.facts_sha256:
        raise MalformedError(f"expected facts with the digest `{hold.facts_sha256}`, got others")
    return hold


def encode_hold_file(hold: Hold, content: HeldContent) -> bytes:
    """Write a hold with its content, to be carried to somebody who signs (`hold show ID --out FILE`)."""
    made = {
        "type": FILE_TYPE,
        "hold": hold_to_dict(hold),
        "descriptor": dict(content.descriptor),
        "body": base64.b64encode(content.body).decode("ascii"),
    }
    # not canonical JSON, which has no form for `MOST`; the digests inside are of canonical JSON
    return json.dumps(made, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def parse_hold_file(data: bytes) -> tuple[Hold, HeldContent]:
    """Read a carried hold; what it describes is what its digests say, else an error.

    Raises:
        MalformedError: Another form, or a description or body that isn't that of the digests.
    """
    value = parse_object(data, max_bytes=MAX_FILE_BYTES)
    if set(value) != {"type", "hold", "descriptor", "body"} or value["type"] != FILE_TYPE:
        raise MalformedError(f"expected a hold of type `{FILE_TYPE}`, got fields {sorted(value)}")
    try:
        body = base64.b64decode(value["body"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise MalformedError("expected the body in base64") from error
    if not isinstance(value["hold"], dict) or not isinstance(value["descriptor"], dict):
        raise MalformedError("expected objects in `hold` and `descriptor`")
    hold, content = hold_from_dict(value["hold"]), HeldContent(descriptor=value["descriptor"], body=body)
    check_content(hold, content)
    return hold, content


def check_content(hold: Hold, content: HeldContent) -> None:
    """Check that this content is what the hold is about, before it is shown to somebody who signs.

    Raises:
        MalformedError: The description or the body has another digest than the hold says.
    """
    check_descriptor(content.descriptor)
    descriptor = content.descriptor
    if action_digest(descriptor) != hold.action_digest:
        raise MalformedError(f"expected an action with the digest `{hold.action_digest}`, got another")
    if (descriptor["workload"], descriptor["action"], _resource(descriptor)) != (
        hold.workload,
        hold.action,
        hold.resource,
    ):
        raise MalformedError("expected a hold that names its own action")
    if (
        descriptor["action"] != "call"
        and hashlib.sha256(content.body).hexdigest() != descriptor["body_sha256"]
    ):
        raise MalformedError(f"expected a body with the digest `{descriptor['body_sha256']}`, got another")
