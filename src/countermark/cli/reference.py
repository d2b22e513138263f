"""Generates the reference pages of errors and clauses: `python -m countermark.cli.reference errors|clauses`.

`tests/test_reference.py` holds the pages in `docs/reference/` to what this writes.
"""

from __future__ import annotations

import inspect
import sys

from countermark import errors
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle

BUNDLES = ("red-lines", "everyday", "all-lawful-uses", "solo")


def errors_page() -> str:
    """Every exception, with what it means and which one it is a kind of."""
    lines = [
        "# Errors",
        "",
        "Generated from `errors.py`: `python -m countermark.cli.reference errors > docs/reference/errors.md`.",
        "",
        "DENY is an answer; an exception means that no answer was reached, and the gateway treats it as DENY. What callers",
        "see of either is in [spec/errors.md](../../spec/errors.md). Commands print an error in one line and exit with 2.",
        "",
    ]
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.CountermarkError):
            parent = kind.__bases__[0].__name__
            of = "" if kind is errors.CountermarkError else f"A kind of [{parent}](#{parent.lower()}). "
            text = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
            lines += [f"## {name}", "", f"{of}{text}", ""]
    return "\n".join(lines)


def clauses_page() -> str:
    """Every clause of the bundles that ship, with its sentence, and what it needs."""
    lines = [
        "# Clauses of the bundles that ship",
        "",
        "Generated from `policies/`: `python -m countermark.cli.reference clauses > docs/reference/clauses.md`. The files",
        "there have the Cedar text and the examples; `countermark policy read` says the same as controlled English.",
        "",
    ]
    for name in BUNDLES:
        bundle = load_bundle(shipped_bundle(name))
        lines += [f"## {name}", ""]
        for clause in bundle.clauses:
            red = " (red line)" if clause.red_line else ""
            lines += [f"### {name} {clause.id}: {clause.title}{red}", "", clause.sentence.strip(), ""]
            if clause.needs:
                lines += ["Needs:", "", *(f"- {need}" for need in clause.needs), ""]
            if clause.instrument is not None:
                who = ", ".join(clause.instrument.changed_by)
                lines += [f"Leans on {clause.instrument.name}, which {who} can change alone.", ""]
    return "\n".join(lines)


PAGES = {"errors": errors_page, "clauses": clauses_page}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
