"""A nonce store in memory, and a request signed with our client side, for tests of possession."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from evidence_world import NOW, key

from countermark.client_auth import sign_request
from countermark.evidence.possession import verify_possession

URL = "https://gateway.example/v1/chat/completions"
BODY = b'{"model":"m-1"}'
PRIVATE = key("workload")


class Nonces:
    """Remembers every nonce, and until when it was to be kept."""

    def __init__(self) -> None:
        self.known: dict[str, datetime] = {}

    def remember(self, nonce_key: str, until: datetime) -> bool:
        """As the Protocol says."""
        return self.known.setdefault(nonce_key, until) is until


def signed(**changes: Any) -> dict[str, str]:
    """The headers of a signed request."""
    arguments: dict[str, Any] = {
        "method": "POST",
        "target_uri": URL,
        "credential_header": "authorization",
        "credential": "Bearer office-1",
        "body": BODY,
        "private_key": PRIVATE,
        "keyid": PRIVATE.public.keyid,
        "created": int(NOW.timestamp()),
        "nonce": "Yk3v0pWq7hR2mZ5tXcB1dg",
    } | changes
    return {arguments["credential_header"]: arguments["credential"], **sign_request(**arguments)}


def verify(headers: Any, **changes: Any) -> None:
    """Verify as the gateway does, a request that was received as it was sent unless changed."""
    arguments: dict[str, Any] = {
        "method": "POST",
        "target_uri": URL,
        "headers": headers,
        "body_sha256": hashlib.sha256(BODY).hexdigest(),
        "public_key": PRIVATE.public,
        "nonces": Nonces(),
        "now": NOW,
    }
    verify_possession(**arguments | changes)
