"""One gateway and one played upstream for all tests that leave them as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from e2e_site import Site, site

LIMITS = {"first_byte_s": 2, "idle_s": 2, "total_s": 20}
SETTINGS = """
[gateway]
name = "gw-1"
[limits]
body_timeout_s = 2.0
[log]
segment_mib = 4
"""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Processes with short time limits; each test asks something that no other asks."""
    with site(tmp_path_factory.mktemp("site"), limits=LIMITS, settings=SETTINGS) as made:
        yield made
