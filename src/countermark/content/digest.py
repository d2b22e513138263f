"""The one digest of content that entries, approvals and grants name: SHA-256 in lower-case hex."""

from __future__ import annotations

import hashlib


def sha256_hex(data: bytes) -> str:
    """SHA-256 of `data` as 64 lower-case hex digits. Compute it once per message and pass it on."""
    return hashlib.sha256(data).hexdigest()
