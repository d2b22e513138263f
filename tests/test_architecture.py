"""The house: every module stands on its own, packages answer for themselves, auditors need little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "countermark"
MODULES = sorted(
    "countermark." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in SOURCE.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
CHUNK = 24
CHUNKS = [MODULES[start : start + CHUNK] for start in range(0, len(MODULES), CHUNK)]

_EACH = """
import subprocess, sys
bad = []
for name in sys.argv[1:]:
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True)
    if done.returncode:
        bad.append(f"{name}: {done.stderr.strip().splitlines()[-1]}")
print("\\n".join(bad))
"""


@pytest.mark.slow
@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk[0])
def test_every_module_imports_first(chunk: list[str]) -> None:
    """Every module imports cleanly as the first one in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", _EACH, *chunk], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_packages_say_what_they_answer_for() -> None:
    """`__init__.py` holds a docstring and re-exports nothing."""
    for path in SOURCE.rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        rest = tree.body[1:]
        allowed = path.parent == SOURCE  # the version
        assert not rest or (allowed and len(rest) == 1), f"{path} does more than say what it answers for"


@pytest.mark.parametrize(
    "module",
    ["countermark.attestation.verify", "countermark.tlog.verify", "countermark.upstream"],
)
def test_auditors_install_little(module: str) -> None:
    """What verifies imports no web framework, database, policy engine or command line."""
    code = (
        f"import sys, {module}; "
        "print([m for m in ('uvicorn', 'aiohttp', 'sqlite3', 'cedarpy', 'click', 'prometheus_client') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_but_tests_imports_testing() -> None:
    """`countermark.testing` is for tests of ours and of integrators; nothing of the product leans on it."""
    for path in SOURCE.rglob("*.py"):
        if path.name != "testing.py":
            assert "countermark.testing" not in path.read_text().replace("`countermark.testing", ""), path
