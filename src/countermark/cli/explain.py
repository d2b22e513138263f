"""`countermark explain`: why a request is, or was, decided as it is: facts, who stands behind them, and what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from countermark.cli.log import find_entry
from countermark.cli.offline import WIRES, archive_of, credential_of, offline_gateway, read_asked
from countermark.cli.output import FINDING, Command, dir_option, example, json_option, progress, show
from countermark.cli.signing import read_file
from countermark.clock import format_time, parse_time
from countermark.config import read_settings
from countermark.decision import Decision, Outcome
from countermark.errors import MalformedError, SettingsError
from countermark.evidence.appraise import Appraisal
from countermark.evidence.observation import KnownCredential
from countermark.facts import CONFLICT, LEVELS_BY_WORD, MOST, UNKNOWN, Facts, Level, Support
from countermark.oversight.shown import fact_to_dict
from countermark.oversight.words import plain
from countermark.pdp.archive import Archive
from countermark.pdp.decide import Judge, decide_whole
from countermark.pdp.missing import Source, Way, smallest_missing, who_may_give
from countermark.pdp.on_file import StatementsOnFile
from countermark.pdp.redecide import Redecided
from countermark.pdp.replay import Replayer
from countermark.pdp.terms import Terms
from countermark.policy.read import listed
from countermark.request import Action
from countermark.tlog.entry import parse_entry
from countermark.tlog.publish import CHECKPOINT
from countermark.tlog.reader import LogReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Everything that is said of one decision."""

    terms: Terms
    statements: StatementsOnFile
    caller: KnownCredential
    action: Action
    resource: str
    at: datetime
    decision: Decision
    facts: Facts
    appraisal: Appraisal
    notes: tuple[str, ...]
    judge: Judge
    entry: Mapping[str, Any] | None = None
    index: int | None = None
    mismatches: tuple[str, ...] = ()


@click.command(cls=Command)
@click.argument("what", metavar="REQUEST.json|DECISION-ID")
@click.option("--workload", metavar="PARTY/NAME", help="Who asks; needed for a request.")
@click.option("--credential", metavar="NAME", show_default="the first on file", help="With which credential.")
@click.option(
    "--api", type=click.Choice(WIRES), default="openai", show_default=True, help="Whose form the request has."
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME:VALUE",
    help="A header of the request, for example `countermark-claims: bulk_persons=yes`.",
)
@dir_option
@json_option
@example("countermark explain request.json --workload northmark/office --dir my-gateway")
def explain(
    what: str,
    workload: str | None,
    credential: str | None,
    api: str,
    headers: tuple[str, ...],
    folder: Path,
    *,
    as_json: bool,
) -> None:
    """Say why a request would be decided as it is now, or why a decision of the log was: nothing is sent or entered.

    Shows the facts that clauses read, with assurance, ties, signers and how they know; what was ignored and why; the
    clauses that decided; and the smallest additional evidence that would change the answer, with who could give it.
    A decision is taken again from the statements that were on file then.

    Works on the folder, also while the gateway runs. Exit code 0: PERMIT. 1: HOLD or DENY.
    """
    if what.startswith("d_") and not Path(what).exists():
        with progress("replaying", quiet=as_json) as tell:
            explained = _of_decision(what, folder, tell)
        _say(explained, as_json=as_json)
        return
    if workload is None:
        raise SettingsError("expected who asks, with --workload PARTY/NAME")
    with offline_gateway(read_settings(folder)) as gateway:
        caller = credential_of(gateway, workload, credential)
        asked = read_asked(
            gateway, caller, api=api, headers=dict(map(_header, headers)), body=read_file(Path(what))
        )
        service = gateway.service
        now = service.now()
        considered = service.consider(asyncio.run(service.seen_through(asked)), now=now)
        _say(
            Explained(
                terms=service.terms,
                statements=service.statements,
                caller=caller,
                action=asked.action,
                resource=asked.resource,
                at=now,
                decision=considered.decision,
                facts=considered.facts,
                appraisal=considered.gathered.appraisal,
                notes=considered.notes,
                judge=service.judge(caller.workload, asked.resource, now),
            ),
            as_json=as_json,
        )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise MalformedError(f"expected a header as `name: value`, got `{text[:60]}`")
    return name.strip().lower(), value.strip()


