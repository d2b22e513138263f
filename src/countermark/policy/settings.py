"""What a bundle says beside its clauses: routes, upstreams, limits, lifetimes, observe and selectors.

All of it can loosen a decision, so it stands in the signed bundle and not in a gateway's settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlsplit

from countermark.policy.clause import CLAUSE_ID
from countermark.policy.table import Table
from countermark.request import Action

NAME = r"[a-z0-9][a-z0-9._-]{0,59}"
VALUE = r"[a-z0-9][a-z0-9-]{0,59}"
MODEL = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,119}"
WORKLOAD = r"[a-z0-9][a-z0-9-]{0,59}/[a-z0-9][a-z0-9._-]{0,59}"
APIS = ("openai", "anthropic")
OBSERVE_DAYS = 30
"""How long after `issued_at` a clause may be observed instead of enforced."""

PREDICATES = (
    "credential",
    "deployment",
    "purpose",
    "legal-basis",
    "engagement",
    "oversight",
    "status",
    "approval",
    "countersignature",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A model server.

    Attributes:
        pin: `sha256:` and 64 hex digits of the server certificate's public key (SubjectPublicKeyInfo); None: no pin.
    """

    name: str
    url: str
    api: tuple[str, ...]
    pin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which upstream serves a model. There is one: no fallback, no retry elsewhere."""

    model: str
    upstream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request, an answer and a workload may take; units in the names, `spec/bundle.md` has the reasons."""

    max_body_bytes: int
    max_answer_bytes: int
    max_depth: int
    connect_s: int
    first_byte_s: int
    idle_s: int
    total_s: int
    max_open_holds_per_workload: int
    hold_ttl_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """These clauses are decided and recorded, not enforced, for one action of one workload until a day."""

    action: Action
    workload: str
    until: datetime
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """How identifiers of persons and accounts look in content: `kind` names them, `pattern` finds them."""

    kind: str
    pattern: str


def read_upstreams(table: Table) -> Mapping[str, Upstream]:
    """`[upstreams.NAME]`: url, api, pin."""
    made: dict[str, Upstream] = {}
    group = table.table("upstreams")
    for name in table.raw("upstreams"):
        inner = group.table(name)
        if not re.fullmatch(NAME, name):
            raise group.error(
                name, f"expected an upstream's name like `loopback`, got `{name:.60}`", "rename it"
            )
        url = inner.word("url", like="https://models.halden.example", pattern=r"https?://[^\s?#]{1,200}")
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None or not parts.hostname:
            raise inner.error(
                "url", "expected a url without user or password", "keep the secret with the gateway"
            )
        api = inner.words("api", like="openai", pattern="|".join(APIS), least=1)
        pin = inner.word("pin", like="sha256:…", pattern=r"sha256:[0-9a-f]{64}") if inner.has("pin") else None
        inner.finish()
        made[name] = Upstream(name=name, url=url.rstrip("/"), api=api, pin=pin)
    group.finish()
    return MappingProxyType(made)


def read_routes(table: Table, upstreams: Mapping[str, Upstream]) -> Mapping[str, Route]:
    """`[[routes]]`: model, upstream."""
    made: dict[str, Route] = {}
    for inner in table.tables("routes"):
        model = inner.word("model", like="m-1", pattern=MODEL)
        upstream = inner.word("upstream", like="loopback", pattern=NAME)
        inner.finish()
        if upstream not in upstreams:
            known = ", ".join(upstreams) or "none"
            raise inner.error(
                "upstream", f"expected an upstream of {known}, got `{upstream}`", "declare `[upstreams.…]`"
            )
        if model in made:
            raise inner.error(
                "model", f"expected one route for `{model}`", "take one out: there is no fallback"
            )
        made[model] = Route(model=model, upstream=upstream)
    return MappingProxyType(made)


def read_limits(table: Table) -> Limits:
    """`[limits]`, all of them: a limit that nobody wrote is one that nobody agreed to."""
    inner = table.table("limits")
    limits = Limits(
        max_body_bytes=inner.number("max_body_bytes", low=1, high=1 << 28, unit="bytes"),
        max_answer_bytes=inner.number("max_answer_bytes", low=1, high=1 << 28, unit="bytes"),
        max_depth=inner.number("max_depth", low=1, high=64, unit="levels of nesting"),
        connect_s=inner.number("connect_s", low=1, high=600, unit="seconds"),
        first_byte_s=inner.number("first_byte_s", low=1, high=3600, unit="seconds"),
        idle_s=inner.number("idle_s", low=1, high=3600, unit="seconds"),
        total_s=inner.number("total_s", low=1, high=86400, unit="seconds"),
        max_open_holds_per_workload=inner.number(
            "max_open_holds_per_workload", low=0, high=10000, unit="holds"
        ),
        hold_ttl_s=inner.number("hold_ttl_s", low=1, high=30 * 86400, unit="seconds"),
    )
    inner.finish()
    return limits


