"""What all tests share: helper modules of one part are used by the tests of another, and no proxy comes between."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# Timing never fails a test: no deadline, and a machine that is slow for a while fails no health check.
settings.register_profile(
    "countermark", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("countermark")

HERE = Path(__file__).parent

for part in ("policy", "evidence", "e2e", "pdp", "cli"):
    sys.path.append(str(HERE / part))

for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
    os.environ.pop(name, None)
