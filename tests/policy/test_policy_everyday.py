"""The everyday bundle: the red lines as they are, and rules beside them that each stop something that nothing else stops."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from countermark.cli.own_bundle import Names, write_bundle
from countermark.decision import Outcome
from countermark.errors import BundleError
from countermark.policy.bundle import Bundle, load_bundle, read_files
from countermark.policy.check import check_bundle
from countermark.policy.clause import Clause, Example
from countermark.policy.evaluate import Evaluator
from countermark.policy.examples import example_values, tell
from countermark.policy.extend import (
    Extension,
    Joined,
    extend_bundle,
    extended_files,
    own_clauses,
    read_extension,
)
from countermark.policy.finding import Severity
from countermark.policy.shipped import shipped_bundle
from countermark.request import Action

POLICIES = Path(__file__).parents[2] / "policies"
RED_LINES, EVERYDAY = POLICIES / "red-lines", POLICIES / "everyday"
ADDED = POLICIES / "everyday.toml"
STRICT = {Outcome.PERMIT: 0, Outcome.HOLD: 1, Outcome.DENY: 2}
RULES = ("EV-1", "EV-2", "EV-3", "EV-4", "EV-5", "EV-6")


@pytest.fixture(scope="module")
def everyday() -> Bundle:
    return load_bundle(EVERYDAY)


def test_every_example_holds_and_notices_every_slip() -> None:
    """`policy check` finds no error: examples come out as told, and no mutant of a clause goes unnoticed."""
    findings = check_bundle(EVERYDAY)
    assert [str(finding) for finding in findings if finding.severity is not Severity.NOTE] == []


def test_its_red_lines_are_generated_from_red_lines(everyday: Bundle) -> None:
    """The folder is what the generator writes, byte for byte, and beside it only clauses of its own and a README."""
    files = extended_files(RED_LINES, read_extension(ADDED))
    for path, data in files.items():
        assert (EVERYDAY / path).read_bytes() == data, f"run `python -m countermark.policy.extend` for {path}"
    own = own_clauses(load_bundle(RED_LINES), everyday)
    assert tuple(clause.id for clause in own) == (*RULES, "P-3")
    assert set(read_files(EVERYDAY)) == {*files, *(clause.file for clause in own), "README.md"}


def test_the_red_lines_say_the_same_there(everyday: Bundle) -> None:
    """Sentences, needs and the strength of each red line are those of `red-lines`, and no example of theirs is gone."""
    for before in load_bundle(RED_LINES).clauses:
        after = everyday.clause(before.id)
        same = ("title", "sentence", "red_line", "needs", "instrument")
        assert [getattr(before, each) for each in same] == [getattr(after, each) for each in same]
        cases = {example.case: example for example in after.examples}
        for example in before.examples:
            assert cases[example.case].outcome is example.outcome
            assert set(example.clauses) <= set(cases[example.case].clauses)


def _told(bundle: Bundle, clause: Clause, example: Example, without: str = "") -> Outcome:
    left = [policy for policy in bundle.policies if policy.id != without]
    return tell(
        Evaluator(bundle, policies=left), bundle, example_values(bundle, clause, example), example
    ).outcome


@pytest.mark.parametrize("rule", RULES)
def test_every_policy_of_every_rule_carries_weight(rule: str, everyday: Bundle) -> None:
    """Each has an example, with papers that a purpose statement can say, that comes out less strictly without it alone."""
    clause = everyday.clause(rule)
    for policy in clause.policies:
        weighty = [
            example.case
            for example in clause.examples
            if example.clauses == (rule,)
            and "countersigned.data_class" in example.facts
            and example.facts["countersigned.data_class"] not in ("no-persons", "unknown")
            and STRICT[_told(everyday, clause, example, policy.id)] < STRICT[example.outcome]
        ]
        assert weighty, f"only `{policy.id}` stops nothing"


def test_what_it_does_not_see_passes_there_too(everyday: Bundle) -> None:
    """A lie in a signed purpose, and data that nobody registered, are permitted: the same facts as honest office work."""
    clause = everyday.clause("P-1")
    lie = Example(
        case="a ranking, signed as office work",
        action=Action("prompt"),
        facts={"countersigned.purpose": "office"},
        approvals={},
        outcome=Outcome.PERMIT,
        clauses=("P-1",),
        line=1,
    )
    assert _told(everyday, clause, lie) is Outcome.PERMIT


def test_its_own_clauses_are_left_alone_when_it_is_generated(tmp_path: Path) -> None:
    """Generating it again changes nothing, and a bundle that is extended twice from the same files is the same."""
    out = tmp_path / "out"
    (out / "clauses").mkdir(parents=True)
    for path, data in read_files(EVERYDAY).items():
        (out / path).write_bytes(data)
    assert extend_bundle(RED_LINES, read_extension(ADDED), out).digest == load_bundle(EVERYDAY).digest


WRONG = {
    "a clause that is not there": ({"RL-9": Joined()}, "expected a clause of `red-lines`"),
    "a list that is not there": (
        {"RL-4": Joined(values={"Purpose": ["care"]})},
        "expected a list of `Purpose`",
    ),
    "an example that is not there": ({"RL-4": Joined(decided={"Nobody": ["RL-4"]})}, "expected one example"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_be_extended_is_refused(case: str) -> None:
    """What is named and isn't there is an error: a red line that changed is looked at again."""
    clauses, message = WRONG[case]
    with pytest.raises(BundleError, match=message):
        extended_files(RED_LINES, Extension(name="x", enums={}, examples={}, clauses=clauses))


def test_another_key_in_an_extension_is_refused(tmp_path: Path) -> None:
    """A key that nothing reads would be a rule that nobody has."""
    path = tmp_path / "more.toml"
    path.write_text('name = "more"\nobserve = []\n')
    with pytest.raises(BundleError, match="expected an extension's"):
        read_extension(path)


def test_a_folder_of_ones_own_can_start_from_it(tmp_path: Path) -> None:
    """`bundle.from = "everyday"` in a charter gives the same clauses with the parties' names put in."""
    names = Names(
        user="acme", other="provider", upstream="http://127.0.0.1:8787", models=("m-7",), apis=("openai",)
    )
    now = datetime(2026, 11, 23, tzinfo=UTC)
    made = write_bundle(shipped_bundle("everyday"), tmp_path / "bundle", names, now=now)
    assert [clause.id for clause in made.clauses] == [clause.id for clause in load_bundle(EVERYDAY).clauses]
    assert made.approvals == ("acme_duty_officer", "acme_commander", "provider_reviewer")