def _of_decision(decision_id: str, folder: Path, tell: Callable[[int, int], None]) -> Explained:
    """A decision of the log, taken again at its place."""
    log = folder / "log"
    if not (log / CHECKPOINT).is_file():
        raise SettingsError(f"expected a log in `{log}`: name the gateway's folder with --dir")
    reader = LogReader(log)
    index, _ = find_entry(reader, decision_id)
    replayer = Replayer(Archive(archive_of(folder)))
    found: Redecided | None = None
    for number, data in reader.entries(0, index + 1):
        entry = parse_entry(data)
        # decisions before it change nothing that it rests on
        if number == index or entry["kind"] != "decision":
            found = replayer.take(number, entry)
        tell(number, index)
    if found is None or found.caller is None or found.appraisal is None:
        why = found.decision.error if found is not None else "no decision"
        raise SettingsError(f"expected a decision that can be taken again, got `{decision_id}`: {why}")
    assert found.facts is not None  # noqa: S101 - there where the appraisal is
    assert found.judge is not None  # noqa: S101 - likewise
    recorded = found.entry
    decision = found.decision
    if found.on_error:
        decision = Decision(
            outcome=Outcome.DENY, clauses=(), bundle=decision.bundle, error=str(recorded["error"])
        )
    return Explained(
        terms=found.in_use.terms,
        statements=found.in_use.statements,
        caller=found.caller,
        action=Action(recorded["action"]),
        resource=str(recorded["resource"]),
        at=parse_time(recorded["at"]),
        decision=decision,
        facts=found.facts,
        appraisal=found.appraisal,
        notes=found.notes,
        judge=found.judge,
        entry=recorded,
        index=index,
        mismatches=tuple(str(each) for each in found.mismatches),
    )


def _ways(explained: Explained) -> tuple[tuple[Way, tuple[Source, ...]], ...]:
    """The smallest evidence that would change the answer, and who could give it."""
    if explained.decision.error is not None:
        return ()
    roles = explained.terms.bundle.approvals
    root = explained.terms.root
    ways = smallest_missing(
        explained.terms.bundle,
        lambda facts: decide_whole(explained.judge, explained.action, facts, roles=roles),
        action=explained.action,
        facts=explained.facts,
        runner_level=explained.terms.runner_level,
    )
    made = []
    for way in ways:
        sources = {
            change.kind: who_may_give(root, change, workload=explained.caller.workload, now=explained.at)
            for change in way.changes
        }
        made.append((way, tuple(sources.values())))
    return tuple(made)


def _say(explained: Explained, *, as_json: bool) -> None:
    ways = _ways(explained)
    show(_document(explained, ways), as_json=as_json, text=lambda: "\n".join(_lines(explained, ways)))
    if explained.decision.outcome is not Outcome.PERMIT:
        raise click.exceptions.Exit(FINDING)


def _document(explained: Explained, ways: tuple[tuple[Way, tuple[Source, ...]], ...]) -> dict[str, Any]:
    decision, appraisal = explained.decision, explained.appraisal
    return {
        "decision": None if explained.entry is None else explained.entry["id"],
        "index": explained.index,
        "at": format_time(explained.at),
        "workload": explained.caller.workload,
        "credential": explained.caller.name,
        "action": explained.action.value,
        "resource": explained.resource,
        "bundle": explained.terms.bundle.digest,
        "one_sided": explained.terms.root.one_sided,
        "outcome": decision.outcome.name,
        "clauses": list(decision.clauses),
        "quorum": dict(decision.quorum),
        "approved": {role: n for role, n in explained.facts.approvals.items() if n},
        "observe": decision.observe,
        "error": decision.error,
        "valid_until": format_time(decision.valid_until) if decision.valid_until else None,
        "values": dict(explained.facts.values),
        "facts": [fact_to_dict(fact) for fact in appraisal.facts.values()],
        "relations": [str(relation) for relation in appraisal.relations],
        "ignored": [
            {"statement": each.statement, "kind": each.kind, "name": each.name, "reason": each.reason}
            for each in appraisal.ignored
        ],
        "notes": list(explained.notes),
        "mismatches": list(explained.mismatches),
        "missing": [_way_document(way, sources) for way, sources in ways],
    }


