"""The page on what the assay says of Countermark itself is that of the result which is kept beside it."""

from __future__ import annotations

import json

from make_own_findings import KEPT, PARTS, TARGET, page


def test_page_is_current() -> None:
    """Each figure of the page is that of `own.json`; write it again with `python tests/assay/make_own_findings.py`."""
    text = TARGET.read_text()
    assert page(text, json.loads(KEPT.read_text())) == text
    assert all(f"<!-- generated: {name} -->" in text for name in PARTS)


def test_kept_result_counts() -> None:
    """The kept result is of a run whose controls scored as known, and whose content layers told no twins apart."""
    kept = json.loads(KEPT.read_text())
    assert kept["void"] == []
    by_name = {column["name"]: column for column in kept["columns"]}
    for name in ("refusal", "+ classifier"):
        assert by_name[name]["twins"]["separation"]["value"] == 0
