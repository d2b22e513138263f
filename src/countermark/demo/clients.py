"""The official client packages, unchanged: who has them needs nothing of ours to ask a gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from countermark.client_auth import SignatureAuth
from countermark.demo.world import World
from countermark.errors import SettingsError


def clients() -> tuple[Any, Any]:
    """The packages `openai` and `anthropic`.

    Raises:
        SettingsError: They are not installed.
    """
    try:
        import anthropic
        import openai
    except ImportError as error:
        raise SettingsError(
            "expected the packages `openai` and `anthropic`: pip install 'countermark[demo]'"
        ) from error
    return openai, anthropic


def workload_client(
    world: World, address: str, workload: str, *, sent: Callable[[Any], None] | None = None, **more: Any
) -> Any:
    """The official OpenAI client of a workload, unchanged but for address and credential.

    Args:
        sent: Called with each request before it is sent.
        more: For the client.

    Raises:
        SettingsError: The client packages are not installed.
    """
    openai, _ = clients()
    key = world.client_keys.get(workload)
    http = openai.DefaultHttpxClient(
        event_hooks={} if sent is None else {"request": [sent]},
        auth=None if key is None else SignatureAuth(key),
    )
    return openai.OpenAI(
        api_key=world.api_keys.get(workload, workload), base_url=f"{address}/v1", http_client=http, **more
    )
