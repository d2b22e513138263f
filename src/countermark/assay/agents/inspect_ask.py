"""What an Inspect AI approver asks a gateway, and what it makes of the answer. Inspect's own types are only read here.

COUNTERMARK_URL           address of the gateway: http://127.0.0.1:8080
COUNTERMARK_CREDENTIALS   a file: one API key; or the JSON that `countermark assay inspect` writes, workload to credential
COUNTERMARK_MODEL         the model that is asked for; m-1 where it is not set
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from countermark.assay.agents.gates import Call
from countermark.assay.agents.gateway_gate import (
    MODEL,
    PATH,
    Tools,
    asking_for,
    connect,
    encode_body,
    exchange,
)
from countermark.attestation.keys import PrivateKey
from countermark.client_auth import sign_request
from countermark.errors import SettingsError

URL_VARIABLE: Final = "COUNTERMARK_URL"
CREDENTIALS_VARIABLE: Final = "COUNTERMARK_CREDENTIALS"
MODEL_VARIABLE: Final = "COUNTERMARK_MODEL"
_DENIED, _HELD = 403, 428


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a gateway said to one request.

    Attributes:
        decision: In Inspect's words: `approve`, `reject`, `escalate`.
        outcome: PERMIT, HOLD, DENY; `none` where no decision was reached.
        explanation: One line, with the decision's id and the clauses.
    """

    decision: str
    outcome: str
    explanation: str
    decision_id: str = ""
    clauses: tuple[str, ...] = ()
    hold_id: str = ""

    @property
    def metadata(self) -> dict[str, Any]:
        """For Inspect's log."""
        return {
            "outcome": self.outcome,
            "decision_id": self.decision_id,
            "clauses": list(self.clauses),
            "hold_id": self.hold_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One gateway, and whose credentials are shown to it.

    Attributes:
        api_keys: Workload to API key; under the empty name the one that everybody shows.
        keys: Workload to the key that it signs its requests with.
    """

    url: str
    model: str
    api_keys: Mapping[str, str]
    keys: Mapping[str, PrivateKey]

    def headers(self, workload: str, body: bytes) -> dict[str, str]:
        """Credential of a workload for one request.

        Raises:
            SettingsError: It has none.
        """
        shown = (
            self.api_keys.get(workload)
            or self.api_keys.get("")
            or (workload if workload in self.keys else "")
        )
        if not shown:
            raise SettingsError(f"expected a credential of `{workload[:80]}` in ${CREDENTIALS_VARIABLE}")
        headers = {"content-type": "application/json", "authorization": f"Bearer {shown}"}
        key = self.keys.get(workload)
        if key is not None:
            headers |= sign_request(
                method="POST",
                target_uri=f"{self.url}{PATH}",
                credential_header="authorization",
                credential=headers["authorization"],
                body=body,
                private_key=key,
                keyid=key.public.keyid,
                created=int(time.time()),
                nonce=secrets.token_urlsafe(24),
            )
        return headers

    def ask(self, workload: str, body: bytes) -> Said:
        """Put one request to the gateway. Where no decision is reached, the answer is no.

        Raises:
            SettingsError: The workload has no credential, or the address is none.
        """
        headers, connection = self.headers(workload, body), connect(self.url)
        try:
            status, document = exchange(connection, headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return no_decision(f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        return read_said(status, document)


def no_decision(why: str) -> Said:
    """What counts where the gateway said nothing: rejected, never approved."""
    return Said(
        decision="reject", outcome="none", explanation=f"no decision was reached, so rejected: {why[:200]}"
    )


def read_said(status: int, document: Any) -> Said:
    """Read a gateway's answer as a decision of an approver: permitted, denied, or held and so for others to decide."""
    if status == 200:
        return Said(decision="approve", outcome="PERMIT", explanation="permitted by the gateway")
    told = document.get("error") if isinstance(document, dict) else None
    more = told.get("countermark") if isinstance(told, dict) else None
    if status not in (_DENIED, _HELD) or not isinstance(more, dict):
        said = str(told.get("message", "")) if isinstance(told, dict) else "no error of this API"
        return no_decision(f"status {status}: {said}")
    clauses = tuple(str(each) for each in more.get("clauses", ()))
    decision_id, by = str(more.get("decision_id", "")), ", ".join(clauses) or "no clause that permits it"
    if status == _HELD:
        hold_id = str(more.get("hold_id", ""))
        return Said(
            decision="escalate",
            outcome="HOLD",
            explanation=f"held by {by}: people have to approve it first (hold {hold_id}, decision {decision_id})",
            decision_id=decision_id,
            clauses=clauses,
            hold_id=hold_id,
        )
    return Said(
        decision="reject",
        outcome="DENY",
        explanation=f"denied by {by} (decision {decision_id})",
        decision_id=decision_id,
        clauses=clauses,
    )


def open_door(url: str | None, credentials: str | None, model: str | None) -> Door:
    """The gateway that arguments or environment name.

    Raises:
        SettingsError: It isn't named, or the file of credentials is none.
    """
    address = url or os.environ.get(URL_VARIABLE, "")
    if not address:
        raise SettingsError(f"expected the gateway's address: `url`, or ${URL_VARIABLE}")
    connect(address).close()
    file = credentials or os.environ.get(CREDENTIALS_VARIABLE, "")
    if not file:
        raise SettingsError(f"expected a file of credentials: `credentials`, or ${CREDENTIALS_VARIABLE}")
    api_keys, keys = read_credentials(Path(file))
    chosen = model or os.environ.get(MODEL_VARIABLE, "") or MODEL
    return Door(url=address.rstrip("/"), model=chosen, api_keys=api_keys, keys=keys)


def read_credentials(path: Path) -> tuple[dict[str, str], dict[str, PrivateKey]]:
    """API keys and signing keys by workload; a file with one API key gives it under the empty name.

    Raises:
        SettingsError: Not readable, or neither of both forms.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
        if not text.startswith("{"):
            return {"": text}, {}
        document: Mapping[str, Mapping[str, str]] = json.loads(text)
        api_keys = {name: each["api_key"] for name, each in document.items() if "api_key" in each}
        keys = {
            name: PrivateKey.load(path.parent / each["key"])
            for name, each in document.items()
            if "key" in each
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"expected credentials in `{path}`: {error}") from error
    return api_keys, keys


def call_body(call: Any, history: Sequence[Any], *, model: str, tools: Tools | None = None) -> bytes:
    """The request in which a model asks for an Inspect tool call, after all that was said before it."""
    wanted = Call(tool=call.function, arguments=call.arguments)
    offered: Tools = {call.function: ("A tool of the evaluation.", {"type": "object"}), **(tools or {})}
    messages = [*messages_of(history, without=call.id), asking_for(wanted)]
    return encode_body(messages, tools=offered, model=model)


def messages_of(history: Sequence[Any], *, without: str = "") -> list[dict[str, Any]]:
    """Inspect's messages in the OpenAI form. What is not text is named, and not sent: `[image, not sent]`.

    Args:
        without: Id of the call that is asked about; the message that asks for it is left out.
    """
    answered = {message.tool_call_id for message in history if message.role == "tool"}
    found: list[dict[str, Any]] = []
    for message in history:
        calls = [
            call
            for call in (getattr(message, "tool_calls", None) or ())
            if call.id != without and call.id in answered
        ]
        if message.role == "tool":
            found.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": _text(message)})
        elif message.role == "assistant" and calls:
            asked = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function, "arguments": json.dumps(call.arguments)},
                }
                for call in calls
            ]
            found.append({"role": "assistant", "content": _text(message) or None, "tool_calls": asked})
        elif message.role != "assistant" or _text(message):
            found.append({"role": message.role, "content": _text(message)})
    return found


def _text(message: Any) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(
        part.text if part.type == "text" else f"[{part.type}, not sent]"
        for part in message.content
        if part.type != "reasoning"
    )
