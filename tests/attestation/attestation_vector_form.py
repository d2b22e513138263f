"""The form that every vector of spec/vectors/attestation has."""

from __future__ import annotations

import json
from datetime import datetime

from countermark.clock import format_time

Files = dict[str, bytes]


def pretty(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def expecting(operation: str, claim: str, now: datetime, **result: object) -> bytes:
    return pretty({"claim": claim, "operation": operation, "now": format_time(now), "skew_s": 60, **result})
