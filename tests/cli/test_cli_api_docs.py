"""The reference of the HTTP API names every path that the gateway answers."""

from __future__ import annotations

import re
from pathlib import Path

from countermark.pep import api

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")


def test_every_path_has_a_heading() -> None:
    """Each `case` of the router, and the log's files, stand on the page under their own heading."""
    source = Path(api.__file__).read_text(encoding="utf-8")
    routed = re.findall(r'case \("(GET|POST)", ([^)]*)\):', source)
    paths = {
        f"{method} "
        + "/".join(
            part.strip().strip('"').replace("hold_id", "ID").replace("decision_id", "ID")
            for part in rest.split(",")
        )
        for method, rest in routed
    }
    assert len(paths) > 8
    headings = set(re.findall(r"^## ((?:GET|POST) \S+)", PAGE, re.MULTILINE))
    assert headings == paths | {"GET log/checkpoint", "GET log/tile/…"}


def test_every_status_is_explained() -> None:
    """The statuses that errors have stand in the table."""
    source = Path(api.__file__).read_text(encoding="utf-8")
    table = source[source.index("def _status_of") :]
    assert {status for status in re.findall(r"Error, (\d{3})\)", table) if status not in PAGE} == set()
