"""One clause is one Markdown file that a lawyer and an engineer can both read (spec/clause.md).

TOML front matter between `+++`, the sentence, one ```cedar block, a table of examples, and notes if wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cedarpy
from cedarpy import pst

from countermark.decision import Outcome
from countermark.errors import BundleError
from countermark.policy.table import read_toml
from countermark.request import Action

CLAUSE_ID = r"[A-Z]{1,4}-[1-9][0-9]{0,3}"
ROLE = r"[a-z][a-z0-9_]{0,59}"
_COLUMNS = ("case", "action", "facts", "approvals", "outcome", "clauses")
_HEADER = f"| {' | '.join(_COLUMNS)} |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A rule that the clause leans on, and who can change that rule alone."""

    name: str
    changed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClausePolicy:
    """One Cedar policy of a clause.

    Attributes:
        id: Its `@id`: the clause's id, or that and a suffix (`RL-1-said`).
        clause: The clause's id, as which it is reported.
        text: Its Cedar text, from its first annotation to the semicolon.
        line: Where `text` starts in the file, counted from 1.
        node: The typed node of cedarpy.
    """

    id: str
    clause: str
    text: str
    line: int
    node: pst.Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row of the table: facts and approvals, and what the whole bundle says of them.

    `facts` are values by `view.name`, in text as written; what is not named takes the bundle's default. `clauses` are
    those that decide: permits of a PERMIT, forbids of a HOLD or DENY; empty where no clause applies.
    """

    case: str
    action: Action
    facts: Mapping[str, str]
    approvals: Mapping[str, int]
    outcome: Outcome
    clauses: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One numbered term: its sentence, its Cedar text, the evidence that it needs, its examples."""

    id: str
    title: str
    red_line: bool
    needs: tuple[str, ...]
    instrument: Instrument | None
    sentence: str
    policies: tuple[ClausePolicy, ...]
    examples: tuple[Example, ...]
    notes: str
    file: str


class _Lines:
    """The lines of a clause file, taken from the top."""

    def __init__(self, text: str, file: str) -> None:
        self.lines = text.split("\n")
        self.at = 0
        self.file = file

    def error(self, message: str, fix: str, *, line: int | None = None) -> BundleError:
        return BundleError(
            file=self.file, line=self.at + 1 if line is None else line, message=message, fix=fix
        )

    def peek(self) -> str | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def skip_blank(self) -> None:
        while self.at < len(self.lines) and not self.lines[self.at].strip():
            self.at += 1

    def until(self, stop: str, *, what: str, fix: str) -> list[str]:
        """The lines before the next line `stop`, which is taken too."""
        start = self.at
        while self.at < len(self.lines):
            if self.lines[self.at].rstrip() == stop:
                self.at += 1
                return self.lines[start : self.at - 1]
            self.at += 1
        raise self.error(f"expected {what}", fix, line=start + 1)


def _policy_texts(block: str) -> Iterator[tuple[str, int]]:
    """Cut a Cedar text at the semicolons outside strings and comments; each piece with its line in the block."""
    start, offset = 0, 0
    token = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)
    while (found := token.search(block, offset)) is not None:
        offset = found.end()
        if found[0] == ";":
            yield _without_lead(block, start, offset)
            start = offset
    if re.sub(r"//[^\n]*", "", block[start:]).strip():
        yield _without_lead(block, start, len(block))


def _without_lead(block: str, start: int, end: int) -> tuple[str, int]:
    """The piece without the blanks and comments before it, and its line in the block, counted from 0."""
    lead = re.compile(r"(?:\s|//[^\n]*(?:\n|$))*").match(block, start, end)
    first = lead.end() if lead else start
    return block[first:end], block.count("\n", 0, first)


