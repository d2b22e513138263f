"""A bundle is a folder: `bundle.toml` and `clauses/*.md` (spec/bundle.md). Its digest is what the sides sign.

`parse_bundle` reads what is written; `load_bundle` also refuses what may not be put in force. Each file is read once:
what is parsed is what the digest is of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import cedarpy

from countermark.errors import BundleError, PolicyError
from countermark.facts import FactValue
from countermark.policy.clause import ROLE, Clause, ClausePolicy, parse_clause
from countermark.policy.dialect import Rule, views_read
from countermark.policy.factlist import SIGNAL, FactList, load_factlist
from countermark.policy.lint import DialectError, read_rule
from countermark.policy.settings import (
    NAME,
    VALUE,
    Limits,
    Observe,
    Route,
    Selector,
    Upstream,
    read_fields,
    read_lifetimes,
    read_limits,
    read_observe,
    read_routes,
    read_selectors,
    read_upstreams,
)
from countermark.policy.signals import SIGNAL_OF_FACT, SignalTerms, read_signals
from countermark.policy.table import Table, read_toml

MAX_FILE_BYTES = 1 << 20
MAX_FILES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A version of the terms. See spec/bundle.md for each field.

    Attributes:
        digest: SHA-256 (64 hex digits) over the sorted lines `sha256  path` of its files.
        approvals: Roles whose approvals clauses may ask for, in the order in which a quorum is lowered.
        facts: The list of facts with the bundle's own values.
        routes: By model name.
        fields: By API, paths of fields that the sides add to its table: `content` or `inert`.
        examples: Values by `view.name` that examples have unless they say otherwise.
        views_read: The `view.name` paths that clauses read: gathering fills exactly these.
        files: What each file holds, by path inside the bundle.
        signals: The classifiers that clauses may read, by what they look at (`content`).
    """

    name: str
    version: int
    digest: str
    issued_at: datetime
    approvals: tuple[str, ...]
    enums: Mapping[str, tuple[str, ...]]
    facts: FactList
    upstreams: Mapping[str, Upstream]
    routes: Mapping[str, Route]
    limits: Limits
    lifetimes: Mapping[str, int]
    skew_s: int
    observe: tuple[Observe, ...]
    selectors: tuple[Selector, ...]
    fields: Mapping[str, Mapping[str, str]]
    examples: Mapping[str, FactValue]
    clauses: tuple[Clause, ...]
    views_read: frozenset[str]
    files: Mapping[str, bytes]
    signals: Mapping[str, SignalTerms] = field(default_factory=dict)

    @property
    def policies(self) -> tuple[ClausePolicy, ...]:
        """All policies, in the order of their clauses."""
        return tuple(policy for clause in self.clauses for policy in clause.policies)

    @property
    def red_lines(self) -> frozenset[str]:
        """Ids of the clauses that are never only observed."""
        return frozenset(clause.id for clause in self.clauses if clause.red_line)

    @property
    def signals_read(self) -> Mapping[str, SignalTerms]:
        """The classifiers behind the signals that clauses read, by fact; no other is ever asked."""
        names = sorted(path.partition(".")[2] for path in self.views_read if path.startswith(f"{SIGNAL}."))
        return MappingProxyType({name: self.signals[SIGNAL_OF_FACT[name]] for name in names})

    @property
    def approval_life(self) -> timedelta | None:
        """How long an approval may be made to live; None: no bound."""
        life_s = self.lifetimes.get("approval")
        return None if life_s is None else timedelta(seconds=life_s)

    @property
    def schema(self) -> str:
        """The Cedar schema of the facts that clauses read."""
        return self.facts.schema(self.views_read, self.approvals)

    def clause(self, clause_id: str) -> Clause:
        """The clause of this id.

        Raises:
            PolicyError: There is none.
        """
        for clause in self.clauses:
            if clause.id == clause_id:
                return clause
        raise PolicyError(f"expected a clause of bundle `{self.name}`, got `{clause_id:.60}`")

    def rule(self, policy: ClausePolicy) -> Rule:
        """One policy in the dialect.

        Raises:
            DialectError: It is not in the dialect.
        """
        return read_rule(policy, facts=self.facts, roles=self.approvals)


