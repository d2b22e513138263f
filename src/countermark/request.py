"""What is asked: one request, answer or tool call, in the words that a decision is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """The three things that are decided on the way of a request."""

    PROMPT = "prompt"
    """Send this body to this model."""
    RELEASE = "release"
    """Give the model's answer to the caller."""
    CALL = "call"
    """Let the caller see, and so execute, one tool call of the model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks for what. Holds no content: bodies appear as digests only.

    Attributes:
        workload: `party/name` that the credential names (`northmark/office`); the principal.
        resource: The model's name for `prompt` and `release`, the tool's for `call`.
        upstream: Name of the route's upstream in the bundle; empty for `call`.
        action_digest: SHA-256 (64 hex digits) of the canonical description of exactly this action, which is also
            the subject that an approval signs (`oversight.action`).
        requesters: Persons who hold the credential; they never count among the approvers.
    """

    action: Action
    workload: str
    resource: str
    upstream: str
    action_digest: str
    requesters: frozenset[str]

    @property
    def party(self) -> str:
        """The party that the workload belongs to."""
        return self.workload.partition("/")[0]