def _parse_policies(lines: list[str], first_line: int, clause: str, file: str) -> tuple[ClausePolicy, ...]:
    made: list[ClausePolicy] = []
    for text, offset in _policy_texts("\n".join(lines)):
        line = first_line + offset
        try:
            nodes = cedarpy.PolicySet.from_str(text).to_pst()
        except ValueError as error:
            message = " ".join(str(error).split())
            raise BundleError(
                file=file, line=line, message=f"expected Cedar: {message:.200}", fix="mend the policy"
            ) from error
        if len(nodes.static_policies) != 1 or nodes.templates:
            raise BundleError(
                file=file,
                line=line,
                message="expected a policy without slots",
                fix="write no `?principal` or `?resource`",
            )
        node = next(iter(nodes.static_policies.values()))
        policy_id = node.annotations.get("id", "")
        if not re.fullmatch(rf"{re.escape(clause)}(-[a-z0-9]+)*", policy_id):
            raise BundleError(
                file=file,
                line=line,
                message=f'expected `@id("{clause}")` or `@id("{clause}-suffix")`, got `{policy_id:.60}`',
                fix="name the policy after its clause",
            )
        if any(policy.id == policy_id for policy in made):
            raise BundleError(
                file=file, line=line, message=f'expected `@id("{policy_id}")` once', fix="give one a suffix"
            )
        made.append(ClausePolicy(id=policy_id, clause=clause, text=text, line=line, node=node))
    return tuple(made)


def _pairs(cell: str, lines: _Lines, line: int, like: str) -> dict[str, str]:
    made: dict[str, str] = {}
    if cell in ("", "-"):
        return made
    for part in cell.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise lines.error(
                f"expected `{like}`, got `{part.strip():.60}`",
                "write `name=value`, commas between",
                line=line,
            )
        if key in made:
            raise lines.error(f"expected `{key:.60}` once in a row", "take one out", line=line)
        made[key] = value
    return made


def _parse_example(cells: list[str], lines: _Lines, line: int) -> Example:
    case, action, facts, approvals, outcome, clauses = cells
    if not case:
        raise lines.error("expected a case in words", "say what happens", line=line)
    if action not in list(Action):
        known = ", ".join(Action)
        raise lines.error(
            f"expected an action of {known}, got `{action:.60}`", f"write one of {known}", line=line
        )
    if outcome not in Outcome.__members__:
        raise lines.error(
            f"expected PERMIT, HOLD or DENY, got `{outcome:.60}`", "write the outcome in capitals", line=line
        )
    counts: dict[str, int] = {}
    for role, count in _pairs(approvals, lines, line, "halden_reviewer=1").items():
        if not re.fullmatch(r"[0-9]{1,2}", count):
            raise lines.error(
                f"expected a count of persons for `{role:.60}`, got `{count:.60}`",
                "write a number",
                line=line,
            )
        counts[role] = int(count)
    decided = () if clauses in ("", "-") else tuple(sorted(part.strip() for part in clauses.split(",")))
    for clause in decided:
        if not re.fullmatch(CLAUSE_ID, clause):
            raise lines.error(
                f"expected clause ids like `RL-1`, got `{clause:.60}`", "write ids, commas between", line=line
            )
    return Example(
        case=case,
        action=Action(action),
        facts=MappingProxyType(_pairs(facts, lines, line, "countersigned.purpose=office")),
        approvals=MappingProxyType(counts),
        outcome=Outcome[outcome],
        clauses=decided,
        line=line,
    )


def _parse_examples(lines: _Lines) -> tuple[Example, ...]:
    lines.skip_blank()
    made: list[Example] = []
    header = lines.peek()
    if header is None or _cells(header) != list(_COLUMNS):
        raise lines.error("expected the table of examples", f"write `{_HEADER}`")
    lines.at += 1
    rule = lines.peek()
    if rule is None or not re.fullmatch(r"\|(\s*:?-+:?\s*\|){6}\s*", rule):
        raise lines.error(
            "expected the rule under the table's header", "write `| --- | --- | --- | --- | --- | --- |`"
        )
    lines.at += 1
    while (row := lines.peek()) is not None and row.strip():
        cells = _cells(row)
        if len(cells) != len(_COLUMNS):
            raise lines.error(f"expected {len(_COLUMNS)} cells, got {len(cells)}", f"write `{_HEADER}`")
        example = _parse_example(cells, lines, lines.at + 1)
        if any(example.case == other.case for other in made):
            raise lines.error(f"expected each case once, got `{example.case:.60}` twice", "say what differs")
        made.append(example)
        lines.at += 1
    return tuple(made)


