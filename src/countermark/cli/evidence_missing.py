"""`countermark evidence missing`: which statements, by whom, would turn what is denied green.

It asks the gateway's own decision about a request that names nobody, and lets it be decided again on the smallest
additional evidence. A request that names persons or addresses may need more: `countermark explain REQUEST.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from countermark.app import Gateway
from countermark.cli.offline import credential_of, offline_gateway
from countermark.cli.output import FINDING, Command, dir_option, example, json_option, show
from countermark.config import read_settings
from countermark.decision import Decision, Outcome
from countermark.errors import MalformedError, SettingsError
from countermark.evidence.observation import KnownCredential
from countermark.facts import Facts, Level
from countermark.pdp.asked import Asked
from countermark.pdp.decide import decide_whole
from countermark.pdp.missing import Change, Source, Way, smallest_missing, who_may_give
from countermark.pdp.service import Considered
from countermark.pdp.terms import Terms
from countermark.policy.read import listed
from countermark.request import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """One statement that would help.

    Attributes:
        on_file: Digest of a statement on file that lacks only a countersignature; None where it has to be made.
    """

    source: Source
    changes: tuple[Change, ...]
    on_file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What is missing for one action of a workload.

    Attributes:
        no_credential: Why nobody can ask as this workload at all; None where somebody can.
        unheld: Roles that the clauses ask for and nobody holds: another side's people.
        with_people: What would be decided if somebody held them.
        ways: Smallest evidence, each with the statements that it takes.
    """

    workload: str
    terms: Terms
    decision: Decision
    no_credential: str | None
    credential_source: Source
    unheld: tuple[str, ...]
    with_people: Decision
    ways: tuple[tuple[Way, tuple[Needed, ...]], ...]

    def needs_people(self, way: Way) -> bool:
        """Whether a way counts on people who aren't there yet."""
        return any(role in self.unheld for role in way.decision.quorum)


def _asked(caller: KnownCredential, terms: Terms, action: Action, model: str, tool: str) -> Asked:
    return Asked(
        caller=caller,
        action=action,
        resource=tool if action is Action.CALL else model,
        model=model,
        upstream=terms.bundle.routes[model].upstream,
        descriptor={},
        digest="0" * 64,
        texts=(),
        claims={},
        named=(),
        parts=1,
        size=0,
        sha256="0" * 64,
    )


def _nobody(workload: str) -> KnownCredential:
    """A caller with a credential that isn't there yet: what else is missing can be said all the same."""
    return KnownCredential(
        name="none",
        statement="",
        workload=workload,
        holders=frozenset(),
        may_explain=False,
        public=None,
        valid_until=None,
    )


def find_missing(gateway: Gateway, *, workload: str, action: Action, model: str, tool: str) -> Missing:
    """Ask what is missing.

    Raises:
        CountermarkError: What `Service.consider` could not do.
    """
    service, terms = gateway.service, gateway.service.terms
    now = service.now()
    no_credential = None
    try:
        caller = credential_of(gateway, workload, None)
    except SettingsError as error:
        caller, no_credential = _nobody(workload), str(error)
    considered = service.consider(_asked(caller, terms, action, model, tool), now=now)
    judge = service.judge(workload, tool if action is Action.CALL else model, now)
    roles = terms.bundle.approvals

    facts = considered.facts
    unheld = tuple(role for role in roles if role not in terms.root.roles)
    peopled = replace(facts, possible={**facts.possible, **dict.fromkeys(unheld, 1)})

    def search(on: Facts) -> tuple[Way, ...]:
        return smallest_missing(
            terms.bundle,
            lambda asked: decide_whole(judge, action, asked, roles=roles),
            action=action,
            facts=on,
            runner_level=terms.runner_level,
        )

    found = search(facts)
    if unheld and all(way.replaces for way in found):
        # with people of another side it may be enough to say more, and nothing else than is said now
        found = (*(way for way in search(peopled) if not way.replaces), *found)
    binding = Change(path="operator.binding", before="unknown", needs=(), kind="credential", replaces=False)
    return Missing(
        workload=workload,
        terms=terms,
        decision=considered.decision,
        no_credential=no_credential,
        credential_source=who_may_give(terms.root, binding, workload=workload, now=now),
        unheld=unheld,
        with_people=decide_whole(judge, action, peopled, roles=roles),
        ways=_distinct([(way, tuple(_needed(gateway, considered, way, workload, now))) for way in found]),
    )


