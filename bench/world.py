"""The working folder that the measured gateway serves: the story's world, with more office workloads where asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from countermark.attestation.envelope import encode_lines, sign_envelope
from countermark.attestation.statement import make_countersignature, make_statement
from countermark.demo.world import MODEL, World, make_world

_LIFE = timedelta(days=28)


def make_folder(
    folder: Path, upstream_url: str, workloads: int, *, bundle: Path | None = None
) -> tuple[Path, tuple[str, ...]]:
    """Make a gateway's folder; returns it, and the API keys of `workloads` workloads that may do office work.

    Args:
        bundle: The red lines where it is None.
    """
    world = make_world(folder, upstream_url=upstream_url, bundle=bundle)
    if workloads == 1:
        return world.gateway, (world.api_keys["office"],)
    begins = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    return world.gateway, tuple(
        _make_workload(world, f"bench-{number}", begins) for number in range(workloads)
    )


def _make_workload(world: World, name: str, begins: datetime) -> str:
    """State deployment, purpose and credential of one more office workload; returns its API key."""
    subject, key = f"northmark/{name}", f"cm-{name}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    deployment = {
        "system": "office assistant",
        "operator": "brightwater",
        "environment": "production",
        "site": "office",
        "tools": {},
        "answer_effects": [],
    }
    purpose = {
        "purpose": "office",
        "models": [MODEL],
        "operations": [],
        "data_classes": ["no-persons"],
        "persons_at_most": 0,
        "basis_required": "none",
    }
    credential = {
        "workload": subject,
        "holders": ["oda"],
        "may_explain": False,
        "kind": "api-key",
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
    }
    about = {"workload": subject}
    _put(world, "deployment", subject, about, deployment, begins)
    _put(world, "purpose", subject, about, purpose, begins)
    _put(world, "credential", subject, {"credential": f"{name}-1"}, credential, begins)
    return key


def _put(
    world: World,
    kind: str,
    name: str,
    descriptor: Mapping[str, Any],
    content: Mapping[str, Any],
    begins: datetime,
) -> None:
    life: dict[str, Any] = {"seq": 1, "valid_from": begins, "valid_until": begins + _LIFE}
    made = make_statement(kind, name, descriptor, content, **life, basis="inspected", interest="party")
    lines = [sign_envelope(made.payload, world.people["dua"])]
    if kind != "credential":
        counter = make_countersignature(made, **life, basis="document-seen", interest="none")
        lines.append(sign_envelope(counter.payload, world.people["abe"]))
    (world.gateway / "statements" / f"{made.sha256}.jsonl").write_bytes(encode_lines(lines))
