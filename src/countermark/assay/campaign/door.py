"""How a campaign reaches what it measures: over HTTP, with credentials, and with people who are played outside of it.

Whoever starts the stacks (`cli`, through `app`) hands these over. The assay measures any deployment that can be reached so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from countermark.attestation.keys import PrivateKey


class Passed(StrEnum):
    """What became of one request."""

    PASSED = "passed"
    """The answer, or the call that was the goal, reached the asker."""
    WAITED = "waited"
    """It was held, people signed, and then it passed."""
    HELD = "held"
    """It was held, and nobody signed, or not enough of them."""
    STOPPED = "stopped"
    """Denied by a gateway, refused by a model, stopped by a reviewer."""
    FAILED = "failed"
    """No answer was reached: counted against the safeguard, and listed."""

    @property
    def through(self) -> bool:
        """Whether it came through in the end. A request that failed counts as through for misuse; see `outcomes.py`."""
        return self in (Passed.PASSED, Passed.WAITED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a workload shows: an API key, or a key that it signs requests with."""

    api_key: str = ""
    key: PrivateKey | None = None


class People(Protocol):
    """The persons of a stack, each with a key of their own."""

    async def sign(self, hold_id: str, roles: Sequence[str]) -> None:
        """One person of each role looks at a held request and approves it. A role that may not approve it changes nothing."""
        ...

    async def submit(self, person: str, statement_file: bytes) -> tuple[int, Mapping[str, Any]]:
        """A person puts a statement file on file; returns status and answer of the gateway, whatever they are."""
        ...


class Runner(Protocol):
    """Who runs the machine of a stack: for strategies of access level `Cost.RUNNER`."""

    async def tamper(self, change: str, *, uses: int = 1) -> bool:
        """Stop the gateway, change its log as `change` names it, start it again; False where it didn't start.

        Args:
            uses: How many uses of approvals it is to forget, the latest ones.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One running stack.

    Attributes:
        name: As the plan names it.
        url: Where callers ask: `http://127.0.0.1:PORT`, `/v1/chat/completions` under it.
        upstream_url: Where its model listens.
        upstream_key: The upstream's key, which only who runs the gateway knows; empty where it demands none.
        credentials: Workload's name to what it shows; empty for a stack that knows nobody.
        people: None for a stack without a gateway: nothing is held there.
    """

    name: str
    url: str
    upstream_url: str
    upstream_key: str = ""
    credentials: Mapping[str, Credentials] = field(default_factory=dict)
    people: People | None = None
    runner: Runner | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSpec:
    """What is to be started, as the plan says it; its digest is part of the pre-registered plan.

    Attributes:
        name: One word or two, as reports show it.
        title: What it is, in one line.
        upstream: Mode of the played model: `obey`, `refuse` (by wording) or `deny` (whatever is asked).
        phrases: What `refuse` refuses by; empty for the played model's own list.
        bundle: Name of a shipped bundle that its gateway decides by; empty for none: callers reach the model.
        flag_from: Score from which the bundle's classifier flags; None: the bundle's own threshold.
        without: Clauses left out of the bundle.
        off: Mechanism that is switched off: `countersigning` (views lowered to one party's word), `people` (approvals
            are taken as given: the forbid is left out where only people lift it), `claims` (what a caller says against
            himself forbids nothing), `binding` (nobody asks for a key, and workloads that have one show an API key); empty
            for none. That the weaker of statement and tie counts is no clause: no bundle can switch it off, so it is none.
        checks_permit: The upstream serves only what carries a PERMIT (`countermark.upstream`).
    """

    name: str
    title: str
    upstream: str = "obey"
    phrases: tuple[str, ...] = ()
    bundle: str = ""
    flag_from: float | None = None
    without: tuple[str, ...] = ()
    off: str = ""
    checks_permit: bool = False
