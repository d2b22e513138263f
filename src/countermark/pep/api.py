"""Countermark's own HTTP API under `/countermark/v1/`: statements, holds, decisions, suspensions, log.

Each call is authenticated with a key of the trust root (RFC 9421, the profile of `evidence.possession`) or a workload's
credential; what is submitted is itself signed, so the API gives nobody a right that a file on a stick would not give.

    GET  whoami                     who the gateway takes the caller for
    GET  terms                      bundle, trust root and whether they are in force
    GET  statements                 statements on file, verified or not, with the reason
    POST statements                 put one on file (in-toto bundle, JSON Lines)
    GET  holds                      open holds; GET holds/ID the hold and, for approvers, its content
    POST holds/ID/approvals         a signed approval or refusal
    GET  decisions/ID               the entry of a decision
    POST explain?api=openai         what would be decided on this body now, and why
    GET  suspensions                the brakes that stand; POST suspensions takes or lifts one (signed)
    GET  log/checkpoint, log/tile/… the log, as C2SP tlog-tiles
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from countermark.attestation.envelope import parse_envelope
from countermark.attestation.statement import parse_statement
from countermark.attestation.verify import verify_statement
from countermark.errors import (
    CountermarkError,
    CredentialError,
    HoldClosedError,
    LogError,
    MalformedError,
    ReplayError,
    StoreError,
    TooLargeError,
    TrustError,
    UnknownHoldError,
)
from countermark.oversight.approval import Verdict, parse_approval
from countermark.oversight.hold import (
    MAX_APPROVALS,
    Hold,
    HoldState,
    HoldStore,
    encode_hold_file,
    unseal_content,
)
from countermark.pdp.on_file import StatementStore
from countermark.pdp.service import Service
from countermark.pdp.state import SuspensionStore
from countermark.pdp.suspensions import verify_taken
from countermark.pep.callers import Callers
from countermark.pep.documents import (
    Visitor,
    considered_document,
    filed_document,
    hold_document,
    suspension_document,
    visitor_document,
)
from countermark.pep.enforce import Enforcer
from countermark.pep.http import (
    CallerLeftError,
    Receive,
    Scope,
    Send,
    SlowCallerError,
    headers_of,
    read_body,
    send_answer,
)
from countermark.pep.visitors import Visitors
from countermark.policy.approval import LIFTED, SuspensionOrder, verify_suspension
from countermark.tlog.entry import parse_entry

PREFIX = "/countermark/v1/"
DECISION_ID = re.compile(r"d_[a-z2-7]{26}")
MAX_SUBMISSION_BYTES = 1 << 20


class _Answer(Exception):  # noqa: N818 - not an error: how a handler answers with another status than 200
    def __init__(self, status: int, document: Any) -> None:
        super().__init__(status)
        self.status = status
        self.document = document


class Api:
    """Answers calls of people and tools; every change that it makes is signed by somebody and entered in the log."""

    def __init__(
        self,
        *,
        service: Service,
        holds: HoldStore,
        suspensions: SuspensionStore,
        statements: StatementStore,
        callers: Callers,
        enforcers: Mapping[str, Enforcer],
        archive: Path,
        log_folder: Path,
        entries: Callable[[], Iterable[tuple[int, bytes]]],
    ) -> None:
        self._service = service
        self._holds = holds
        self._suspensions = suspensions
        self._statements = statements
        self._visitors = Visitors(service, callers)
        self._enforcers = {enforcer.wire.name: enforcer for enforcer in enforcers.values()}
        self._archive = archive
        self._log_folder = log_folder
        self._entries = entries
        self._walking = asyncio.Lock()  # one walk through the whole log at a time
        self._filing = asyncio.Lock()  # two countersignatures of one statement at once: neither may be lost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        try:
            status, document = await self._route(scope, receive)
        except _Answer as answer:
            status, document = answer.status, answer.document
        except CallerLeftError:
            return
        except CountermarkError as error:
            status, document = (
                _status_of(error),
                {"error": {"type": type(error).__name__, "message": str(error)}},
            )
        if isinstance(document, bytes):
            await send_answer(send, status, document, ((b"content-type", b"application/octet-stream"),))
        else:
            await send_answer(send, status, json.dumps(document, indent=1).encode() + b"\n")

    async def _route(self, scope: Scope, receive: Receive) -> tuple[int, Any]:
        method = scope["method"]
        parts = scope["path"].removeprefix(PREFIX).strip("/").split("/")
        is_log = method == "GET" and parts[0] == "log" and len(parts) > 1
        if is_log and "entries" not in parts:
            return 200, self._log_file(parts[1:])  # hashes, and who signs them: for everybody
        headers = headers_of(scope)
        announced = await self._visitors.announced(scope, headers, self._service.now())
        body = await read_body(receive, headers=headers, max_bytes=MAX_SUBMISSION_BYTES, timeout_s=30)
        now = self._service.now()
        visitor = await self._visitors.proved(announced, body, now)
        if is_log:
            if visitor.workload is not None:
                raise _Answer(
                    403, _error("expected a key of the trust root: entries hold every decision's facts")
                )
            return 200, self._log_file(parts[1:])
        match (method, *parts):
            case ("GET", "whoami"):
                return 200, visitor_document(visitor)
            case ("GET", "terms"):
                return 200, self._terms(now)
            case ("GET", "statements"):
                _persons_only(visitor)
                return 200, {"statements": [filed_document(each) for each in self._service.statements.all()]}
            case ("POST", "statements"):
                return 201, await self._put_statement(body, now)
            case ("GET", "holds"):
                _persons_or_workloads(visitor)
                return 200, {"holds": [hold_document(hold, visitor) for hold in self._holds_for(visitor)]}
            case ("GET", "holds", hold_id):
                _persons_or_workloads(visitor)
                return 200, self._hold(hold_id, visitor, now)
            case ("POST", "holds", hold_id, "approvals"):
                return 201, await self._add_approval(hold_id, body, visitor, now)
            case ("GET", "decisions", decision_id):
                return 200, await self._decision(decision_id, visitor)
            case ("POST", "explain"):
                return 200, await self._explain(scope, headers, body, visitor, now)
            case ("GET", "suspensions"):
                return 200, {"suspensions": [suspension_document(s) for s in self._service.suspensions.all()]}
            case ("POST", "suspensions"):
                return 201, await self._suspend(body, now)
        raise _Answer(404, _error("expected a path of this API: see docs/reference/api.md"))

    def _terms(self, now: datetime) -> dict[str, Any]:
        terms = self._service.terms
        return {
            "bundle": terms.bundle.digest,
            "name": terms.bundle.name,
            "version": terms.bundle.version,
            "trust_root": terms.root.digest,
            "sides": sorted(terms.root.sides),
            "one_sided": terms.root.one_sided,
            "gateway": terms.gateway,
            "runner": terms.root.runner_of(terms.gateway),
            "runner_level": terms.runner_level.word,
            "upstream_key_held_by": list(terms.root.upstream_key_held_by),
            "upstream_checks_permit": terms.root.upstream_checks_permit,
            "not_in_force": terms.why_not(now),
            "approvals": list(terms.bundle.approvals),
            "clauses": [
                {"id": clause.id, "title": clause.title, "red_line": clause.red_line}
                for clause in terms.bundle.clauses
            ],
        }

    async def _put_statement(self, body: bytes, now: datetime) -> dict[str, Any]:
        # INVARIANT: on disk, then in the log, then in use: a statement that nobody can replay permits nothing
        async with self._filing:
            filed = self._service.statements.check(body, now=now)
            known = self._service.statements.get(filed.sha256)
            if known is not None and known.file_sha256 == filed.file_sha256:
                return filed_document(known)
            target = self._archive / "statements" / f"{filed.file_sha256}.jsonl"
            self._statements.put(filed.sha256, filed.data)
            self._statements.keep(target, filed.data)
            index = await self._service.record(
                {"kind": "filed", "statement": filed.sha256, "file": filed.file_sha256}
            )
            self._service.statements.take(filed)
            self._service.on_file_at = index
        return filed_document(filed)

    def _holds_for(self, visitor: Visitor) -> Sequence[Hold]:
        if visitor.workload is not None:
            return self._holds.list(workload=visitor.workload.workload)
        return self._holds.list()

    def _hold(self, hold_id: str, visitor: Visitor, now: datetime) -> dict[str, Any]:
        """The hold, and for those whose role may approve, what was asked."""
        hold = self._holds.get(hold_id)
        if visitor.workload is not None and visitor.workload.workload != hold.workload:
            raise UnknownHoldError(f"expected a hold on file, got `{hold_id[:40]}`")
        document: dict[str, Any] = {"hold": hold_document(hold, visitor)}
        terms = self._service.terms
        if visitor.person is not None:
            count = self._service.desk.count_for(
                hold,
                hold.clauses,
                hold.values,
                hold.requesters,
                bundle=terms.bundle.digest,
                root=terms.root,
                now=now,
            )
            document["approved"] = [{"role": each.role, "person": each.person} for each in count.counted]
            document["ignored"] = [each.reason for each in count.ignored]
        if visitor.roles & set(terms.bundle.approvals) and hold.state is HoldState.OPEN:
            content = unseal_content(self._holds.sealed_content(hold_id), hold, self._service.desk.key)
            document["file"] = json.loads(encode_hold_file(hold, content))
            document["titles"] = {clause.id: clause.title for clause in terms.bundle.clauses}
        return document

    async def _add_approval(
        self, hold_id: str, body: bytes, visitor: Visitor, now: datetime
    ) -> dict[str, Any]:
        """Keep a signed approval with its hold, or close the hold on a refusal."""
        terms = self._service.terms
        hold = self._holds.get(hold_id)
        if hold.state is not HoldState.OPEN or now >= hold.expires_at:  # before anything is kept
            raise HoldClosedError(f"expected an open hold, got `{hold_id}`, which is {hold.state} or over")
        if len(self._holds.approvals(hold_id)) >= MAX_APPROVALS:
            raise TooLargeError(f"expected at most {MAX_APPROVALS} approvals of hold `{hold_id}`")
        verified = verify_statement([body.strip()], terms.root, now=now, skew_s=terms.bundle.skew_s)
        approval = parse_approval(verified)
        if approval.hold != hold_id or approval.action_digest != hold.action_digest:
            raise TrustError(f"expected an approval of hold `{hold_id}`, got one of `{approval.hold[:40]}`")
        # a replay needs what people signed: the entry that it permits names it by this digest
        self._statements.keep(self._archive / "approvals" / f"{verified.sha256}.json", body.strip())
        self._holds.add_approval(hold_id, sha256=verified.sha256, document=body.strip(), now=now)
        count = self._service.desk.count_for(
            hold,
            hold.clauses,
            hold.values,
            hold.requesters,
            bundle=terms.bundle.digest,
            root=terms.root,
            now=now,
        )
        if count.refused and approval.verdict is Verdict.REFUSE:
            await self._service.record(
                {"kind": "hold", "hold": hold_id, "state": "refused", "statement": verified.sha256}
            )
            self._holds.close(hold_id, HoldState.REFUSED, now=now)
        counted = {each.sha256 for each in count.counted} | {each.sha256 for each in count.refused}
        reasons = [each.reason for each in count.ignored if each.sha256 == verified.sha256]
        return {
            "approval": verified.sha256,
            "counts": verified.sha256 in counted,
            "why_not": reasons[0] if reasons else None,
            "approved": dict(count.counts),
            "needs": dict(hold.quorum),
        }

    async def _decision(self, decision_id: str, visitor: Visitor) -> dict[str, Any]:
        """The entry of a decision: for persons, and for the workload that asked."""
        found = self._service.recent(decision_id)
        if found is None and DECISION_ID.fullmatch(decision_id):
            async with self._walking:
                found = await asyncio.to_thread(self._search, decision_id)
        if found is not None:
            index, data = found
            entry = parse_entry(data)
            own = visitor.workload is not None and visitor.workload.workload == entry["workload"]
            if visitor.person is not None or own:
                if not visitor.may_explain:
                    for name in ("facts", "observation", "quorum"):
                        entry.pop(name, None)
                return {"index": index, "entry": entry}
        raise _Answer(404, _error(f"expected a decision in this log, got `{decision_id[:60]}`"))

    def _search(self, decision_id: str) -> tuple[int, bytes] | None:
        """Number and bytes of a decision's entry, looked for in the whole log."""
        wanted = decision_id.encode()
        for index, data in self._entries():
            if wanted in data:
                entry = parse_entry(data)
                if entry["kind"] == "decision" and entry["id"] == decision_id:
                    return index, data
        return None

    async def _explain(
        self, scope: Scope, headers: Mapping[str, str], body: bytes, visitor: Visitor, now: datetime
    ) -> dict[str, Any]:
        """What would be decided on a body now. A workload asks for itself; nothing is acted on or entered."""
        if visitor.workload is None or not visitor.may_explain:
            raise _Answer(403, _error("expected a workload's credential with the right to `explain`"))
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        api = query.get("api", ["openai"])[0]
        enforcer = self._enforcers.get(api)
        if enforcer is None:
            raise MalformedError(f"expected `api` to be one of {sorted(self._enforcers)}, got `{api[:40]}`")
        asked, _ = enforcer.read(visitor.workload, headers, body)
        considered = self._service.consider(await self._service.seen_through(asked), now=now)
        return considered_document(considered, self._service.missing(asked, considered, now))

    async def _suspend(self, body: bytes, now: datetime) -> dict[str, Any]:
        """Take or lift a brake; the order is signed, so who submits it doesn't matter."""
        terms = self._service.terms
        order, sides = verify_suspension(body.strip(), terms.root, now)
        statement = parse_statement(parse_envelope(body.strip()).payload)
        if self._in_effect(order, body.strip()):
            return {"suspension": order.suspension_id, "state": order.state, "sides": sorted(sides)}
        entry = {
            "kind": "suspension",
            "suspension": order.suspension_id,
            "scope": order.scope,
            "target": order.target,
            "state": order.state,
            "sides": sorted(sides),
            "statement": statement.sha256,
        }
        self._statements.keep(self._archive / "suspensions" / f"{statement.sha256}.json", body.strip())
        if order.state == LIFTED:
            await self._service.record(entry)
            self._suspensions.lift(order.suspension_id, body.strip())
            self._service.suspensions.lift(order.suspension_id)
        else:
            taken = verify_taken(body.strip(), terms.root, now)
            # on file first: an order that was lifted since is refused there, and must not brake again
            self._suspensions.take(order.suspension_id, body.strip(), valid_until=taken.valid_until)
            self._service.suspensions.take(taken)  # the brake holds before its entry is durable
            await self._service.record(entry)
        return {"suspension": order.suspension_id, "state": order.state, "sides": sorted(sides)}

    def _in_effect(self, order: SuspensionOrder, document: bytes) -> bool:
        """Whether an order was brought before, so that bringing it again enters nothing.

        Raises:
            TrustError: It is about another brake than the one that stands under its id, or lifts none.
        """
        standing = self._service.suspensions.get(order.suspension_id)
        if standing is not None and (standing.scope, standing.target) != (order.scope, order.target):
            # else one side could undo the other's brake: take it again, narrower
            raise TrustError(
                f"expected an order about `{standing.scope}` `{standing.target}`, which is what suspension "
                f"`{order.suspension_id[:80]}` stops; another brake needs an id of its own"
            )
        for stored in self._suspensions.all():
            if stored.suspension_id == order.suspension_id:
                return document in (stored.lifted_by, stored.document if stored.lifted_by is None else None)
        if order.state == LIFTED:
            raise TrustError(f"expected a suspension on file, got `{order.suspension_id[:80]}`")
        return False

    def _log_file(self, parts: Sequence[str]) -> bytes:
        """A file of the published log: `checkpoint` or a tile."""
        allowed = parts == ["checkpoint"] or (
            parts[0] == "tile" and all(part and part.replace(".p", "").isalnum() for part in parts)
        )
        target = self._log_folder.joinpath(*parts)
        if not allowed or not target.is_file():
            raise _Answer(404, _error("expected `log/checkpoint` or a tile of the published log"))
        return target.read_bytes()


def _persons_only(visitor: Visitor) -> None:
    if visitor.person is None:
        raise _Answer(
            403, _error("expected a person of the trust root: what is on file is a map of what is missing")
        )


def _persons_or_workloads(visitor: Visitor) -> None:
    if visitor.person is None and visitor.workload is None:
        raise _Answer(403, _error("expected a person of the trust root, or the workload that asked"))


def _error(message: str) -> dict[str, Any]:
    return {"error": {"type": "Error", "message": message}}


def _status_of(error: CountermarkError) -> int:
    """The HTTP status of an error; none of them is retried by itself with another result."""
    table: tuple[tuple[type[CountermarkError], int], ...] = (
        (CredentialError, 401),
        (ReplayError, 401),
        (UnknownHoldError, 404),
        (HoldClosedError, 409),
        (SlowCallerError, 408),
        (TooLargeError, 413),
        (MalformedError, 400),
        (TrustError, 422),
        (StoreError, 503),
        (LogError, 503),
    )
    return next((status for kind, status in table if isinstance(error, kind)), 500)