def _needed(
    gateway: Gateway, considered: Considered, way: Way, workload: str, now: datetime
) -> Iterator[Needed]:
    for kind in way.kinds:
        changes = tuple(change for change in way.changes if change.kind == kind)
        highest = max(changes, key=lambda change: change.level)
        yield Needed(
            source=who_may_give(gateway.terms.root, highest, workload=workload, now=now),
            changes=changes,
            on_file=_countersignature_only(gateway, considered, changes, workload),
        )


def _distinct(ways: Sequence[tuple[Way, tuple[Needed, ...]]]) -> tuple[tuple[Way, tuple[Needed, ...]], ...]:
    """Ways that differ in what has to be done: other facts of one statement on file are the same countersignature."""
    made: dict[object, tuple[Way, tuple[Needed, ...]]] = {}
    for way, needed in ways:
        to_do = tuple((each.source.kind, each.on_file or each.changes) for each in needed)
        made.setdefault(to_do, (way, needed))
    return tuple(made.values())


def _countersignature_only(
    gateway: Gateway, considered: Considered, changes: Sequence[Change], workload: str
) -> str | None:
    """The statement on file that says already what is needed, as one party's word."""
    facts = considered.gathered.appraisal.facts
    for change in changes:
        known = facts[change.name].values.get(Level.OPERATOR) if change.name in facts else None
        if change.level < Level.COUNTERSIGNED or known not in change.needs:
            return None
    support = next(iter(facts[changes[0].name].support), None)
    return support.statement if support is not None else None


@click.command("missing", cls=Command)
@click.option("--workload", required=True, help="PARTY/NAME, or NAME where one party stands alone.")
@click.option(
    "--action",
    type=click.Choice(("prompt", "call")),
    default="prompt",
    show_default=True,
    help="What is asked.",
)
@click.option("--tool", default="", help="Tool that is called (with --action call).")
@click.option("--model", help="Model that is asked. [default: the bundle's first]")
@dir_option
@json_option
@example("countermark evidence missing --workload office --dir my-gateway")
def missing(workload: str, action: str, tool: str, model: str | None, folder: Path, *, as_json: bool) -> None:
    """Say which statements, by whom, would turn what is denied or held green. Exit code 1 while something is missing.

    For a request that names nobody; `countermark explain REQUEST.json` asks about one that does.
    """
    if (action == "call") != bool(tool):
        raise MalformedError("expected --tool with --action call, and only there")
    with offline_gateway(read_settings(folder)) as gateway:
        terms = gateway.terms
        if "/" not in workload and len(terms.root.sides) > 1:
            raise MalformedError(f"expected --workload as PARTY/NAME, got `{workload[:60]}`")
        full = workload if "/" in workload else f"{next(iter(terms.root.sides))}/{workload}"
        asked_model = model or next(iter(terms.bundle.routes))
        if asked_model not in terms.bundle.routes:
            raise MalformedError(
                f"expected --model of the bundle's routes ({', '.join(terms.bundle.routes)}), got `{asked_model[:60]}`"
            )
        found = find_missing(gateway, workload=full, action=Action(action), model=asked_model, tool=tool)
    show(_document(found), as_json=as_json, text=lambda: "\n".join(_lines(found)))
    if found.no_credential is not None or found.decision.outcome is not Outcome.PERMIT:
        raise click.exceptions.Exit(FINDING)


def _people(known: Mapping[str, Sequence[str]]) -> str:
    return listed([f"{role} ({', '.join(persons)})" for role, persons in known.items()], "or")


def _document(found: Missing) -> dict[str, Any]:
    return {
        "workload": found.workload,
        "one_sided": found.terms.root.one_sided,
        "outcome": found.decision.outcome.name,
        "clauses": list(found.decision.clauses),
        "error": found.decision.error,
        "quorum": dict(found.decision.quorum),
        "no_credential": found.no_credential,
        "roles_nobody_holds": list(found.unheld),
        "outcome_with_them": found.with_people.outcome.name,
        "ways": [
            {
                "outcome": way.decision.outcome.name,
                "quorum": dict(way.decision.quorum),
                "needs_people_of_another_side": found.needs_people(way),
                "replaces": way.replaces,
                "statements": [
                    {
                        "kind": each.source.kind,
                        "subject": each.source.subject,
                        "level": each.source.level.word,
                        "makers": {role: list(who) for role, who in each.source.makers.items()},
                        "countersigners": {
                            role: list(who) for role, who in each.source.countersigners.items()
                        },
                        "on_file": each.on_file,
                        "facts": {change.path: list(change.needs) for change in each.changes},
                    }
                    for each in needed
                ],
            }
            for way, needed in found.ways
        ],
    }


