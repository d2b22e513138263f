"""`deployment`: which system the model sits in, who operates it, and what its tools and answers can set off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from countermark.evidence.predicates.fields import (
    PARTY,
    TEXT,
    TOOL,
    WORKLOAD,
    Common,
    Fields,
    read_common,
    read_descriptor,
)

EFFECTS: Final = ("actuate", "decide", "communicate", "spend")
"""Set off a physical effect; decide about a person; speak to somebody outside; spend money: nobody in between."""
ENVIRONMENTS: Final = ("production", "test")
SITES: Final = ("office", "persons-analysis", "actuating", "closed")
MAX_TOOLS: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The system around the model.

    Attributes:
        workload: `party/name` that this is the deployment of.
        system: What it is, in words.
        operator: Party that operates it.
        site: Kind of deployment, as reports group them.
        tools: Each declared tool's effects. A tool that isn't here may not be called.
        answer_effects: What acting on the plain answer sets off, where no person stands between.
    """

    common: Common
    workload: str
    system: str
    operator: str
    environment: str
    site: str
    tools: Mapping[str, tuple[str, ...]]
    answer_effects: tuple[str, ...]


def parse_deployment(predicate: Mapping[str, object]) -> Deployment:
    """Read the predicate of a deployment statement.

    Raises:
        MalformedError: Not what `spec/predicates/deployment.schema.json` says; the message names the field.
    """
    fields = Fields(predicate, "deployment")
    workload, _ = read_descriptor(fields, key="workload", pattern=WORKLOAD)
    common = read_common(fields)
    tools: dict[str, tuple[str, ...]] = {}
    for name, tool in fields.items("tools", TOOL, most=MAX_TOOLS).items():
        tools[name] = tool.choices("effects", EFFECTS, least=0)
        tool.done()
    deployment = Deployment(
        common=common,
        workload=workload,
        system=fields.text("system", TEXT),
        operator=fields.text("operator", PARTY),
        environment=fields.choice("environment", ENVIRONMENTS),
        site=fields.choice("site", SITES),
        tools=MappingProxyType(tools),
        answer_effects=fields.choices("answer_effects", EFFECTS, least=0),
    )
    fields.done()
    return deployment
