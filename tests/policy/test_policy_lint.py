"""What Cedar's strict validation passes and would fail open, the lint refuses."""

from __future__ import annotations

import cedarpy
import pytest

from countermark.errors import BundleError
from countermark.policy.clause import ClausePolicy, parse_clause
from countermark.policy.dialect import Rule, views_read, write_rule
from countermark.policy.factlist import load_factlist
from countermark.policy.lint import DialectError, read_rule

FACTS = load_factlist().with_values({"Purpose": ["office", "survey"]})
ROLES = ("halden_reviewer", "northmark_commander")
ALL_VIEWS = {f"{view}.{fact.name}" for fact in FACTS.facts.values() for view in fact.views}
SCHEMA = FACTS.schema(ALL_VIEWS, ROLES).replace(
    "entity Tool;", "entity EffectClass;\nentity Tool in [EffectClass] {risk: Long, owner?: Workload};"
)
"""The full schema, with the hierarchy and the attributes that the dialect does without."""


def policy(text: str) -> ClausePolicy:
    node = next(iter(cedarpy.PolicySet.from_str(text).to_pst().static_policies.values()))
    return ClausePolicy(id="RL-1", clause="RL-1", text=text, line=1, node=node)


def rule(text: str) -> Rule:
    return read_rule(policy(text), facts=FACTS, roles=ROLES)


def forbid(condition: str, scope: str = "principal, action, resource") -> str:
    return f'@id("RL-1") forbid ({scope}) {condition};'


CALL = 'principal, action == Action::"call", resource'
PURPOSE = "context.countersigned.purpose"
PERSONS = "context.countersigned.persons_at_most"