def _way_document(way: Way, sources: tuple[Source, ...]) -> dict[str, Any]:
    return {
        "outcome": way.decision.outcome.name,
        "quorum": dict(way.decision.quorum),
        "replaces": way.replaces,
        "changes": [
            {"fact": each.path, "now": each.before, "needs": list(each.needs), "kind": each.kind}
            for each in way.changes
        ],
        "statements": [
            {
                "kind": each.kind,
                "subject": each.subject,
                "makers": {role: list(persons) for role, persons in each.makers.items()},
                "countersigners": {role: list(persons) for role, persons in each.countersigners.items()},
            }
            for each in sources
        ],
    }


def _lines(explained: Explained, ways: tuple[tuple[Way, tuple[Source, ...]], ...]) -> Iterator[str]:
    decision = explained.decision
    yield from _heading(explained)
    for each in explained.mismatches:
        yield f"FOUND: {each}"
    yield ""
    yield from _clauses(explained)
    yield "What clauses read, and who stands behind it:"
    yield from _facts(explained)
    if explained.appraisal.relations:
        yield ""
        yield from (f"  {plain(str(relation))}" for relation in explained.appraisal.relations)
    if explained.appraisal.ignored:
        yield ""
        yield "Ignored:"
        for ignored in explained.appraisal.ignored:
            about = f"{ignored.kind} {plain(ignored.name)}".strip()
            yield f"  {ignored.statement[:12]} {about}: {plain(ignored.reason)}".replace("  :", ":")
    for note in explained.notes:
        yield f"  an approval doesn't count: {plain(note)}"
    if decision.outcome is not Outcome.PERMIT:
        yield ""
        yield from _missing(explained, ways)


def _heading(explained: Explained) -> Iterator[str]:
    decision, terms, caller = explained.decision, explained.terms, explained.caller
    by = f" by {', '.join(decision.clauses)}" if decision.clauses else ""
    if decision.error is not None:
        by = f": {decision.error}"
    elif not decision.clauses:
        by = ": no clause permits it"
    observed = " (only observed: it goes through)" if decision.observe else ""
    yield f"{decision.outcome.name}{by}{observed}"
    resource = plain(explained.resource) or "a model that was not read"
    yield f"  {caller.workload} asks to {explained.action.value} {resource}, at {format_time(explained.at)}"
    who = ", ".join(sorted(caller.holders)) or "nobody named"
    yield f"  credential {plain(caller.name)} ({caller.binding}), held by {who}"
    side = ", one-sided" if terms.root.one_sided else ""
    yield f"  bundle {terms.bundle.name} version {terms.bundle.version} ({terms.bundle.digest[:12]}){side}"
    if explained.entry is not None:
        yield f"  decision {explained.entry['id']}, entry {explained.index}; taken again from the statements on file then"
    if decision.valid_until is not None:
        yield f"  the first of these facts expires at {format_time(decision.valid_until)}"
    approved = {role: n for role, n in explained.facts.approvals.items() if n}
    if approved:
        yield f"  approved by {', '.join(f'{n} x {role}' for role, n in approved.items())}"


def _clauses(explained: Explained) -> Iterator[str]:
    for clause_id in explained.decision.clauses:
        clause = explained.terms.bundle.clause(clause_id)
        yield f"{clause.id} ({'red line' if clause.red_line else 'clause'}): {clause.title}"
        yield from (f"  {line}" for line in clause.sentence.splitlines())
        yield ""


