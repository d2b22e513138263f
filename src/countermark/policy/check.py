"""`policy check`: everything that can be said against a bundle before anybody signs it.

Reads strictly, lints the dialect, validates against the schema, runs every example, and changes every clause in every
small way to see whether its own examples notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cedarpy

from countermark.decision import Outcome
from countermark.errors import BundleError
from countermark.facts import FactValue, Level
from countermark.policy.bundle import Bundle, parse_bundle, read_files
from countermark.policy.clause import Clause, ClausePolicy, Example, parse_clause
from countermark.policy.dialect import AnyOf, Approved, Bounded, Is, Leaf, Rule, leaves, write_rule
from countermark.policy.evaluate import Evaluator
from countermark.policy.examples import Told, example_values, tell
from countermark.policy.factlist import SIGNAL
from countermark.policy.finding import Finding, Severity, finding_of
from countermark.policy.lint import DialectError
from countermark.policy.mutate import Mutant, mutants, prove_no_change

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""

_SEVERITIES = tuple(Severity)


def _silent(_what: str, _done: int, _total: int) -> None:
    return None


def check_bundle(folder: Path | str, progress: Progress = _silent) -> list[Finding]:
    """All findings about a bundle's folder, by file and line; without an error it may be put in force.

    Later steps need a sound bundle, so each runs only where those before it found no error.
    """
    path = Path(folder)
    try:
        bundle = parse_bundle(path)
    except BundleError as error:
        return _sorted([finding_of(error), *_other_files(path, error.file)])
    findings = [*_check_enforced(bundle), *_check_dialect(bundle)]
    if not _errors(findings):
        findings += _check_schema(bundle)
        findings += _one_word(bundle)
        findings += _beside_signals(bundle)
    if not _errors(findings):
        checker = _ExampleCheck(bundle, progress)
        findings += checker.findings()
        if not _errors(findings):
            findings += checker.mutant_findings()
    return _sorted(findings)


def _errors(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    unique = dict.fromkeys(findings)
    return sorted(unique, key=lambda f: (_SEVERITIES.index(f.severity), f.file, f.line))


def _other_files(folder: Path, told: str) -> list[Finding]:
    """Where one file can't be read, say at once what is wrong with the other clauses."""
    found: list[Finding] = []
    try:
        files = read_files(folder)
    except BundleError:
        return found
    for name, data in files.items():
        if name.startswith("clauses/") and name != told:
            try:
                parse_clause(data, file=name)
            except BundleError as error:
                found.append(finding_of(error))
    return found


def _check_enforced(bundle: Bundle) -> list[Finding]:
    found: list[Finding] = []
    if not bundle.clauses:
        found.append(
            Finding(
                file="bundle.toml",
                line=1,
                severity=Severity.ERROR,
                message="expected a clause: without a permit everything is denied",
                fix="write `clauses/P-1.md`",
            )
        )
    for clause in bundle.clauses:
        if not clause.policies:
            message, fix = (
                f"expected a policy that enforces `{clause.id}`",
                "write one, or take the clause out",
            )
        elif clause.red_line and all(policy.node.effect != "forbid" for policy in clause.policies):
            message = (
                f"expected a `forbid` that enforces the red line `{clause.id}`: a permit forbids nothing"
            )
            fix = "write `forbid (principal, action, resource) unless { … }`"
        else:
            continue
        found.append(Finding(file=clause.file, line=2, severity=Severity.ERROR, message=message, fix=fix))
    return found


def _line_of(policy: ClausePolicy, needle: str) -> int:
    """The line of the policy where `needle` first stands; its first line where it doesn't."""
    code = re.sub(r"//[^\n]*", "", policy.text)
    at = code.find(needle) if needle else -1
    return policy.line + (code.count("\n", 0, at) if at > 0 else 0)


def _check_dialect(bundle: Bundle) -> list[Finding]:
    found: list[Finding] = []
    for clause in bundle.clauses:
        for policy in clause.policies:
            try:
                bundle.rule(policy)
            except DialectError as error:
                found += [
                    Finding(
                        file=clause.file,
                        line=_line_of(policy, problem.needle),
                        severity=Severity.ERROR,
                        message=f"`{policy.id}`: {problem.message}",
                        fix=problem.fix,
                    )
                    for problem in error.problems
                ]
    return found


