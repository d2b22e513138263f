"""The bundles that the package promises come with it, wherever it is installed from."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from countermark.errors import PolicyError
from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("red-lines", "everyday", "solo", "all-lawful-uses")


def test_a_wheel_holds_the_bundles_and_starts_from_them(tmp_path: Path) -> None:
    """Installed from a wheel, with no checkout near, `init` finds the same bundle, byte for byte."""
    code = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wheel = tmp_path / built.stdout.split()[-1]
    names = zipfile.ZipFile(wheel).namelist()
    for name in SHIPPED:
        assert f"countermark/policies/{name}/bundle.toml" in names
    assert not [name for name in names if "/bad/" in name]
    unpacked = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(unpacked)
    code = (
        "from countermark.policy.shipped import shipped_bundle; from countermark.policy.bundle import load_bundle; "
        "folder = shipped_bundle('solo'); print(folder, load_bundle(folder).digest)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    folder, digest = asked.stdout.split()
    assert Path(folder) == unpacked / "countermark" / "policies" / "solo"
    assert digest == load_bundle(ROOT / "policies" / "solo").digest


def test_another_name_is_refused() -> None:
    """What doesn't ship is said not to."""
    with pytest.raises(PolicyError, match="ships with countermark"):
        shipped_bundle("bad")