def read_lifetimes(table: Table) -> Mapping[str, int]:
    """`[lifetimes]`: how long a statement of a predicate may be valid at most, in seconds. Not named: no bound."""
    made: dict[str, int] = {}
    if table.has("lifetimes"):
        inner = table.table("lifetimes")
        for predicate in PREDICATES:
            if inner.has(predicate):
                made[predicate] = inner.number(predicate, low=60, high=10 * 366 * 86400, unit="seconds")
        inner.finish()
    return MappingProxyType(made)


def read_observe(
    table: Table, issued_at: datetime, clauses: frozenset[str], red_lines: frozenset[str]
) -> tuple[Observe, ...]:
    """`[[observe]]`: never for a red line, never beyond 30 days after `issued_at`."""
    made: list[Observe] = []
    for inner in table.tables("observe"):
        one = Observe(
            action=Action(inner.word("action", like="prompt", pattern="|".join(Action))),
            workload=inner.word("workload", like="northmark/office", pattern=WORKLOAD),
            until=inner.time("until"),
            clauses=inner.words("clauses", like="C-1", pattern=CLAUSE_ID, least=1),
        )
        inner.finish()
        if not issued_at < one.until <= issued_at + timedelta(days=OBSERVE_DAYS):
            raise inner.error(
                "until",
                f"expected `until` within {OBSERVE_DAYS} days after `issued_at`",
                "choose an earlier day",
            )
        for clause in one.clauses:
            if clause not in clauses:
                raise inner.error(
                    "clauses", f"expected a clause of this bundle, got `{clause}`", "take it out"
                )
            if clause in red_lines:
                raise inner.error(
                    "clauses", f"expected no red line, got `{clause}`", "take it out: it is enforced"
                )
        made.append(one)
    return tuple(made)


FIELD_KINDS = ("content", "inert")
MAX_FIELDS = 64
_FIELD_PATH = r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,199}"


def read_fields(table: Table) -> Mapping[str, Mapping[str, str]]:
    """`[fields.openai]`, `[fields.anthropic]`: paths of fields that the sides add to an API's table, and their kind.

    `content` is read like any other content; `inert` is a number or a flag. What the API's table calls a reference stays
    one: a bundle adds fields, it doesn't change what is known of one.
    """
    made: dict[str, Mapping[str, str]] = {}
    if table.has("fields"):
        group = table.table("fields")
        for api in APIS:
            if not group.has(api):
                continue
            raw = group.raw(api)
            inner = group.table(api)
            if len(raw) > MAX_FIELDS:
                raise group.error(api, f"expected at most {MAX_FIELDS} added fields", "take some out")
            kinds: dict[str, str] = {}
            for path in raw:
                if not re.fullmatch(_FIELD_PATH, path):
                    raise inner.error(
                        path, f"expected a field's path like `extra`, got `{path:.60}`", "rename it"
                    )
                kinds[path] = inner.word(path, like="content", pattern="|".join(FIELD_KINDS))
            inner.finish()
            made[api] = MappingProxyType(kinds)
        group.finish()
    return MappingProxyType(made)


_UNBOUNDED = re.compile(r"[*+]|\(\?(?!:)|\)[?{]|\\[1-9]|\{\d*,\}|\{,")
"""What makes a pattern slow on hostile text: unbounded or nested repeats, lookaround, flags, references back."""
MAX_REPEAT = 64
MAX_WAYS = 4096
"""In how many ways the repeats of a pattern may be tried at one place of the text."""


def _is_quick(pattern: str) -> bool:
    """Whether a pattern's work at one place of a text is bounded by a small number."""
    plain = re.sub(
        r"\\[^1-9]|\[(?:\\.|[^\]\\])*\]", "x", pattern
    )  # escapes and classes stand for one character
    if _UNBOUNDED.search(plain):
        return False
    ways = int(2 ** plain.replace("(?:", "(").count("?")) * (1 + plain.count("|"))
    for low, high in re.findall(r"\{(\d{1,9})(?:,(\d{1,9}))?\}", plain):
        if int(high or low) > MAX_REPEAT:
            return False
        ways *= max(int(high or low) - int(low) + 1, 1)
    return ways <= MAX_WAYS


def read_selectors(table: Table) -> tuple[Selector, ...]:
    """`[[selectors]]`: kind, pattern. Patterns run on hostile text, so each repeat is bounded (`{1,20}`)."""
    made: list[Selector] = []
    for inner in table.tables("selectors"):
        kind = inner.word("kind", like="subscriber", pattern=NAME)
        pattern = inner.word("pattern", like="SUB-[0-9]{6}", pattern=r".{1,200}")
        inner.finish()
        fix = "write bounded repeats only, like `SUB-[0-9]{6}`"
        if not _is_quick(pattern):
            message = (
                f"expected a pattern with few and bounded repeats (at most {MAX_REPEAT}), got `{pattern}`"
            )
            raise inner.error("pattern", message, fix)
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise inner.error("pattern", f"expected a regular expression: {error}", fix) from error
        if compiled.match(""):
            raise inner.error("pattern", f"expected a pattern that needs a character, got `{pattern}`", fix)
        made.append(Selector(kind=kind, pattern=pattern))
    return tuple(made)
