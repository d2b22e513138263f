"""The one list of facts, read from `facts.toml`: types, values, views, and the Cedar schema that they generate.

A bundle adds its own values to the open types (`with_values`); everything else is the package's, by version.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from countermark.errors import PolicyError
from countermark.facts import CONFLICT, MOST, UNKNOWN, FactValue, Level

LONG = "Long"
"""The one type that is not enumerated."""

SIGNAL = "signal"
"""The view of what classifiers say. No assurance level: nothing in it ever permits."""
VIEWS: tuple[str, ...] = (*(level.word for level in Level), SIGNAL)
"""`claimed`, `operator`, `countersigned`, `observed`, `signal`: the records of the context, besides `approvals`."""

CLAIMED = Level.CLAIMED.word
ACTIONS: tuple[str, ...] = ("prompt", "release", "call")


class Bound(StrEnum):
    """Which side of a number is the safe one."""

    UPPER = "upper"
    """Clauses ask for at most n; unknown is the maximum."""
    LOWER = "lower"
    """Clauses ask for at least n; unknown is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactType:
    """An enumerated type. `values` are the good ones; `unknown` (and `conflict`) come in addition."""

    name: str
    values: tuple[str, ...]
    has_conflict: bool
    is_open: bool
    sentence: str

    @property
    def all_values(self) -> tuple[str, ...]:
        """With `unknown` and, where the type has it, `conflict`."""
        return (UNKNOWN, *([CONFLICT] if self.has_conflict else []), *self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One entry of the list.

    Attributes:
        group: `claim`, `statement`, `gateway` or `signal`.
        type: Name of a `FactType`, or `Long`.
        views: The views that hold it, from weak to strong.
        unknown: Its value where nothing is known.
        unit: Of a Long; empty otherwise.
        bound: Which side of a Long clauses may bound; None otherwise.
        by: Who computes it.
        quiet: Of a signal, the value that clauses may ask for; empty otherwise.
        sentence: What it means.
        reads: How controlled English says that it has a value: by value, or under `*` with `{}` for the value.
    """

    name: str
    group: str
    type: str
    views: tuple[str, ...]
    unknown: FactValue
    unit: str
    bound: Bound | None
    by: str
    sentence: str
    reads: Mapping[str, str]
    quiet: str = ""

    def say(self, value: str) -> str:
        """That the fact has this value, in words."""
        return self.reads[value] if value in self.reads else self.reads["*"].format(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactList:
    """All facts and types that a bundle's clauses may name."""

    version: int
    types: Mapping[str, FactType]
    facts: Mapping[str, Fact]

    def fact(self, name: str) -> Fact:
        """The fact of this name.

        Raises:
            PolicyError: There is none.
        """
        if name not in self.facts:
            raise PolicyError(f"expected a fact of docs/reference/facts.md, got `{name:.60}`")
        return self.facts[name]

    def unknown_value(self, name: str) -> FactValue:
        """The value of the fact where nothing is known of it."""
        return self.fact(name).unknown

    def split(self, path: str) -> tuple[str, Fact]:
        """Read `view.name`.

        Raises:
            PolicyError: No such view or fact, or the fact is not in that view.
        """
        view, _, name = path.partition(".")
        if view not in VIEWS:
            raise PolicyError(f"expected a view of {', '.join(VIEWS)}, got `{view:.60}`")
        fact = self.fact(name)
        if view not in fact.views:
            raise PolicyError(f"expected `{name}` in a view of {', '.join(fact.views)}, got `{view}`")
        return view, fact

    def parse_value(self, path: str, text: str | int) -> FactValue:
        """Read a value of the fact `view.name`, as examples and defaults write it.

        Raises:
            PolicyError: The fact has no such value.
        """
        _, fact = self.split(path)
        if fact.type == LONG:
            if isinstance(text, bool) or not (isinstance(text, int) or (text.isascii() and text.isdigit())):
                raise PolicyError(f"expected a whole number for `{path}`, got `{text!s:.60}`")
            number = int(text)
            if number > MOST:
                raise PolicyError(f"expected a number of at most {MOST} for `{path}`, got `{text!s:.60}`")
            return number
        if text not in self.types[fact.type].all_values:
            known = ", ".join(self.types[fact.type].all_values)
            raise PolicyError(f"expected one of {known} for `{path}`, got `{text!s:.60}`")
        return str(text)

    def with_values(self, enums: Mapping[str, Sequence[str]]) -> FactList:
        """Add a bundle's own values to the open types.

        Raises:
            PolicyError: A type that is not open, or a value that is there already.
        """
        types = dict(self.types)
        for name, values in enums.items():
            if name not in types or not types[name].is_open:
                opened = ", ".join(sorted(t.name for t in self.types.values() if t.is_open))
                raise PolicyError(f"expected an open type ({opened}), got `{name:.60}`")
            known = [*types[name].all_values, *values]
            if len(set(known)) != len(known):
                twice = next(value for value in known if known.count(value) > 1)
                raise PolicyError(f"expected each value of `{name}` once, got `{twice}` twice")
            types[name] = replace(types[name], values=(*types[name].values, *values))
        return replace(self, types=MappingProxyType(types))

    def schema(self, views: Iterable[str], roles: Sequence[str]) -> str:
        """The Cedar schema for clauses that read just these `view.name` paths and these roles' approvals."""
        paths = sorted(set(views))
        lines = ["entity Workload;", "entity Model;", "entity Tool;"]
        for fact_type in self.types.values():
            values = ", ".join(f'"{value}"' for value in fact_type.all_values)
            lines.append(f"entity {fact_type.name} enum [{values}];")
        for view in VIEWS:
            fields = [self.split(path)[1] for path in paths if path.startswith(f"{view}.")]
            body = ", ".join(f"{fact.name}: {fact.type}" for fact in fields)
            lines.append(f"type {view.capitalize()} = {{{body}}};")
        lines.append(f"type Approvals = {{{', '.join(f'{role}: Long' for role in roles)}}};")
        record = ", ".join(f"{view}: {view.capitalize()}" for view in VIEWS)
        lines.append(f"type Facts = {{{record}, approvals: Approvals}};")
        for actions, resource in (("prompt, release", "Model"), ("call", "Tool")):
            applies = f"principal: Workload, resource: {resource}, context: Facts"
            lines.append(f"action {actions} appliesTo {{{applies}}};")
        return "\n".join(lines) + "\n"


def _read_fact(raw: Mapping[str, object]) -> Fact:
    bound = Bound(str(raw["bound"])) if "bound" in raw else None
    views = raw["views"]
    reads = raw["reads"]
    worst: Mapping[Bound | None, FactValue] = {None: UNKNOWN, Bound.UPPER: MOST, Bound.LOWER: 0}
    if not isinstance(views, list):
        raise PolicyError("expected `views` of a fact as a list")
    return Fact(
        name=str(raw["name"]),
        group=str(raw["group"]),
        type=str(raw["type"]),
        views=tuple(str(view) for view in views),
        unknown=worst[bound],
        unit=str(raw.get("unit", "")),
        bound=bound,
        by=str(raw["by"]),
        sentence=str(raw["sentence"]),
        quiet=str(raw.get("quiet", "")),
        reads=MappingProxyType(dict(reads) if isinstance(reads, dict) else {"*": str(reads)}),
    )


@cache
def load_factlist() -> FactList:
    """The list that comes with the package, before any bundle adds to it."""
    raw = tomllib.loads((files("countermark.policy") / "facts.toml").read_text(encoding="utf-8"))
    types = {
        name: FactType(
            name=name,
            values=tuple(entry["values"]),
            has_conflict=entry.get("conflict", True),
            is_open=entry.get("open", False),
            sentence=entry.get("sentence", ""),
        )
        for name, entry in raw["types"].items()
    }
    facts = [_read_fact(entry) for entry in raw["facts"]]
    return FactList(
        version=raw["version"],
        types=MappingProxyType(types),
        facts=MappingProxyType({fact.name: fact for fact in facts}),
    )
