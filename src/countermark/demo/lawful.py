"""What other terms would have decided: the same requests and statements under the bundle `all-lawful-uses`.

Nothing is asked or recorded: facts are gathered from the statements on file as the gateway does it, and decided.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from countermark.app import SELECTOR_KEYS, read_selector_keys, read_trust_root
from countermark.config import read_settings
from countermark.demo.story import STORY, sweep
from countermark.demo.world import MODEL, World
from countermark.evidence.credentials import CredentialIndex
from countermark.facts import Facts
from countermark.oversight.action import action_descriptor, action_digest, call_descriptor
from countermark.pdp.asked import Asked
from countermark.pdp.decide import decide
from countermark.pdp.gather import Gatherer, view_values
from countermark.pdp.on_file import StatementsOnFile
from countermark.pdp.terms import make_terms
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle
from countermark.request import Action
from countermark.store.statement_folder import StatementFolder

ACTUATE_ARGUMENTS = {"target": "T-114"}


def lawful_outcomes(world: World, *, now: datetime) -> dict[int, str]:
    """Request number to the outcome under `all-lawful-uses`."""
    settings = read_settings(world.gateway)
    root = read_trust_root(settings.trust_root_file, now=now)
    bundle = load_bundle(shipped_bundle("all-lawful-uses"))
    terms = make_terms(root, bundle, gateway=settings.gateway, approved_until=None)
    statements = StatementsOnFile(
        StatementFolder(settings.statements_folder).read_all().values(), root, now=now, skew_s=bundle.skew_s
    )
    gatherer = Gatherer(terms, statements, read_selector_keys(settings.keys_folder / SELECTOR_KEYS))
    credentials = CredentialIndex(statements.of_kind("credential"), root=root)
    made: dict[int, str] = {}
    for asking in STORY:
        workload, text = (asking.workload, asking.text) if asking.number != 11 else sweep()[0]
        key = world.client_keys.get(workload)
        caller = (
            credentials.by_key_id(key.public.keyid, now)
            if key is not None
            else credentials.by_api_key(world.api_keys[workload], now)
        )
        body = json.dumps({**asking.body, "messages": [{"role": "user", "content": text}]}).encode()
        action = Action.CALL if asking.tools else Action.PROMPT
        if asking.tools:
            descriptor = call_descriptor(
                workload=caller.workload, tool="actuate", arguments=ACTUATE_ARGUMENTS, bundle=bundle.digest
            )
        else:
            descriptor = action_descriptor(
                workload=caller.workload,
                action=action,
                resource=MODEL,
                upstream="loopback",
                body_sha256=hashlib.sha256(body).hexdigest(),
                headers={},
            )
        asked = Asked(
            caller=caller,
            action=action,
            resource="actuate" if asking.tools else MODEL,
            model=MODEL,
            upstream="loopback",
            descriptor=descriptor,
            digest=action_digest(descriptor),
            texts=(text,),
            claims=dict(asking.claims),
            named=(),
            parts=1,
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )
        gathered = gatherer.gather(asked, now=now)
        decision = decide(
            bundle,
            terms.evaluator,
            action=action,
            workload=caller.workload,
            resource=asked.resource,
            facts=Facts(values=view_values(gathered.appraisal, terms.views)),
            now=now,
        )
        made[asking.number] = decision.outcome.name
    return made
