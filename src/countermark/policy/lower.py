"""Lowering a bundle for one side that stands alone: each `countersigned` and `observed` view becomes `operator`.

One side can't countersign itself, so under the original views its requests would all be denied. The lowered bundle is
generated from the same files, and what it gives up is listed: one party's word takes the place of two.

    python -m countermark.policy.lower policies/red-lines policies/solo --name solo
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import BundleError
from countermark.policy.bundle import Bundle, load_bundle, read_files
from countermark.policy.dialect import Bounded, Is, leaves

_HIGHER = re.compile(r"\b(?:countersigned|observed)\.(?=[a-z])")
_LOWER = "operator."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredView:
    """One fact of one clause whose word counts for less."""

    clause: str
    policy: str
    fact: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.policy}: `{self.fact}` was heard as {self.before}, is heard as {self.after}"


def lowered_views(before: Bundle, after: Bundle) -> tuple[LoweredView, ...]:
    """Which facts of which clauses are heard at another level in `after`: the price of standing alone.

    Raises:
        BundleError: The bundles differ in more than views.
    """
    found: list[LoweredView] = []
    others = {policy.id: policy for policy in after.policies}
    for policy in before.policies:
        old = [leaf for c in before.rule(policy).conditions for leaf in leaves(c.expr)]
        other = others.pop(policy.id, None)
        new = [] if other is None else [leaf for c in after.rule(other).conditions for leaf in leaves(c.expr)]
        if len(old) != len(new):
            raise _differs(policy.id)
        for one, two in zip(old, new, strict=True):
            if not isinstance(one, Is | Bounded):
                if one != two:
                    raise _differs(policy.id)
                continue
            if not isinstance(two, Is | Bounded) or one.name != two.name:
                raise _differs(policy.id)
            if one.view != two.view:
                found.append(
                    LoweredView(
                        clause=policy.clause, policy=policy.id, fact=one.name, before=one.view, after=two.view
                    )
                )
    if others:
        raise _differs(next(iter(others)))
    return tuple(dict.fromkeys(found))


def _differs(policy: str) -> BundleError:
    return BundleError(
        file="bundle.toml",
        line=1,
        message=f"expected bundles that differ in views only, got another `{policy}`",
        fix="compare a bundle with what was generated from it",
    )


def lowered_files(folder: Path, *, name: str) -> dict[str, bytes]:
    """The files of the lowered bundle, by path inside it; without the list of what it gives up.

    Raises:
        BundleError: The bundle can't be read.
    """
    made: dict[str, bytes] = {}
    for path, data in read_files(folder).items():
        if path == "README.md":
            continue
        text = _HIGHER.sub(_LOWER, data.decode("utf-8"))
        if path == "bundle.toml":
            text = re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.MULTILINE)
            text = f"# Generated from {folder.name} by countermark.policy.lower: do not edit.\n#\n{text}"
        made[path] = text.encode()
    return made


def lower_views(folder: Path, out: Path, *, name: str = "solo") -> tuple[LoweredView, ...]:
    """Write the lowered bundle to `out`, with a README that lists what it gives up. Replaces a bundle there.

    Raises:
        BundleError: The bundle may not be put in force, before or after; or something else is in `out`.
    """
    before = load_bundle(folder)
    files = lowered_files(folder, name=name)
    if out.exists():
        for path in read_files(out):  # refuses a folder that holds anything but a bundle
            (out / path).unlink()
    (out / "clauses").mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (out / path).write_bytes(data)
    lowered = lowered_views(before, load_bundle(out))
    (out / "README.md").write_text(readme(before.name, lowered), encoding="utf-8")
    return lowered


def readme(source: str, lowered: tuple[LoweredView, ...]) -> str:
    """What the lowered bundle's README says."""
    rows = "\n".join(f"| {one.policy} | {one.fact} | {one.before} | {one.after} |" for one in lowered)
    return f"""# {source}, for one side that stands alone

Generated from `{source}` (`python -m countermark.policy.lower`): each `countersigned` and `observed` view is lowered
to `operator`. The sentences are the same and promise more than this bundle keeps: wherever they say countersigned, or
attested by both sides, here one party's word is enough, and nobody is bound who does not bind himself. What needs
another party's people stays HOLD or DENY.

| policy | fact | heard in {source} as | heard here as |
| --- | --- | --- | --- |
{rows}
"""


def main() -> None:
    """Command line: folder, out, name."""
    parser = argparse.ArgumentParser(
        description="Lower the views of a bundle for one side that stands alone."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", default="solo")
    given = parser.parse_args()
    for one in lower_views(given.folder, given.out, name=given.name):
        print(one)


if __name__ == "__main__":
    main()