TRAPS = {
    "(a) an unregistered tool is in no class, so that the forbid does not apply": (
        forbid("", 'principal, action == Action::"call", resource in EffectClass::"actuates"'),
        "leaves `resource` open",
    ),
    "(a) nor is it the tool that is named": (
        forbid("", 'principal, action == Action::"call", resource == Tool::"t"'),
        "leaves `resource` open",
    ),
    "(a) nor is it in the class that a condition asks for": (
        forbid('when { resource in EffectClass::"actuates" }', CALL),
        "got `in`",
    ),
    "(b) != across types is always true": (forbid(f'unless {{ {PURPOSE} != YesNo::"unknown" }}'), "got `!=`"),
    "(b) != within a type is true of `conflict` too": (
        forbid(f'unless {{ {PURPOSE} != Purpose::"unknown" }}'),
        "got `!=`",
    ),
    "(b) == across types is always false": (
        forbid(f'unless {{ {PURPOSE} == YesNo::"yes" || context.countersigned.links == YesNo::"no" }}'),
        "across types",
    ),
    "(c) has with a typo is always false": (forbid("when { context.countersigned has purpos }"), "got `has`"),
    "(c) has on the context itself": (forbid("when { context has claimd }"), "got `has`"),
    "(c) has that is declared, and so always true": (forbid("unless { context has claimed }"), "got `has`"),
    "(d) a principal that is not registered slips past a scope": (
        forbid("", 'principal == Workload::"northmark/office", action, resource'),
        "leaves `principal` open",
    ),
    "(d) or past a condition": (
        forbid('when { principal == Workload::"northmark/office" }'),
        "got `principal`",
    ),
    "(d) a resource that is not registered has no attribute, and the forbid errs": (
        forbid("when { resource.risk > 3 }", CALL),
        "got the attribute `risk`",
    ),
    "(d) an attribute of an entity that is not there is absent": (
        forbid("when { resource has owner && resource.owner == principal }", CALL),
        "got `has`",
    ),
    "(e) a forbid that overflows is skipped": (
        forbid(f"when {{ {PERSONS} + 1 > 1000 }}"),
        "got arithmetic",
    ),
    "(e) so is one that multiplies": (forbid(f"when {{ {PERSONS} * 2 > 1000 }}"), "got arithmetic"),
    "(e) so is one that negates": (forbid(f"when {{ -{PERSONS} < -1000 }}"), "got arithmetic"),
    "`!` turns a good value into `anything else`": (
        forbid(f'when {{ !({PURPOSE} == Purpose::"office") }}'),
        "got `!`",
    ),
    "`!` binds tighter than has": (forbid("when { !(context has claimed) }"), "got `!`"),
    "literals of two types are never equal": (
        forbid('unless { "1" == "2" || context.countersigned.links == YesNo::"no" }'),
        "got a string",
    ),
    "principal and resource are never equal": (
        forbid('unless { principal == resource || context.countersigned.links == YesNo::"no" }'),
        "got `principal`",
    ),
    "an entity is in itself though nobody registered it": (
        forbid('unless { principal in Workload::"northmark/office" }'),
        "got `in`",
    ),
    "is looks at the type only": (forbid("unless { principal is Workload }"), "got `is`"),
    "if then else hides a negation": (
        forbid(f'when {{ if {PURPOSE} == Purpose::"office" then false else true }}'),
        "if … then … else",
    ),
    "like reads names": (forbid('when { "abc" like "a*" }'), "got `like`"),
    "a bare truth value": (forbid("unless { true }"), "bare truth value"),
    "facts compared with each other are equal when both are unknown": (
        forbid(f"unless {{ {PURPOSE} == context.operator.purpose }}"),
        "expected a value of `Purpose`",
    ),
    "a fact in its own list": (
        forbid("unless { [context.operator.purpose].contains(context.countersigned.purpose) }"),
        "expected a value of `Purpose`",
    ),
    "unknown as a good value": (forbid(f'unless {{ {PURPOSE} == Purpose::"unknown" }}'), "good value"),
    "conflict as a good value": (
        forbid(f'unless {{ [Purpose::"office", Purpose::"conflict"].contains({PURPOSE}) }}'),
        "good value",
    ),
    "a number bounded from the side where unknown passes": (
        forbid(f"unless {{ {PERSONS} > 10 }}"),
        "bounded by `<`",
    ),
    "a bound that unknown passes": (
        forbid(f"unless {{ {PERSONS} <= 9223372036854775807 }}"),
        "does not pass",
    ),
    "a number that is compared": (
        forbid(f"unless {{ {PERSONS} == 9223372036854775807 }}"),
        "bounded, not compared",
    ),
    "a forbid of the bad value": (
        forbid(f'when {{ {PURPOSE} == Purpose::"survey" }}'),
        "hiding it would raise",
    ),
    "a signal that permits": (
        '@id("P-1") permit (principal, action, resource) when { context.countersigned.links == YesNo::"no" '
        '&& context.signal.content_flagged == YesNo::"no" };',
        "may restrict, never permit",
    ),
    "a signal in `when`, which a classifier that fails would switch off": (
        forbid('when { context.signal.content_flagged == YesNo::"yes" }'),
        "says nothing",
    ),
    "an alarm that lifts a forbid": (
        forbid('unless { context.signal.content_flagged == YesNo::"yes" }'),
        "expected the quiet value `no`",
    ),
    "any answer of a classifier that lifts a forbid": (
        forbid('unless { [YesNo::"no", YesNo::"yes"].contains(context.signal.content_flagged) }'),
        "expected the quiet value `no`",
    ),
    "a claim that excuses": (forbid('unless { context.claimed.bulk_persons == YesNo::"no" }'), "no claim"),
    "a claim that permits": (
        '@id("RL-1") permit (principal, action, resource) when { context.claimed.consent == Scope::"inside" };',
        "no claim",
    ),
    "a claim compared with unknown": (
        forbid('when { context.claimed.bulk_persons == YesNo::"unknown" }'),
        "good value",
    ),
    "a permit that is lifted by a fact": (
        f'@id("RL-1") permit (principal, action, resource) unless {{ {PURPOSE} == Purpose::"survey" }};',
        "without `unless`",
    ),
    "a permit of everything": ('@id("RL-1") permit (principal, action, resource);', "rests on a fact"),
    "a permit that rests on the action in one of two ways": (
        f'@id("RL-1") permit (principal, action, resource) when {{ {PURPOSE} == Purpose::"office" || '
        'action == Action::"prompt" };',
        "rests on a fact",
    ),
    "a permit that rests on approvals alone": (
        '@id("RL-1") permit (principal, action, resource) when { context.approvals.halden_reviewer >= 1 };',
        "rests on a fact",
    ),
    "approvals that restrict": (forbid("when { context.approvals.halden_reviewer >= 1 }"), "got an approval"),
    "approvals from above": (forbid("unless { context.approvals.halden_reviewer < 1 }"), "as `>= n`"),
    "approvals that are none": (forbid("unless { context.approvals.halden_reviewer >= 0 }"), "n from 1"),
    "approvals that are counted exactly": (
        forbid("unless { context.approvals.halden_reviewer == 1 }"),
        "as a count",
    ),
    "another annotation": (
        '@red_line("false") ' + forbid(f'unless {{ {PURPOSE} == Purpose::"office" }}'),
        "@red_line",
    ),
    "a value twice": (
        forbid(f'unless {{ [Purpose::"office", Purpose::"office"].contains({PURPOSE}) }}'),
        "twice",
    ),
    "containsAny of nothing": (forbid("unless { [1].containsAny([2]) }"), "got `contains_any`"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_strict_validation_passes_the_lint_refuses(trap: str) -> None:
    """Each trap is valid Cedar for the schema, and no clause."""
    text, word = TRAPS[trap]
    result = cedarpy.validate_policies(text, SCHEMA)
    assert result.validation_passed, [str(error) for error in result.errors]
    with pytest.raises(DialectError) as caught:
        rule(text)
    assert word in str(caught.value)


def test_an_unknown_of_partial_evaluation_is_not_even_read() -> None:
    """`unknown("x")` validates strictly and errs at run time; the reader of clauses refuses it as no Cedar of ours."""
    text = forbid('when { unknown("x") == 1 }')
    assert cedarpy.validate_policies(text, SCHEMA).validation_passed
    file = (
        '+++\nid = "RL-1"\ntitle = "t"\nred_line = true\nneeds = []\n+++\n\nNo.\n\n'
        f"```cedar\n{text}\n```\n\n## Examples\n"
    )
    with pytest.raises(BundleError, match="expected Cedar"):
        parse_clause(file.encode(), file="clauses/RL-1.md")


ALSO_REFUSED = {
    "a value that nobody declared": (forbid(f'unless {{ {PURPOSE} == Purpose::"sruvey" }}'), "[enums]"),
    "a fact that nobody declared": (
        forbid('unless { context.countersigned.prpose == Purpose::"office" }'),
        "prpose",
    ),
    "a view that the fact is not in": (
        forbid('unless { context.countersigned.binding == Binding::"key-bound" }'),
        "operator, observed",
    ),
    "a role that nobody declared": (forbid("unless { context.approvals.nobody >= 1 }"), "nobody"),
    "more approvals than are checked": (
        forbid("unless { context.approvals.halden_reviewer >= 10 }"),
        "from 1 to 9",
    ),
    "an action that nobody declared": (
        forbid("", 'principal, action == Action::"read", resource'),
        "prompt, release, call",
    ),
    "an empty list": (forbid(f"unless {{ [].contains({PURPOSE}) }}"), "a value to look for"),
    "a value of another namespace": (
        forbid(f'unless {{ {PURPOSE} == A::Purpose::"office" }}'),
        "across types",
    ),
    "the value before the fact": (forbid(f'unless {{ Purpose::"office" == {PURPOSE} }}'), "fact first"),
}


@pytest.mark.parametrize("case", ALSO_REFUSED)
def test_what_names_nothing_is_refused(case: str) -> None:
    """Typing errors that strict validation would catch too are said in our words."""
    text, word = ALSO_REFUSED[case]
    with pytest.raises(DialectError) as caught:
        rule(text)
    assert word in str(caught.value)


def test_every_problem_of_a_policy_is_named_at_once() -> None:
    """One run tells all, so that nobody mends a policy five times."""
    with pytest.raises(DialectError) as caught:
        rule(forbid("when { context has x && !(principal is Workload) || 1 < 2 }"))
    assert len(caught.value.problems) == 3


GOOD = [
    forbid(f'unless {{ {PURPOSE} == Purpose::"office" }}'),
    forbid(f'when {{ context.claimed.bulk_persons == YesNo::"yes" }} unless {{ {PERSONS} < 10 }}'),
    forbid(
        f'unless {{ ({PURPOSE} == Purpose::"office" || {PERSONS} <= 5) && context.approvals.halden_reviewer >= 2 }}'
    ),
    forbid("", 'principal, action in [Action::"release", Action::"call"], resource'),
    '@id("RL-1") permit (principal, action == Action::"call", resource) '
    f'when {{ [Purpose::"office", Purpose::"survey"].contains({PURPOSE}) && action == Action::"call" }};',
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_written_is_read_back(text: str) -> None:
    """`read_rule ∘ write_rule == id`, and both texts read the same facts."""
    read = rule(text)
    again = policy(write_rule(read))
    assert read_rule(again, facts=FACTS, roles=ROLES) == read
    assert views_read(again.node, FACTS) == views_read(policy(text).node, FACTS)
    assert cedarpy.validate_policies(again.text, SCHEMA).validation_passed
