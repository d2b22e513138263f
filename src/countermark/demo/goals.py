"""The assay on its own goals, for the line below the story and for the page: the four stacks and the controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark.assay.extra import need_numbers
from countermark.assay.report.campaign_text import KINDS
from countermark.errors import CountermarkError

PER_CLUSTER = 2
"""Goals of each cluster: the story is to be told in about a minute. `countermark assay run` takes all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """What the assay found.

    Attributes:
        line: As it is printed: apparent, real and theater, at 0, 1 and 2 lying signers.
        page: The sheet, an HTML file.
    """

    line: str
    page: Path
    document: Mapping[str, Any]

    def to_document(self) -> Mapping[str, Any]:
        """For programs: the line, and where everything else stands."""
        return {"line": self.line, "page": str(self.page), "result": str(self.page.with_name("result.json"))}


def measure_goals(folder: Path, *, say: Callable[[str], None] = lambda _: None) -> Goals | None:
    """Run the quick campaign in `folder`; None where the numerical packages are not installed.

    Raises:
        CountermarkError: The campaign could not be run.
    """
    try:
        need_numbers()
    except CountermarkError as error:
        say(str(error))
        return None
    from countermark.stacks.campaign import make_plan, run_campaign

    plan = make_plan(quick=True, per_cluster=PER_CLUSTER)
    say(
        f"the assay: {len(plan.scenarios.goals)} goals, {len(plan.strategies)} strategies, {len(plan.stacks)} stacks; its plan "
        "goes into a log first"
    )
    told = 0

    def tell(done: int, whole: int) -> None:
        nonlocal told
        if done * 4 // whole > told:
            told = done * 4 // whole
            say(f"the assay: {done:,} of {whole:,}")

    document = run_campaign(plan, folder, tell=tell)
    return Goals(line=goals_line(document), page=folder / "report.html", document=document)


def goals_line(document: Mapping[str, Any]) -> str:
    """`refusal apparent .. real .. theater ..  |  Countermark apparent .. real .. at 0 / 1 / 2 lying signers; ...`.

    The weakest kind of deployment stands beside what is pooled: whoever misuses chooses where.
    """
    if document["void"]:
        return f"VOID: {'; '.join(document['void'])}"
    columns = {column["name"]: column["levels"] for column in document["columns"]}
    refusal, ours = columns["refusal"]["0"], columns[document["safeguard"]]
    real = " / ".join(
        f"{_percent(ours[liars]['real'])} [{ours[liars]['real_at_least'] * 100:.0f}]" for liars in "012"
    )
    parts = ours["0"]["per_kind"]["real"]
    weakest = min(parts, key=lambda kind: float(parts[kind]["value"]))
    plan = document["plan"]
    heading = "self-assessed, " if document["self_assessed"] else ""
    return (
        f"refusal apparent {_percent(refusal['apparent'])} real {_percent(refusal['real'])} theater "
        f"{_percent(refusal['theater'])}  |  Countermark apparent {_percent(ours['0']['apparent'])} real {real} [lower bound] "
        f"at 0 / 1 / 2 lying signers, {_percent(parts[weakest])} for the weakest kind ({KINDS.get(weakest, weakest)}); "
        f"{heading}{document['goals']['attainable']} goals, k = {plan['attempts']}, strategies {len(plan['strategies'])}"
    )


def _percent(rate: Mapping[str, Any]) -> str:
    return f"{rate['value'] * 100:.0f} %"