def _check_schema(bundle: Bundle) -> list[Finding]:
    found: list[Finding] = []
    for clause in bundle.clauses:
        for policy in clause.policies:
            result = cedarpy.validate_policies(policy.text, bundle.schema)
            found += [
                Finding(
                    file=clause.file,
                    line=policy.line,
                    severity=Severity.ERROR,
                    message=f"`{policy.id}`: expected a policy that fits the schema: {' '.join(str(e).split()):.200}",
                    fix="mend the policy",
                )
                for e in result.errors
            ]
    return found


def _one_word(bundle: Bundle) -> list[Finding]:
    """Where a clause believes one party alone and doesn't say who that is."""
    found: list[Finding] = []
    for clause in bundle.clauses:
        paths = sorted(
            {
                f"{leaf.view}.{leaf.name}"
                for policy in clause.policies
                for condition in bundle.rule(policy).conditions
                for leaf in leaves(condition.expr)
                if isinstance(leaf, Is | Bounded) and leaf.view == Level.OPERATOR.word
            }
        )
        if paths and clause.instrument is None:
            found.append(
                Finding(
                    file=clause.file,
                    line=clause.policies[0].line,
                    severity=Severity.NOTE,
                    message=f"one party's word is enough for {', '.join(f'`{path}`' for path in paths)}",
                    fix="read the countersigned view, or name under `instrument` who can change it alone",
                )
            )
    return found


def _beside_signals(bundle: Bundle) -> list[Finding]:
    """Where the silence of an alarm takes the place of a fact; and classifiers that no clause reads."""
    found: list[Finding] = []
    for clause in bundle.clauses:
        for policy in clause.policies:
            lifts = [c.expr for c in bundle.rule(policy).conditions if c.kind == "unless"]
            # several `unless` are alternatives, as the parts of one `||` are
            ways = [way for expr in lifts for way in (expr.parts if isinstance(expr, AnyOf) else (expr,))]
            quiet = [way for way in ways if any(_is_signal(leaf) for leaf in leaves(way))]
            asked = sorted(
                {
                    f"`{leaf.view}.{leaf.name}`"
                    for way in ways
                    if way not in quiet
                    for leaf in leaves(way)
                    if isinstance(leaf, Is | Bounded)
                }
            )
            if quiet and asked:
                found.append(
                    Finding(
                        file=clause.file,
                        line=policy.line,
                        # a red line that a quiet classifier lifts is none: whoever rewords lifts it
                        severity=Severity.ERROR if clause.red_line else Severity.NOTE,
                        message=f"`{policy.id}`: where no alarm is raised, {', '.join(asked)} is not asked for: no alarm is "
                        "no evidence",
                        fix="if it must hold in any case, ask for it in a policy of its own",
                    )
                )
    if bundle.signals and not bundle.signals_read:
        found.append(
            Finding(
                file="bundle.toml",
                line=1,
                severity=Severity.NOTE,
                message="no clause reads what the classifiers of `[signals]` say: none is ever asked",
                fix="take them out, or write `forbid … unless { context.signal.… == … }`",
            )
        )
    return found


def _is_signal(leaf: Leaf) -> bool:
    return isinstance(leaf, Is) and leaf.view == SIGNAL


