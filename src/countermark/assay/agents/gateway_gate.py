"""A Countermark gateway as the gate before an agent's tools: each call is put to it as the model's answer that asks for it.

Over HTTP, with a workload's credential, and with all that the agent was told so far, as an agent would send it. Behind the
gateway stands a played model (`loopback`, mode `obey`), which asks for exactly the call that the last message names; the
gateway decides the action `call`. What is denied or held is not carried out.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from countermark.assay.agents.gates import Answer, Call, Known, Verdict
from countermark.errors import SettingsError

PATH: Final = "/v1/chat/completions"
MODEL: Final = "m-1"
TIMEOUT_S: Final = 60.0
MAX_ANSWER_BYTES: Final = 4 << 20
_DENIED, _HELD = 403, 428

Tools = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Name to description and JSON schema of the arguments."""


class GatewayGate:
    """Asks one gateway about each call. Not for several threads: it keeps one connection open."""

    def __init__(
        self,
        address: str,
        *,
        credential: Callable[[str], str],
        tools: Callable[[str], Tools],
        model: str = MODEL,
    ) -> None:
        """Take the address of a gateway that runs.

        Args:
            address: `http://host:port`.
            credential: The API key that the agent of a task shows, by `suite/user_task`.
            tools: What that agent offers to its model.

        Raises:
            SettingsError: Not such an address.
        """
        parts = urlsplit(address)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise SettingsError(
                f"expected the address of a gateway, `http://HOST:PORT`, got `{address[:80]}`"
            )
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT_S)
        self._credential = credential
        self._tools = tools
        self._model = model

    def answer(self, call: Call, known: Known) -> Answer:
        """What the gateway says to a call."""
        body = encode_request(call, known, tools=self._tools(known.task), model=self._model)
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {self._credential(known.task)}",
        }
        try:
            status, document = exchange(self._connection, headers, body)
            return read_answer(status, document, call)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()  # opens anew with the next call
            return Answer(verdict=Verdict.FAILED, because=(type(error).__name__,))

    def shows(self, texts: Iterable[str]) -> bool:
        """Everything: a gateway in front of a model sees results only when the agent sends them on."""
        return True


def connect(address: str) -> http.client.HTTPConnection:
    """A connection that opens with the first request.

    Raises:
        SettingsError: Not the address of a gateway.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise SettingsError(f"expected the address of a gateway, `http://HOST:PORT`, got `{address[:80]}`")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=TIMEOUT_S)


def exchange(
    connection: http.client.HTTPConnection, headers: Mapping[str, str], body: bytes
) -> tuple[int, Any]:
    """Send one request; returns status and the answer's document.

    Raises:
        OSError: Nobody answered, or not in time.
        HTTPException: Something else than HTTP.
        ValueError: An answer that is no JSON, or too large.
    """
    connection.request("POST", PATH, body, dict(headers))
    response = connection.getresponse()
    data = response.read(MAX_ANSWER_BYTES + 1)
    if len(data) > MAX_ANSWER_BYTES:
        raise ValueError("an answer that is too large")
    return response.status, json.loads(data)


def encode_request(call: Call, known: Known, *, tools: Tools, model: str) -> bytes:
    """The request that leads to a call: what was said and done so far, and what the played model is to ask for."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": known.prompt}]
    for number, (done, result) in enumerate(known.history):
        asked = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": done.tool, "arguments": _json(done.arguments)},
        }
        messages.append({"role": "assistant", "content": None, "tool_calls": [asked]})
        messages.append({"role": "tool", "tool_call_id": asked["id"], "content": _json(result)})
    messages.append(asking_for(call))
    return encode_body(messages, tools=tools, model=model)


def asking_for(call: Call) -> dict[str, Any]:
    """The message that makes a played model ask for exactly this call."""
    # arguments may themselves hold what the played model would take for a call
    arguments = _json(call.arguments).replace("call ", "\\u0063all ")
    return {"role": "user", "content": f"call {call.tool}({arguments})"}


def encode_body(
    messages: Sequence[Mapping[str, Any]], *, tools: Tools, model: str, tool_choice: str = "auto"
) -> bytes:
    """A request of the OpenAI chat form."""
    body: dict[str, Any] = {"model": model, "messages": list(messages)}
    if tools:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "description": said, "parameters": schema}}
            for name, (said, schema) in tools.items()
        ]
        body["tool_choice"] = tool_choice
    return _json(body).encode("utf-8", "surrogatepass")


def read_answer(status: int, document: Any, call: Call) -> Answer:
    """Read the gateway's answer: carried out is only what came back as the very call that was asked for."""
    told = document.get("error") if isinstance(document, dict) else None
    more = told.get("countermark", {}) if isinstance(told, dict) else {}
    clauses = tuple(str(each) for each in more.get("clauses", ())) if isinstance(more, dict) else ()
    if status in (_DENIED, _HELD) and more:
        verdict = Verdict.DENIED if status == _DENIED else Verdict.HELD
        return Answer(verdict=verdict, because=clauses or ("no clause permits it",))
    if status == 200 and _asks_for(document, call):
        return Answer(verdict=Verdict.ALLOWED)
    said = str(told.get("message", ""))[:120] if isinstance(told, dict) else "not the call that was asked for"
    return Answer(verdict=Verdict.FAILED, because=(f"status {status}: {said}",))


def _asks_for(document: Any, call: Call) -> bool:
    try:
        (asked,) = document["choices"][0]["message"]["tool_calls"]
        same: bool = json.loads(asked["function"]["arguments"]) == dict(call.arguments)
        return same and asked["function"]["name"] == call.tool
    except (KeyError, IndexError, TypeError, ValueError):
        return False


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
