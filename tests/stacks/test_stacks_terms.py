"""Bundles with a clause or a mechanism left out: they still load, and say exactly what is left of the original."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import StackError
from countermark.facts import UNKNOWN
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.dialect import (
    MOST_APPROVALS,
    AllOf,
    Approved,
    Condition,
    Is,
    IsAction,
    Leaf,
    Rule,
    leaves,
)
from countermark.policy.factlist import ACTIONS
from countermark.policy.mutate import Point, applies
from countermark.policy.shipped import shipped_bundle
from countermark.stacks.terms import MECHANISMS, TAKEN_AS, derive_bundle, rewrite

URL = "http://127.0.0.1:4321"
BUNDLES = ("red-lines", "everyday", "solo")
SHIPPED = {name: load_bundle(shipped_bundle(name)) for name in BUNDLES}
RULES = [bundle.rule(policy) for bundle in SHIPPED.values() for policy in bundle.policies]


def _leaves(bundle: Bundle) -> Iterator[Leaf]:
    for policy in bundle.policies:
        for condition in bundle.rule(policy).conditions:
            yield from leaves(condition.expr)


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("off", MECHANISMS)
def test_a_bundle_without_a_mechanism_loads(tmp_path: Path, name: str, off: str) -> None:
    """Whatever is switched off in whichever shipped bundle, the rest may be put in force, and says what it is."""
    derive_bundle(shipped_bundle(name), tmp_path / "b", upstream_url=URL, off=off)
    made = load_bundle(tmp_path / "b")
    assert made.name == f"{SHIPPED[name].name}-changed"
    assert f"without: {off}" in (tmp_path / "b" / "bundle.toml").read_text().splitlines()[0]
    assert not any(clause.examples for clause in made.clauses)
    views = {getattr(leaf, "view", "") for leaf in _leaves(made)}
    match off:
        case "countersigning":
            assert not views & {"countersigned", "observed"}
        case "people":
            assert not any(isinstance(leaf, Approved) for leaf in _leaves(made))
        case "claims":
            assert "claimed" not in views
        case "binding":
            assert not any(getattr(leaf, "name", "") == "binding" for leaf in _leaves(made))


def test_a_plain_bundle_is_the_shipped_one_with_another_address(tmp_path: Path) -> None:
    """Without anything left out only the upstream's address differs: every clause is the same file."""
    source = shipped_bundle("red-lines")
    derive_bundle(source, tmp_path / "b", upstream_url=URL)
    for file in source.rglob("*.*"):
        ours = tmp_path / "b" / file.relative_to(source)
        assert file.name == "bundle.toml" or ours.read_bytes() == file.read_bytes()
    before, after = (tomllib.loads((each / "bundle.toml").read_text()) for each in (source, tmp_path / "b"))
    assert after["upstreams"].pop("loopback")["url"] == URL
    before["upstreams"].pop("loopback")
    assert before == after


def test_only_upstreams_get_the_address(tmp_path: Path) -> None:
    """A `url` in another table stays what it was."""
    source = tmp_path / "source"
    derive_bundle(shipped_bundle("red-lines"), source, upstream_url="http://127.0.0.1:1")
    text = (source / "bundle.toml").read_text()
    (source / "bundle.toml").write_text(text + '\n[other]\nurl = "http://elsewhere.example"\n')
    derive_bundle(source, tmp_path / "b", upstream_url=URL)
    table = tomllib.loads((tmp_path / "b" / "bundle.toml").read_text())
    assert table["upstreams"]["loopback"]["url"] == URL
    assert table["other"]["url"] == "http://elsewhere.example"