def bundle_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the sorted lines `sha256  path` of the files (`sha256sum` writes such lines)."""
    lines = sorted(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_files(folder: Path) -> Mapping[str, bytes]:
    """The files of a bundle, each read once.

    Raises:
        BundleError: Something else is in the folder, or it can't be read: what is not understood is not signed.
    """
    made: dict[str, bytes] = {}
    if not folder.is_dir():
        raise BundleError(file=str(folder), line=1, message="expected a folder", fix="name a bundle's folder")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink() and name == "clauses":
            continue
        known = name in ("bundle.toml", "README.md") or (name.startswith("clauses/") and name.endswith(".md"))
        if path.is_symlink() or not path.is_file() or not known or name.count("/") > 1:
            raise BundleError(
                file=name,
                line=1,
                message="expected only `bundle.toml`, `README.md` and `clauses/*.md` as plain files",
                fix="take it out of the bundle",
            )
        if path.stat().st_size > MAX_FILE_BYTES or len(made) >= MAX_FILES:
            raise BundleError(
                file=name,
                line=1,
                message=f"expected at most {MAX_FILES} files of {MAX_FILE_BYTES} bytes",
                fix="shorten the bundle",
            )
        try:
            made[name] = path.read_bytes()
        except OSError as error:
            raise BundleError(
                file=name,
                line=1,
                message=f"expected a readable file: {error.strerror}",
                fix="make it readable",
            ) from error
    if "bundle.toml" not in made:
        raise BundleError(
            file="bundle.toml", line=1, message="expected `bundle.toml`", fix="write one (spec/bundle.md)"
        )
    return MappingProxyType(made)


def _read_enums(table: Table) -> tuple[Mapping[str, tuple[str, ...]], FactList]:
    enums: dict[str, tuple[str, ...]] = {}
    facts = load_factlist()
    if table.has("enums"):
        inner = table.table("enums")
        for name, fact_type in facts.types.items():
            if fact_type.is_open and inner.has(name):
                enums[name] = inner.words(name, like="office", pattern=VALUE)
        inner.finish()
    try:
        return MappingProxyType(enums), facts.with_values(enums)
    except PolicyError as error:
        raise table.error("enums", str(error), "take the value out") from error


def _read_examples(table: Table, facts: FactList) -> Mapping[str, FactValue]:
    made: dict[str, FactValue] = {}
    if table.has("examples"):
        for path, value in table.raw("examples").items():
            if not isinstance(value, str | int):
                raise table.error(
                    path, f"expected a value for `{path}`", 'write `"countersigned.purpose" = "office"`'
                )
            try:
                made[path] = facts.parse_value(path, value)
            except PolicyError as error:
                raise table.error(path, str(error), 'write `"countersigned.purpose" = "office"`') from error
    return MappingProxyType(made)


def parse_bundle(folder: Path) -> Bundle:
    """Read a bundle's folder as it is written, without asking whether its clauses may be put in force.

    Raises:
        BundleError: A file is not what spec/bundle.md or spec/clause.md says.
    """
    files = read_files(folder)
    try:
        text = files["bundle.toml"].decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(
            file="bundle.toml", line=1, message="expected UTF-8", fix="save it as UTF-8"
        ) from error
    table = read_toml(text, file="bundle.toml")
    name = table.word("name", like="red-lines", pattern=NAME)
    version = table.number("version", low=1, high=10**9, unit="versions, rising by one")
    known = load_factlist().version
    table.number("facts", low=known, high=known, unit="the version of the list of facts")
    issued_at = table.time("issued_at")
    approvals = table.words("approvals", like="halden_reviewer", pattern=ROLE)
    enums, facts = _read_enums(table)
    examples = _read_examples(table, facts)
    upstreams = read_upstreams(table)
    clauses = tuple(
        parse_clause(data, file=path) for path, data in files.items() if path.startswith("clauses/")
    )
    ids = [clause.id for clause in clauses]
    for clause in clauses:
        if ids.count(clause.id) > 1 or Path(clause.file).stem != clause.id:
            raise BundleError(
                file=clause.file,
                line=2,
                message=f"expected the file of clause `{clause.id}` to be `clauses/{clause.id}.md`",
                fix="give the file its clause's name",
            )
    bundle = Bundle(
        name=name,
        version=version,
        digest=bundle_digest(files),
        issued_at=issued_at,
        approvals=approvals,
        enums=enums,
        facts=facts,
        upstreams=upstreams,
        routes=read_routes(table, upstreams),
        limits=read_limits(table),
        lifetimes=read_lifetimes(table),
        skew_s=table.number("skew_s", low=0, high=600, unit="seconds"),
        observe=read_observe(
            table, issued_at, frozenset(ids), frozenset(c.id for c in clauses if c.red_line)
        ),
        selectors=read_selectors(table),
        fields=read_fields(table),
        examples=examples,
        clauses=clauses,
        views_read=frozenset[str]().union(
            *(views_read(policy.node, facts) for clause in clauses for policy in clause.policies)
        ),
        files=files,
        signals=read_signals(table),
    )
    table.finish()
    for path in sorted(bundle.views_read):
        view, _, name = path.partition(".")
        if view == SIGNAL and SIGNAL_OF_FACT[name] not in bundle.signals:
            raise table.error(
                "signals",
                f"expected `[signals.{SIGNAL_OF_FACT[name]}]`: a clause reads `{path}`",
                "name the classifier, its threshold and its digest (spec/bundle.md)",
            )
    return bundle


def load_bundle(folder: Path | str) -> Bundle:
    """Read a bundle that may be put in force: every clause enforced, in the dialect, and valid against the schema.

    `check.check_bundle` asks more (examples and mutants); that is for those who write and sign a bundle, not for each
    start of a gateway.

    Raises:
        BundleError: The first thing that is wrong.
    """
    bundle = parse_bundle(Path(folder))
    if not bundle.clauses:
        raise BundleError(
            file="bundle.toml", line=1, message="expected a clause", fix="write `clauses/P-1.md`"
        )
    for clause in bundle.clauses:
        if not clause.policies:
            raise BundleError(
                file=clause.file,
                line=2,
                message=f"expected a policy that enforces `{clause.id}`",
                fix="write one",
            )
        for policy in clause.policies:
            try:
                bundle.rule(policy)
            except DialectError as error:
                first = error.problems[0]
                raise BundleError(
                    file=clause.file,
                    line=policy.line,
                    message=f"`{policy.id}`: {first.message}",
                    fix=first.fix,
                ) from error
    result = cedarpy.validate_policies("\n".join(p.text for p in bundle.policies), bundle.schema)
    if not result.validation_passed:
        raise BundleError(
            file="bundle.toml",
            line=1,
            message=f"expected policies that are valid against the schema: {result.errors[0].error:.200}",
            fix="run `countermark policy check`",
        )
    return bundle
