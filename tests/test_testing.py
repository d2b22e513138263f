"""The deployment in memory, as integrators use it: its how-to runs, and its state can be read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from countermark.attestation.envelope import parse_envelope, read_lines
from countermark.policy.bundle import load_bundle
from countermark.testing import Deployment

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to" / "test-your-integration.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
ASK = {"model": "m-1", "messages": [{"role": "user", "content": "a particular text"}]}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_how_to_runs(number: int, tmp_path: Path) -> None:
    """Each block of the how-to runs as it stands, in a process of its own."""
    script = tmp_path / "block.py"
    script.write_text(BLOCKS[number])
    subprocess.run([sys.executable, "-W", "error", str(script)], check=True, timeout=60)


async def test_a_dump_can_be_read(tmp_path: Path) -> None:
    """Log, statements, trust root, bundle, holds and what was forwarded, each in its own form."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        await deployment.ask("office", ASK)
        deployment.dump(tmp_path)
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in entries][-2:] == ["decision", "answer"]
    assert "a particular text" not in (tmp_path / "log.jsonl").read_text()
    assert "a particular text" in (tmp_path / "forwarded.jsonl").read_text()
    assert len(list((tmp_path / "statements").iterdir())) == 3
    for path in (tmp_path / "statements").iterdir():
        assert all(parse_envelope(line) for line in read_lines(path.read_bytes()))
    assert load_bundle(tmp_path / "bundle").name == "red-lines"
    assert (tmp_path / "trust-root.json").is_file()
