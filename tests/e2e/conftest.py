"""One gateway and one played upstream for all tests that leave them as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from e2e_site import SETTINGS, Site, site

LIMITS = {"first_byte_s": 2, "idle_s": 2, "total_s": 20}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Processes with short time limits; each test asks something that no other asks."""
    with site(tmp_path_factory.mktemp("site"), limits=LIMITS, settings=SETTINGS) as made:
        yield made
        # what all of it left behind: nothing without its entry, and a log that verifies
        assert made.check_forwarded() > 0
        made.check_consumed()
        assert made.stop() in (0, -15)
        assert made.verify().torn_bytes == 0
        assert "Traceback" not in made.errors()
