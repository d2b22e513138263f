"""What is said of a workload, as the contents of its statements; who signs them is said elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Described(Protocol):
    """A workload in words: `assay`'s papers and the demo's workloads are such."""

    @property
    def system(self) -> str:
        """What it is."""
        ...

    @property
    def site(self) -> str:
        """Kind of deployment."""
        ...

    @property
    def tools(self) -> Mapping[str, Sequence[str]]:
        """Tool to its effects."""
        ...

    @property
    def answer_effects(self) -> Sequence[str]:
        """What acting on a plain answer does."""
        ...

    @property
    def purpose(self) -> str:
        """What it is for."""
        ...

    @property
    def models(self) -> Sequence[str]:
        """Models that serve it."""
        ...

    @property
    def operations(self) -> Sequence[str]:
        """What is done with persons."""
        ...

    @property
    def data_classes(self) -> Sequence[str]:
        """Which data it carries."""
        ...

    @property
    def persons_at_most(self) -> int:
        """How many persons one request may be about."""
        ...

    @property
    def basis(self) -> str:
        """The legal basis that each request needs."""
        ...


def deployment_content(of: Described) -> dict[str, Any]:
    """The system around the model, and what its tools and answers set off."""
    return {
        "system": of.system,
        "operator": "brightwater",
        "environment": "production",
        "site": str(of.site),
        "tools": {tool: {"effects": list(effects)} for tool, effects in of.tools.items()},
        "answer_effects": list(of.answer_effects),
    }


def purpose_content(of: Described) -> dict[str, Any]:
    """What it may be used for."""
    return {
        "purpose": of.purpose,
        "models": list(of.models),
        "operations": list(of.operations),
        "data_classes": list(of.data_classes),
        "persons_at_most": of.persons_at_most,
        "basis_required": of.basis,
    }


def order_content(
    workloads: Sequence[str], *, selectors: Mapping[str, Any], may_derive: Sequence[str]
) -> dict[str, Any]:
    """Persons whom an order names, by keyed digest, and what may be found out about them."""
    return {
        "type": "order",
        "workloads": list(workloads),
        "selectors": dict(selectors),
        "may_derive": list(may_derive),
    }


def consent_content(workloads: Sequence[str], *, may_derive: Sequence[str], data_set: str) -> dict[str, Any]:
    """A data set whose subjects consented, and to what."""
    return {
        "type": "consent",
        "workloads": list(workloads),
        "may_derive": list(may_derive),
        "data_set": data_set,
    }


def engagement_content(workloads: Sequence[str], *, ranges: Sequence[str]) -> dict[str, Any]:
    """Networks that may be tested."""
    return {"workloads": list(workloads), "ranges": list(ranges), "names": []}
