"""Writes the table in `docs/design/assay-strategies.md` from the strategies that ship.

    python tests/assay/make_strategies.py

`test_assay_strategies.py` checks that it is current.
"""

from __future__ import annotations

from pathlib import Path

from countermark.assay.strategies.known import STRATEGIES

PAGE = Path(__file__).parents[2] / "docs" / "design" / "assay-strategies.md"
BEGIN, END = "<!-- strategies: begin -->\n", "<!-- strategies: end -->\n"


def table() -> str:
    """The table's lines."""
    head = "| strategy | what the attacker does | aimed at | author | cost | liars | family |"
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{each.name}` | {each.title}; has: {each.access} | {each.aims_at} | {each.author.value} "
        f"| {each.cost.name.lower()} | {each.liars} | {each.family} |"
        for each in STRATEGIES
    ]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