class _ExampleCheck:
    """Runs examples against the bundle and against its mutants."""

    def __init__(self, bundle: Bundle, progress: Progress) -> None:
        self.bundle = bundle
        self.progress = progress
        self.evaluator = Evaluator(bundle)
        self.rules = {policy.id: bundle.rule(policy) for policy in bundle.policies}
        self.forbids = [rule for rule in self.rules.values() if rule.effect == "forbid"]
        self.values: dict[tuple[str, str], dict[str, FactValue]] = {}
        self.told: dict[tuple[str, str], Told] = {}

    def findings(self) -> list[Finding]:
        """Each example, run; and whether a clause's examples show what it can do."""
        found: list[Finding] = []
        total = sum(len(clause.examples) for clause in self.bundle.clauses)
        done = 0
        for clause in self.bundle.clauses:
            for example in clause.examples:
                found += self._run(clause, example)
                done += 1
                self.progress("examples", done, total)
            found += self._coverage(clause)
        return found

    def _run(self, clause: Clause, example: Example) -> list[Finding]:
        key = (clause.id, example.case)
        try:
            self.values[key] = example_values(self.bundle, clause, example)
        except BundleError as error:
            return [finding_of(error)]
        told = self.told[key] = tell(self.evaluator, self.bundle, self.values[key], example)
        found = [
            Finding(
                file=clause.file,
                line=example.line,
                severity=Severity.WARNING,
                message=f"no clause reads `{path}`, so that it says nothing here",
                fix="take it out, or name the view that clauses read",
            )
            for path in example.facts
            if path not in self.bundle.views_read
        ]
        expected = Told(outcome=example.outcome, clauses=example.clauses)
        if told != expected:
            found.append(
                Finding(
                    file=clause.file,
                    line=example.line,
                    severity=Severity.ERROR,
                    message=f"`{example.case}`: expected {expected}, got {told}",
                    fix="mend the clause or the example",
                )
            )
        return found

    def _coverage(self, clause: Clause) -> list[Finding]:
        """Each outcome that the clause can bring about has an example."""
        rules = [self.rules[policy.id] for policy in clause.policies]
        asks = any(
            isinstance(leaf, Approved) for rule in rules for c in rule.conditions for leaf in leaves(c.expr)
        )
        wanted: list[tuple[str, bool]] = []
        deciding = [e for e in clause.examples if clause.id in e.clauses]
        if any(rule.effect == "permit" for rule in rules):
            wanted.append(("a PERMIT by it", any(e.outcome is Outcome.PERMIT for e in deciding)))
            wanted.append(
                ("a case that it does not permit", any(clause.id not in e.clauses for e in clause.examples))
            )
        if any(rule.effect == "forbid" for rule in rules):
            wanted.append(("a HOLD or DENY by it", any(e.outcome is not Outcome.PERMIT for e in deciding)))
            wanted.append(("a PERMIT beside it", any(e.outcome is Outcome.PERMIT for e in clause.examples)))
        if asks:
            wanted.append(
                ("a HOLD by it, as it asks for approvals", any(e.outcome is Outcome.HOLD for e in deciding))
            )
        return [
            Finding(
                file=clause.file,
                line=clause.examples[0].line if clause.examples else 2,
                severity=Severity.ERROR,
                message=f"expected among the examples of `{clause.id}` {what}",
                fix="add a row",
            )
            for what, there in wanted
            if not there
        ]

    def mutant_findings(self) -> list[Finding]:
        """Every slip of the pen that the clause's own examples don't notice."""
        found: list[Finding] = []
        slips = [
            (clause, policy, mutant)
            for clause in self.bundle.clauses
            for policy in clause.policies
            for mutant in mutants(self.rules[policy.id], self.bundle.facts)
        ]
        for done, (clause, policy, mutant) in enumerate(slips, start=1):
            if not self._noticed(clause, policy, mutant):
                finding = self._unnoticed(clause, policy, mutant)
                # that a value more would change nothing says nothing about the clause
                if finding.severity is Severity.ERROR or mutant.leaves_out:
                    found.append(finding)
            self.progress("mutants", done, len(slips))
        return found

    def _noticed(self, clause: Clause, policy: ClausePolicy, mutant: Mutant) -> bool:
        changed = [
            changed_policy
            for other in self.bundle.policies
            if (changed_policy := _mutated(other, mutant.rule) if other.id == policy.id else other)
            is not None
        ]
        evaluator = Evaluator(self.bundle, policies=changed)
        return any(
            tell(evaluator, self.bundle, self.values[clause.id, example.case], example)
            != self.told[clause.id, example.case]
            for example in clause.examples
        )

    def _unnoticed(self, clause: Clause, policy: ClausePolicy, mutant: Mutant) -> Finding:
        rule = self.rules[policy.id]
        before = [self.rules[p.id] for p in clause.policies if self.rules[p.id].effect == rule.effect]
        after: list[Rule] = [mutant.rule if r is rule and mutant.rule else r for r in before]
        if mutant.rule is None:
            after = [r for r in before if r is not rule]
        proof = prove_no_change(before, after, self.forbids)
        if proof is None:
            severity, fix = Severity.ERROR, "add an example that would come out otherwise"
            message = f"no example of `{clause.id}` notices a slip in `{policy.id}`: {mutant.slip}"
        elif proof.masked_by:
            severity, fix = Severity.NOTE, "keep it if it shall hold without that clause"
            message = (
                f"`{policy.id}`: {mutant.slip} would change nothing while {', '.join(proof.masked_by)} stands"
            )
        else:
            severity, fix = Severity.NOTE, "say it once, if once is enough"
            message = f"`{policy.id}`: {mutant.slip} would change nothing"
        return Finding(file=clause.file, line=policy.line, severity=severity, message=message, fix=fix)


def _mutated(policy: ClausePolicy, rule: Rule | None) -> ClausePolicy | None:
    if rule is None:
        return None
    text = write_rule(rule)
    node = next(iter(cedarpy.PolicySet.from_str(text).to_pst().static_policies.values()))
    return replace(policy, text=text, node=node)