def _lines(found: Missing) -> Iterator[str]:
    decision, root = found.decision, found.terms.root
    if found.no_credential is not None:
        makers = _people(found.credential_source.makers) or "nobody: no role of the trust root may"
        yield f"Nobody can ask as {found.workload} yet: no credential is on file and in force (401)."
        yield f"  one `credential` about {found.workload}, stated by {makers}:"
        yield f"    countermark evidence new credential --workload {found.workload} ..."
        yield ""
    if decision.outcome is Outcome.PERMIT:
        one = " (one-sided: on one party's word)" if root.one_sided else ""
        yield f"PERMIT{one}: nothing else is missing for a request that names nobody"
        return
    by = f" by {listed(decision.clauses, 'and')}" if decision.clauses else ""
    yield f"{decision.outcome.name}{by} now" + (f": {decision.error}" if decision.error else "")
    if decision.error is not None:
        yield "No evidence would change that."
        return
    if decision.outcome is Outcome.HOLD:
        yield f"It waits for people, as it is: {_quorum(decision.quorum, found)}"
    yield from _way_lines(found)
    yield from _counterpart_lines(found)


def _quorum(quorum: Mapping[str, int], found: Missing) -> str:
    root = found.terms.root
    return listed(
        [
            f"{count} x {role} ({', '.join(root.roles[role].persons) if role in root.roles else 'nobody holds it'})"
            for role, count in quorum.items()
        ],
        "and",
    )


def _way_lines(found: Missing) -> Iterator[str]:
    root = found.terms.root
    runner = root.runner_of(found.terms.gateway)
    if not found.ways and not root.one_sided and found.terms.runner_level is Level.OPERATOR:
        yield f"The charter names nobody as an observer who runs this gateway ({runner}), so what it sees (who asks) is"
        yield "one party's word, and no fact counts as countersigned. Every side has to sign a charter that names one."
    elif not found.ways:
        yield "No statement that could be made would change the answer."
    for number, (way, needed) in enumerate(found.ways, start=1):
        then = way.decision.outcome.name
        if way.decision.quorum:
            then += f", waiting for {_quorum(way.decision.quorum, found)},"
        another = " (another truth than what is on file)" if way.replaces else ""
        yield f"{number}. {then} with{another}:"
        for each in needed:
            yield from _statement_lines(each, one_sided=root.one_sided)


def _statement_lines(each: Needed, *, one_sided: bool) -> Iterator[str]:
    source = each.source
    counter = _people(source.countersigners) or "nobody: the charter names no counterpart"
    if each.on_file is not None:
        yield f"   a countersignature of {counter}"
        yield f"     of the `{source.kind}` about {source.subject} that is on file: {each.on_file[:16]}"
        yield f"     countermark evidence request WHO {source.kind}:{source.subject} --out request.md"
        return
    yield f"   one `{source.kind}` about {source.subject}, stated by {_people(source.makers) or 'nobody: no role may'}"
    if source.level >= Level.COUNTERSIGNED and source.kind != "credential" and not one_sided:
        yield f"     and countersigned by {counter}"
    yield "     that says"
    yield from (f"       {change.path} = {listed(change.needs, 'or')}" for change in each.changes)
    workload = f" --workload {source.subject}" if "NUMBER" not in source.subject else ""
    yield f"     countermark evidence new {source.kind}{workload} ..."


def _counterpart_lines(found: Missing) -> Iterator[str]:
    """The other side's people, where clauses ask for them and there is no such side yet."""
    if not found.unheld:
        return
    if (
        any(found.needs_people(way) for way, _ in found.ways)
        or found.with_people.outcome is not found.decision.outcome
    ):
        yield f"Nobody holds these roles: {listed(found.unheld, 'and')}. What asks for their people is not permitted until a"
        yield "charter names some: those of another side by inviting a counterpart (docs/how-to/two-sides.md)."