def test_a_clause_left_out_is_gone_and_the_others_are_not(tmp_path: Path) -> None:
    """Every clause but those named is there, and means the same."""
    derive_bundle(shipped_bundle("everyday"), tmp_path / "b", upstream_url=URL, without=("RL-1", "EV-2"))
    made, before = load_bundle(tmp_path / "b"), SHIPPED["everyday"]
    assert {c.id for c in before.clauses} - {c.id for c in made.clauses} == {"RL-1", "EV-2"}
    others = {policy.id: made.rule(policy) for policy in made.policies}
    kept = [policy for policy in before.policies if policy.clause not in ("RL-1", "EV-2")]
    assert others == {policy.id: before.rule(policy) for policy in kept}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"off": "ties"}, "expected a mechanism of countersigning, people, claims, binding, got `ties`"),
        ({"without": ("RL-99",)}, "expected a clause of bundle `red-lines`, got `RL-99`"),
    ],
    ids=["no such mechanism", "no such clause"],
)
def test_what_isnt_there_is_not_left_out(tmp_path: Path, more: dict[str, object], said: str) -> None:
    """A plan that names something unknown is refused, and never run as if it had left something out."""
    with pytest.raises(StackError, match=said):
        derive_bundle(shipped_bundle("red-lines"), tmp_path / "b", upstream_url=URL, **more)  # type: ignore[arg-type]


def test_a_permit_that_would_rest_on_nothing_is_refused() -> None:
    """Switching a mechanism off never makes a permit for everybody."""
    approved = Condition(kind="when", expr=Approved(role="halden_reviewer", n=1))
    rule = Rule(id="P-1", effect="permit", actions=(), conditions=(approved,))
    with pytest.raises(StackError, match="expected `P-1` to rest on a fact"):
        rewrite(rule, TAKEN_AS["people"])


def test_lists_that_fall_together_are_one_list() -> None:
    """`(a || approved) && b` with approvals given is `b`; `(a && approved) || b` is `a || b`."""
    a, b = IsAction(action="call"), IsAction(action="prompt")
    approved = Approved(role="halden_reviewer", n=1)
    expr = AllOf(parts=(a, AllOf(parts=(approved, b))))
    rule = Rule(id="P-1", effect="forbid", actions=(), conditions=(Condition(kind="unless", expr=expr),))
    changed = rewrite(rule, TAKEN_AS["people"])
    assert changed is not None
    assert changed.conditions[0].expr == AllOf(parts=(a, b))


def _point(rng: random.Random) -> Point:
    """A combination that these rules can tell from others."""
    values: dict[str, str | int] = {}
    approvals: dict[str, int] = {}
    for rule in RULES:
        for condition in rule.conditions:
            for leaf in leaves(condition.expr):
                if isinstance(leaf, Approved):
                    approvals[leaf.role] = rng.randint(0, 2)
                elif isinstance(leaf, Is):
                    values[f"{leaf.view}.{leaf.name}"] = rng.choice((UNKNOWN, *leaf.values))
                elif not isinstance(leaf, IsAction):
                    values[f"{leaf.view}.{leaf.name}"] = rng.choice((leaf.n - 1, leaf.n, leaf.n + 1))
    return Point(action=rng.choice(list(ACTIONS)), values=values, approvals=approvals)


def _taken(point: Point, off: str) -> Point:
    """The same, with what the mechanism would have asked for."""
    values = dict(point.values)
    match off:
        case "people":
            return Point(
                action=point.action, values=values, approvals=dict.fromkeys(point.approvals, MOST_APPROVALS)
            )
        case "claims":
            values |= {path: UNKNOWN for path in values if path.startswith("claimed.")}
        case _:
            values |= {path: "key-bound" for path in values if path.endswith(".binding")}
    return Point(action=point.action, values=values, approvals=point.approvals)


@given(rule=st.sampled_from(RULES), off=st.sampled_from(sorted(TAKEN_AS)), seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_switching_off_is_taking_as_given(rule: Rule, off: str, seed: int) -> None:
    """applies(rewrite(rule, off), point) == applies(rule, point with what `off` asks for given)"""
    point = _point(random.Random(seed))
    changed = rewrite(rule, TAKEN_AS[off])
    assert (changed is not None and applies(changed, point)) == applies(rule, _taken(point, off))