def _cells(row: str) -> list[str]:
    stripped = row.strip()
    if not (stripped.startswith("|") and stripped.endswith("|") and len(stripped) > 1):
        return []
    return [cell.strip() for cell in stripped[1:-1].split("|")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Front:
    """What stands between the `+++`."""

    id: str
    title: str
    red_line: bool
    needs: tuple[str, ...]
    instrument: Instrument | None


def _parse_front(lines: _Lines) -> _Front:
    if lines.peek() != "+++":
        raise lines.error(
            "expected `+++` on the first line", "start with TOML front matter between two `+++`"
        )
    lines.at = 1
    front = "\n".join(lines.until("+++", what="a second `+++`", fix="close the front matter with `+++`"))
    table = read_toml(front, file=lines.file, first_line=2)
    clause_id = table.word("id", like="RL-1", pattern=CLAUSE_ID)
    title = table.word("title", like="No bulk analysis of people", pattern=r"[^\n|]{1,100}")
    red_line = table.flag("red_line")
    needs = table.words("needs", like="a countersigned purpose", pattern=r"[^\n|]{1,200}")
    instrument = None
    if table.has("instrument"):
        inner = table.table("instrument")
        instrument = Instrument(
            name=inner.word("name", like="directive D-7"),
            changed_by=inner.words("changed_by", like="northmark", pattern=r"[a-z][a-z0-9-]{0,59}", least=1),
        )
        inner.finish()
    table.finish()
    return _Front(id=clause_id, title=title, red_line=red_line, needs=needs, instrument=instrument)


def _decode(data: bytes, file: str) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BundleError(
            file=file, line=line, message="expected UTF-8", fix="save the file as UTF-8"
        ) from error
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        raise BundleError(
            file=file, line=line, message="expected lines that end in LF", fix="save without CR"
        )
    return text


def _parse_notes(lines: _Lines) -> str:
    lines.skip_blank()
    if lines.peek() is None:
        return ""
    if lines.peek() != "## Notes":
        raise lines.error(
            "expected nothing or `## Notes` after the examples", "move the text under `## Notes`"
        )
    notes = "\n".join(lines.lines[lines.at + 1 :]).strip()
    if "```" in notes:
        raise lines.error("expected one Cedar block in a clause", "take the block out of the notes")
    return notes


def parse_clause(data: bytes, *, file: str) -> Clause:
    """Read one clause file.

    Args:
        file: Its path inside the bundle, for messages.

    Raises:
        BundleError: The file is not what spec/clause.md says.
    """
    lines = _Lines(_decode(data, file), file)
    front = _parse_front(lines)
    sentence_line = lines.at + 1
    fence_fix = "put the clause's policies into one block that starts with ```cedar and ends with ```"
    sentence = "\n".join(lines.until("```cedar", what="a block of Cedar", fix=fence_fix)).strip()
    if not sentence or sentence.startswith("#"):
        raise lines.error(
            "expected the clause's sentence before the Cedar block",
            "say in plain language what the clause demands, without a heading",
            line=sentence_line,
        )
    block_line = lines.at + 1
    block = lines.until("```", what="the end of the Cedar block", fix=fence_fix)
    policies = _parse_policies(block, block_line, front.id, file)

    lines.skip_blank()
    if lines.peek() != "## Examples":
        raise lines.error(
            "expected `## Examples` after the Cedar block", "put the heading and its table there"
        )
    lines.at += 1
    examples = _parse_examples(lines)
    return Clause(
        id=front.id,
        title=front.title,
        red_line=front.red_line,
        needs=front.needs,
        instrument=front.instrument,
        sentence=sentence,
        policies=policies,
        examples=examples,
        notes=_parse_notes(lines),
        file=file,
    )
