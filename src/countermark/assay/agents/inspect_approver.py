"""Countermark as an approver of Inspect AI: `countermark/gate` puts each tool call to a gateway before it is carried out.

    approvers:
      - name: countermark/gate
        tools: "*"
        url: http://127.0.0.1:8080
        credentials: agent.key

Permitted is approved, denied is rejected, and held is escalated: to the next approver in the list, a person for instance;
where nobody follows, Inspect rejects. Where no decision is reached, it is rejected. Decision id and clauses stand in the
explanation and in the metadata of Inspect's log.

Source: inspect_ai 0.3.285, `approval/_approver.py`, `approval/_policy.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from countermark.assay.agents.extras import need_inspect
from countermark.assay.agents.inspect_ask import call_body, open_door
from countermark.errors import SettingsError

WORKLOAD: Final = "countermark:workload"
"""Where a sample's store names the workload that it is; empty where there is one credential for all."""

Approve = Callable[[str, Any, Any, list[Any]], Awaitable[Any]]


def gate(
    url: str | None = None, credentials: str | None = None, model: str | None = None, held: str = "escalate"
) -> Approve:
    """Ask a Countermark gateway about each tool call.

    Args:
        url: Address of the gateway; $COUNTERMARK_URL where it is left out.
        credentials: File with the API key that is shown, or with one for each workload; $COUNTERMARK_CREDENTIALS where it is
            left out.
        model: Model that is asked for at the gateway; $COUNTERMARK_MODEL, else `m-1`.
        held: `escalate` what is held to the next approver, or `reject` it.

    Raises:
        ExtraError: Inspect AI is not installed.
        SettingsError: The gateway is not named, or `held` is something else.
    """
    need_inspect()
    import anyio
    from inspect_ai.approval import Approval
    from inspect_ai.util import store

    if held not in ("escalate", "reject"):
        raise SettingsError(f"expected `held` to be escalate or reject, got `{held[:40]}`")
    door = open_door(url, credentials, model)

    async def approve(message: str, call: Any, view: Any, history: list[Any]) -> Any:
        workload = str(store().get(WORKLOAD, ""))
        body = call_body(call, history, model=door.model)
        said = await anyio.to_thread.run_sync(door.ask, workload, body)
        decision = held if said.outcome == "HOLD" else said.decision
        return Approval(decision=decision, explanation=said.explanation, metadata=said.metadata)

    return approve
