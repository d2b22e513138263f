"""The three columns beside Countermark's: the same twelve requests, seen by layers that read only content, and by people.

R and C are asked live; C's gateway has one clause, which stops what its classifier flags. Supervisors are simulated: a draw
that is keyed by the request's bytes, so the same in every telling. Like anybody who is shown only the text, they can't tell
twins apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from countermark.assay.supervision.simulated import Supervisors
from countermark.demo.clients import clients, workload_client
from countermark.demo.story import STORY, Asking, sweep
from countermark.demo.world import MODEL, make_world
from countermark.loopback.refusal import REFUSAL
from countermark.policy.shipped import shipped_bundle
from countermark.stacks.process import gateway_process

SUPERVISORS = Supervisors(coverage=0.05, hit=0.8, false_alarm=0.02, seed=1)
"""They read 5 % of the requests; of misuse whose words show it, they stop 80 % of what they read."""

Stopped = Mapping[int, bool]
"""Request to whether it was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What each of the three stopped."""

    refusal: Stopped
    classifier: Stopped
    supervisors: Stopped

    @property
    def columns(self) -> Mapping[str, Stopped]:
        """By name, in the order of the table."""
        return {"refusal": self.refusal, "+ classifier": self.classifier, "+ supervisors": self.supervisors}


def bodies(asking: Asking) -> list[tuple[str, Mapping[str, Any]]]:
    """Workload and body of each request that one row of the story stands for; the sweep is many."""
    if asking.number == 11:
        return [
            (workload, {"model": MODEL, "messages": [{"role": "user", "content": text}]})
            for workload, text in sweep()
        ]
    return [(asking.workload, asking.body)]


def refused(address: str) -> Stopped:
    """Column R: straight to a model that refuses by wording."""
    openai, _ = clients()
    client = openai.OpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0)
    return {
        asking.number: any(_is_refused(client.chat.completions.create(**body)) for _, body in bodies(asking))
        for asking in STORY
    }


def classified(folder: Path, upstream_url: str) -> Stopped:
    """Column C: a gateway whose only clause stops what a classifier flags, before the model that refuses by wording."""
    openai, _ = clients()
    world = make_world(folder, upstream_url=upstream_url, bundle=shipped_bundle("classifier-only"))
    with gateway_process(world.gateway) as address:

        @cache
        def client(workload: str) -> Any:
            return workload_client(world, address, workload, max_retries=0)

        def stopped(workload: str, body: Mapping[str, Any]) -> bool:
            try:
                return _is_refused(client(workload).chat.completions.create(**body))
            except openai.APIStatusError as error:
                if error.status_code != 403:
                    raise
                return True

        return {asking.number: any(stopped(*each) for each in bodies(asking)) for asking in STORY}


def supervised(before: Stopped) -> Stopped:
    """Column S: what column C let through, and supervisors stopped."""
    return {
        asking.number: before[asking.number]
        or any(
            SUPERVISORS.stopped(_digest(body), misuse=asking.misuse, visible_in=asking.visible_in)
            for _, body in bodies(asking)
        )
        for asking in STORY
    }


def _is_refused(answer: Any) -> bool:
    return bool(answer.choices[0].message.content == REFUSAL)


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
