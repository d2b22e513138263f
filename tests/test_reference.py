"""The reference pages say what the code has: every error and clause has a heading, and the pages are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from countermark.cli.reference import PAGES

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_generated_pages_are_current(page: str) -> None:
    """`docs/reference/` holds what the generator writes now."""
    assert (DOCS / "reference" / f"{page}.md").read_text() == PAGES[page]()


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link in the project's Markdown names a file that is there."""
    root = DOCS.parent
    pages = [
        *DOCS.rglob("*.md"),
        *root.glob("*.md"),
        *(root / "spec").glob("*.md"),
        *(root / "policies").glob("*.md"),
    ]
    missing = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.relative_to(root)} -> {target}")
    assert missing == []
