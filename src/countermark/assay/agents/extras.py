"""The packages of other tools come with extras of their own; whoever needs one asks here first."""

from __future__ import annotations

import importlib
import importlib.metadata

from countermark.errors import ExtraError


def need(package: str, extra: str, what_for: str) -> str:
    """Check that a package can be imported, before anything is built on it.

    Returns:
        Its version, for the record.

    Raises:
        ExtraError: It is missing.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ExtraError(
            f"expected the package `{package}`, {what_for}: pip install 'countermark[{extra}]'"
        ) from error
    return importlib.metadata.version(package)


def need_agentdojo() -> str:
    """AgentDojo's suites, tools and judges; returns its version.

    Raises:
        ExtraError: They are missing.
    """
    return need("agentdojo", "agentdojo", "whose tasks and judges this runs")


def need_inspect() -> str:
    """Inspect AI; returns its version.

    Raises:
        ExtraError: It is missing.
    """
    return need("inspect_ai", "inspect", "whose approvers and tasks these are")
