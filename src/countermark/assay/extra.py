"""The numerical packages come with an extra; whoever needs them asks here first, and is told what to install."""

from __future__ import annotations

import importlib

from countermark.errors import ExtraError

PACKAGES = ("numpy", "scipy")


def need_numbers() -> None:
    """Check that NumPy and SciPy can be imported, before a module that leans on them is.

    Raises:
        ExtraError: One of them is missing.
    """
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ExtraError(
                f"expected the package `{package}`, which the assay counts with: pip install 'countermark[assay]'"
            ) from error
