"""Where the bundles that come with the package lie: `red-lines`, `everyday`, `solo`, `all-lawful-uses`, `classifier-only`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from countermark.errors import PolicyError

_INSTALLED = Path(str(files("countermark"))) / "policies"
_CHECKOUT = Path(__file__).resolve().parents[3] / "policies"


def shipped_bundle(name: str) -> Path:
    """The folder of a bundle that ships with the package.

    Raises:
        PolicyError: There is none of that name.
    """
    for folder in (_INSTALLED, _CHECKOUT):
        if (folder / name / "bundle.toml").is_file():
            return folder / name
    raise PolicyError(f"expected a bundle that ships with countermark, got `{name[:60]}`")
