"""What the gateway saw for one request, as data. Appraisal ties statements to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from countermark.attestation.keys import PublicKey
from countermark.evidence.relations import Relation
from countermark.evidence.selectors import NOTHING_SEEN, SelectorsSeen
from countermark.facts import Level
from countermark.request import Action

API_KEY = "api-key"
KEY_BOUND = "key-bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCredential:
    """A credential that was presented, and the workload that it stands for (`credentials.CredentialIndex`).

    Attributes:
        name: The credential's stable name.
        statement: Digest of the payload of the statement that it rests on.
        workload: `party/name`.
        holders: Persons who hold it; they never approve what is asked with it.
        may_explain: Its holders may see which evidence is missing.
        public: The key that must have signed this request; None for an API key.
        valid_until: When the credential's statement ends.
    """

    name: str
    statement: str
    workload: str
    holders: frozenset[str]
    may_explain: bool
    public: PublicKey | None
    valid_until: datetime | None

    @property
    def binding(self) -> str:
        """`key-bound` where the request itself was signed, else `api-key`: who has read it can use it."""
        return API_KEY if self.public is None else KEY_BOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One request, answer or tool call, as the gateway saw it.

    Attributes:
        credential: What the caller presented. For a key-bound one, the request's signature has been verified.
        runner_level: What this gateway's sight is worth (`TrustRoot.runner_level`): OBSERVED where the charter names
            its runner, else OPERATOR.
        model: The model asked; for `call`, the one whose answer asks for the tool.
        tool: The tool called; empty for `prompt` and `release`.
        tools: Tools that the request offers to the model.
        persons: Persons and accounts parsed from content and tool arguments, keyed.
        addresses: Addresses and host names parsed from the same, as written.
        claims: What the caller says of itself (`bulk_persons`, `consent`, `data_set`). May only restrict.
        named: Digests of statements that the caller names; claims as well.
        recorded: Relations by statement that a log entry holds, for a replay, which hasn't the content; None for a
            request that is seen now.
    """

    credential: KnownCredential
    runner_level: Level
    action: Action
    model: str
    tool: str = ""
    tools: tuple[str, ...] = ()
    persons: SelectorsSeen = NOTHING_SEEN
    addresses: tuple[str, ...] = ()
    claims: Mapping[str, str] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    recorded: Mapping[str, Relation] | None = None

    @property
    def workload(self) -> str:
        """The workload that asks."""
        return self.credential.workload

    @property
    def resource(self) -> str:
        """What the action is done to: the tool of a `call`, else the model."""
        return self.tool if self.action is Action.CALL else self.model
