"""The terms of a generated deployment: a shipped bundle with this machine's addresses, with clauses or a mechanism left out.

A mechanism is switched off in the clauses, as far as a bundle can: what they no longer ask for, they take as given. The
sentences beside them then promise more than they keep, so the examples go, and the first line says what was done.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from countermark.errors import StackError
from countermark.policy.bundle import parse_bundle, read_files
from countermark.policy.clause import Clause
from countermark.policy.dialect import AllOf, AnyOf, Approved, Expr, Is, Leaf, Rule, write_rule
from countermark.policy.factlist import CLAIMED
from countermark.policy.lower import lowered_files

COUNTERSIGNING: Final = "countersigning"

_URL = re.compile(r"^url\s*=")
_CEDAR = re.compile(r"(?<=^```cedar\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_EXAMPLES = re.compile(r"^## Examples\n.*", re.MULTILINE | re.DOTALL)
_NO_EXAMPLES = """\
## Examples

| case | action | facts | approvals | outcome | clauses |
| --- | --- | --- | --- | --- | --- |
"""


def _approvals_given(leaf: Leaf) -> bool | None:
    return True if isinstance(leaf, Approved) else None


def _claims_passed_over(leaf: Leaf) -> bool | None:
    return False if not isinstance(leaf, Approved) and getattr(leaf, "view", "") == CLAIMED else None


def _binding_given(leaf: Leaf) -> bool | None:
    return True if isinstance(leaf, Is) and leaf.name == "binding" else None


TAKEN_AS: Final[Mapping[str, Callable[[Leaf], bool | None]]] = {
    "people": _approvals_given,
    "claims": _claims_passed_over,
    "binding": _binding_given,
}
"""Mechanism to what its conditions are taken as where it is switched off; None leaves a condition as it is."""

MECHANISMS: Final = (COUNTERSIGNING, *TAKEN_AS)


def copy_bundle(source: Path, target: Path, *, upstream_url: str, flag_from: float | None = None) -> None:
    """Copy a bundle, with the address of this machine's model in place of every upstream's.

    Args:
        flag_from: The threshold of its classifier, where it is to be another one than the bundle's own.

    Raises:
        StackError: A threshold for a bundle without a classifier.
    """
    shutil.copytree(source, target, dirs_exist_ok=True)
    _write_address(target / "bundle.toml", upstream_url)
    if flag_from is not None:
        terms = target / "bundle.toml"
        text, many = re.subn(
            r"^threshold = .*$", f"threshold = {flag_from:.6f}", terms.read_text(), flags=re.MULTILINE
        )
        if many != 1:
            raise StackError(
                f"expected one classifier in `{source.name}` to set the threshold of, got {many}"
            )
        terms.write_text(text)


def derive_bundle(
    source: Path,
    target: Path,
    *,
    upstream_url: str,
    without: Collection[str] = (),
    off: str = "",
    flag_from: float | None = None,
) -> None:
    """Write a bundle, perhaps with clauses left out or a mechanism switched off; there is none in `target` yet.

    Raises:
        StackError: It has no such clause, or there is no such mechanism.
        BundleError: The source can't be read.
    """
    if off and off not in MECHANISMS:
        raise StackError(f"expected a mechanism of {', '.join(MECHANISMS)}, got `{off[:40]}`")
    if not without and not off:
        copy_bundle(source, target, upstream_url=upstream_url, flag_from=flag_from)
        return
    before = parse_bundle(source)
    known = {clause.id for clause in before.clauses}
    if unknown := sorted(set(without) - known):
        raise StackError(f"expected a clause of bundle `{before.name}`, got `{unknown[0][:40]}`")
    files = dict(read_files(source)) if off != COUNTERSIGNING else lowered_files(source, name=before.name)
    target.mkdir(parents=True)
    for path, data in files.items():
        if path.endswith("README.md") or Path(path).stem in without:
            continue
        (target / path).parent.mkdir(exist_ok=True)
        (target / path).write_bytes(data)
    said = ", ".join([*sorted(without), *([off] if off else [])])
    bundle = parse_bundle(target)
    for clause in bundle.clauses:
        rules = [bundle.rule(policy) for policy in clause.policies]
        _write_clause(target / clause.file, clause, rules, TAKEN_AS.get(off, lambda _: None))
    terms = target / "bundle.toml"
    text = re.sub(
        r'^name = ".*"$', f'name = "{before.name}-changed"', terms.read_text(), count=1, flags=re.MULTILINE
    )
    terms.write_text(f"# Generated for a measurement from `{before.name}`, without: {said}.\n{text}")
    _write_address(terms, upstream_url)


def _write_address(terms: Path, upstream_url: str) -> None:
    lines: list[str] = []
    table = ""
    for line in terms.read_text().splitlines():
        if line.startswith("["):
            table = line
        ours = table.startswith("[upstreams.") and _URL.match(line)
        lines.append(f'url = "{upstream_url}"' if ours else line)
    terms.write_text("\n".join(lines) + "\n")


def _write_clause(
    file: Path, clause: Clause, rules: list[Rule], taken_as: Callable[[Leaf], bool | None]
) -> None:
    """Write a clause's policies anew; a clause of which nothing is left goes."""
    left = [changed for rule in rules if (changed := rewrite(rule, taken_as)) is not None]
    if not left:
        file.unlink()
        return
    cedar = "\n\n".join(write_rule(rule) for rule in left) + "\n"
    text = _CEDAR.sub(lambda _: cedar, file.read_text(), count=1)
    file.write_text(_EXAMPLES.sub(lambda _: _NO_EXAMPLES, text))


def rewrite(rule: Rule, taken_as: Callable[[Leaf], bool | None]) -> Rule | None:
    """A rule with some conditions taken as true or false; None where it then never applies.

    Raises:
        StackError: A permit would rest on nothing.
    """
    conditions = []
    for condition in rule.conditions:
        expr = _taken(condition.expr, taken_as)
        if isinstance(expr, bool):
            if expr is not (condition.kind == "when"):
                return None
            continue
        conditions.append(replace(condition, expr=expr))
    if rule.effect == "permit" and rule.conditions and not conditions:
        raise StackError(
            f"expected `{rule.id}` to rest on a fact, but everything that it asks for is taken as given"
        )
    return replace(rule, conditions=tuple(conditions))


def _taken(expr: Expr, taken_as: Callable[[Leaf], bool | None]) -> Expr | bool:
    if not isinstance(expr, AllOf | AnyOf):
        value = taken_as(expr)
        return expr if value is None else value
    decides = isinstance(expr, AnyOf)  # one true part decides an `||`, one false part an `&&`
    parts: list[Expr] = []
    for part in expr.parts:
        left = _taken(part, taken_as)
        if left is decides:
            return decides
        if not isinstance(left, bool):
            # what was `(a || b) && c` may have become `a && c`, which is one list
            parts.extend(left.parts if isinstance(left, type(expr)) else [left])
    if not parts:
        return not decides
    return parts[0] if len(parts) == 1 else type(expr)(parts=tuple(parts))
