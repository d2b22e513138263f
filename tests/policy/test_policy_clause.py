"""A clause file is read strictly: what it says is kept, what it should not say is named with its line."""

from __future__ import annotations

import pytest

from countermark.decision import Outcome
from countermark.errors import BundleError
from countermark.policy.clause import parse_clause
from countermark.request import Action

GOOD = """+++
id = "C-1"
title = "Only for work"
red_line = true
needs = ["a countersigned purpose"]

[instrument]
name = "directive D-7"
changed_by = ["northmark"]
+++

The model may be used for office work only.

Nothing else.

```cedar
// a comment with ; and "
@id("C-1")
forbid (principal, action, resource)
unless { context.countersigned.purpose == Purpose::"office" };

@id("C-1-said") forbid (principal, action, resource)
when { context.claimed.bulk_persons == YesNo::"yes" };
```

## Examples

| case | action | facts | approvals | outcome | clauses |
| --- | --- | --- | --- | --- | --- |
| It is office work | prompt | countersigned.purpose=office, claimed.bulk_persons=no | rev=1 | PERMIT | P-1 |
| It is not | call | - | - | DENY | RL-2, C-1 |

## Notes

Why it says so.
"""


def test_a_clause_file_is_read_whole() -> None:
    """Front matter, sentence, policies with their lines, examples and notes all arrive."""
    clause = parse_clause(GOOD.encode(), file="clauses/C-1.md")
    assert (clause.id, clause.title, clause.red_line) == ("C-1", "Only for work", True)
    assert clause.needs == ("a countersigned purpose",)
    assert clause.instrument is not None
    assert clause.instrument.changed_by == ("northmark",)
    assert clause.sentence == "The model may be used for office work only.\n\nNothing else."
    assert [(policy.id, policy.clause, policy.line) for policy in clause.policies] == [
        ("C-1", "C-1", 18),
        ("C-1-said", "C-1", 22),
    ]
    first, second = clause.examples
    assert first.facts == {"countersigned.purpose": "office", "claimed.bulk_persons": "no"}
    assert first.approvals == {"rev": 1}
    assert (first.outcome, first.clauses, first.line) == (Outcome.PERMIT, ("P-1",), 30)
    assert (second.action, second.outcome, second.clauses) == (Action.CALL, Outcome.DENY, ("C-1", "RL-2"))
    assert clause.notes == "Why it says so."


BAD = {
    "there is no front matter": (lambda t: t.replace("+++\n", "", 1), 1, "front matter"),
    "the front matter is not closed": (lambda t: t.replace('"]\n+++\n', '"]\n'), 2, "close the front matter"),
    "the front matter is no TOML": (
        lambda t: t.replace("red_line = true", "red_line = yes"),
        4,
        "expected TOML",
    ),
    "a key is repeated": (lambda t: t.replace("red_line", 'id = "C-2"\nred_line', 1), 4, "expected TOML"),
    "a key is unknown": (
        lambda t: t.replace("red_line = true", "red_line = true\nred = 1"),
        5,
        "no key `red`",
    ),
    "a key is missing": (lambda t: t.replace("red_line = true\n", ""), 2, "expected `red_line`"),
    "a key has another type": (lambda t: t.replace("= true", '= "yes"'), 4, "true or false"),
    "the id has another form": (lambda t: t.replace('id = "C-1"', 'id = "c1"'), 2, "like `RL-1`"),
    "there is no sentence": (
        lambda t: t.replace("The model may be used for office work only.\n\nNothing else.\n", ""),
        11,
        "sentence",
    ),
    "the sentence is a heading": (lambda t: t.replace("The model may", "# The model may"), 11, "sentence"),
    "there is no Cedar": (lambda t: t.replace("```cedar", "```text"), 11, "block of Cedar"),
    "Cedar cannot read it": (lambda t: t.replace("unless {", "unles {"), 18, "expected Cedar"),
    "a policy does not end": (lambda t: t.replace('"yes" };\n', '"yes" }\n'), 22, "expected Cedar"),
    "a policy has another clause's id": (lambda t: t.replace('"C-1-said"', '"C-2"'), 22, '@id("C-1")'),
    "a policy has no id": (lambda t: t.replace('@id("C-1-said") ', ""), 22, '@id("C-1")'),
    "two policies have one id": (lambda t: t.replace('"C-1-said"', '"C-1"'), 22, "once"),
    "a policy has a slot": (
        lambda t: t.replace(
            "(principal, action, resource)\nwhen", "(principal == ?principal, action, resource)\nwhen"
        ),
        22,
        "without slots",
    ),
    "there are no examples": (lambda t: t.replace("## Examples", "## Other"), 26, "## Examples"),
    "the table has other columns": (lambda t: t.replace("| case |", "| what |"), 28, "table of examples"),
    "a row has too few cells": (lambda t: t.replace("| It is not | call |", "| It is not |"), 31, "6 cells"),
    "a case is told twice": (lambda t: t.replace("| It is not |", "| It is office work |"), 31, "once"),
    "an action is unknown": (lambda t: t.replace("| call |", "| ask |"), 31, "an action of"),
    "an outcome is unknown": (lambda t: t.replace("DENY", "deny"), 31, "PERMIT, HOLD or DENY"),
    "a fact has no value": (
        lambda t: t.replace("purpose=office", "purpose"),
        30,
        "countersigned.purpose=office",
    ),
    "approvals are no number": (lambda t: t.replace("rev=1", "rev=one"), 30, "count of persons"),
    "a clause's id is misspelt": (lambda t: t.replace("RL-2, C-1", "RL2"), 31, "clause ids"),
    "there are two blocks of Cedar": (lambda t: t + "\n```cedar\n```\n", 33, "one Cedar block"),
    "something follows the examples": (lambda t: t.replace("## Notes", "## More"), 33, "## Notes"),
    "lines end in CR": (lambda t: t.replace("Nothing else.\n", "Nothing else.\r\n"), 14, "LF"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_clause_may_not_say_is_named_with_its_line(case: str) -> None:
    """Each mistake is refused, at its line, with a word about what to do."""
    spoil, line, word = BAD[case]
    with pytest.raises(BundleError) as caught:
        parse_clause(spoil(GOOD).encode(), file="clauses/C-1.md")
    assert (caught.value.file, caught.value.line) == ("clauses/C-1.md", line), str(caught.value)
    assert word in str(caught.value)


def test_text_that_is_no_utf8_is_refused() -> None:
    """Two readers of other encodings would sign different sentences."""
    with pytest.raises(BundleError, match="UTF-8"):
        parse_clause(GOOD.replace("Why", "Wh\xff").encode("latin-1"), file="clauses/C-1.md")