def _facts(explained: Explained) -> Iterator[str]:
    """The values that clauses read, sorted under the statement (or sight) that they come from."""
    behind: dict[tuple[str, str], list[str]] = {}
    supports: dict[tuple[str, str], Support] = {}
    silent: list[str] = []
    for path, value in sorted(explained.facts.values.items()):
        view, _, name = path.partition(".")
        fact = explained.appraisal.facts.get(name)
        level = LEVELS_BY_WORD.get(view)
        if level is None:
            terms = explained.terms.bundle.signals_read[name]
            yield f"  the classifier {terms.classifier} says {path} = {value} (it may only restrict)"
            continue
        heard = [
            each
            for each in (fact.support if fact is not None else ())
            if (each.level is level if level is Level.CLAIMED else each.level >= level)
        ]
        if not heard:
            silent.append(path if value in (UNKNOWN, MOST) else f"{path} = {value}")
        for each in heard:
            key = (each.statement or "", each.tie)
            supports.setdefault(key, each)
            said = f"{path} = {plain(str(each.value))}"
            behind.setdefault(key, []).append(f"{said}, in dispute" if value == CONFLICT else said)
    for key, told in behind.items():
        yield f"  {_support_words(explained.statements, supports[key])}"
        yield from (f"      {plain(signer)}" for signer in supports[key].signers)
        yield from (f"    {each}" for each in told)
    if silent:
        yield f"  nothing is known of {listed(silent, 'and')}"


def _support_words(statements: StatementsOnFile, support: Support) -> str:
    if support.statement is None:
        what = "the caller says" if support.level is Level.CLAIMED else "the gateway saw"
        return f"{what} ({support.level.word}):"
    filed = statements.get(support.statement)
    about = ""
    if filed is not None and filed.statement is not None:
        about = f"{filed.statement.kind} {plain(filed.statement.subject.name)}, "
    until = f", until {format_time(support.valid_until)}" if support.valid_until is not None else ""
    return (
        f"{about}statement {support.statement[:12]}: {support.statement_level.word}; tied by {support.tie} "
        f"({support.tie_level.word}); counts as {support.level.word}{until}"
    )


def _missing(explained: Explained, ways: tuple[tuple[Way, tuple[Source, ...]], ...]) -> Iterator[str]:
    decision, root = explained.decision, explained.terms.root
    if decision.outcome is Outcome.HOLD:
        yield f"To permit it as it is, people have to approve: {_people(decision.quorum, explained)}"
    if decision.error is not None:
        yield "No evidence would change that."
        return
    if not ways:
        claimed = [path for path in explained.facts.values if path.startswith("claimed.")]
        said = [path for path in claimed if explained.facts.values[path] != UNKNOWN]
        because = f" What the caller says itself ({', '.join(said)}) is believed against it." if said else ""
        yield f"No statement that could be made would change the answer.{because}"
        return
    yield "The smallest evidence that would change the answer:"
    for number, (way, sources) in enumerate(ways, start=1):
        then = way.decision.outcome.name
        if way.decision.quorum:
            then += f", once {_people(way.decision.quorum, explained)} approve"
        what = "another truth than what is on file" if way.replaces else "more evidence"
        yield f"  {number}. {then}, with {what}:"
        for change in way.changes:
            yield f"       {change.path} = {listed(change.needs)}   (now {change.before})"
        for source in sources:
            yield f"     {_source_words(source, root.one_sided)}"


def _people(quorum: Mapping[str, int], explained: Explained) -> str:
    root = explained.terms.root
    said = []
    for role, count in quorum.items():
        persons = sorted(root.persons_of_role(role) - explained.caller.holders) if role in root.roles else []
        said.append(f"{count} x {role} ({', '.join(persons) or 'nobody in the trust root'})")
    return listed(said, "and")


def _source_words(source: Source, one_sided: bool) -> str:
    def roles(known: Mapping[str, tuple[str, ...]]) -> str:
        return listed([f"{role} ({', '.join(persons)})" for role, persons in known.items()])

    made = roles(source.makers) or "nobody: no role of the trust root may"
    words = f"from one `{source.kind}` statement about {source.subject}, made by {made}"
    if source.level >= Level.COUNTERSIGNED and source.kind != "credential":
        if one_sided:
            return f"{words}; with one side only, nothing counts as countersigned"
        words += f", countersigned by {roles(source.countersigners) or 'nobody: no counterpart may'}"
    return words
