"""Writes the recorded tables that ship, and their manifest, from a folder of the public tables as CSV.

    python tests/assay/make_tables.py FOLDER

What is left out or changed on the way stands in each table's `changed`, and in NOTICE. The same folder gives the same
bytes.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).parents[2] / "src" / "countermark" / "assay" / "recorded"
Rows = list[dict[str, str]]

HEAD = """\
# The recorded tables that ship: where each comes from, and what it must hash to. Written by tests/assay/make_tables.py;
# the format is spec/assay-tables.md, the licences are in NOTICE.
version = 1
"""


def without(*columns: str) -> Callable[[Rows], Rows]:
    """Leave columns out."""
    return lambda rows: [{k: v for k, v in row.items() if k not in columns} for row in rows]


def as_it_is(rows: Rows) -> Rows:
    """Change nothing."""
    return rows


def number_defences(rows: Rows) -> Rows:
    """Replace the names that teams gave themselves by numbers, in the order of the file."""
    teams: dict[str, str] = {}
    for row in rows:
        team, _, model = row["defense"].rpartition("/")
        row["defense"] = f"team-{teams.setdefault(team, f'{len(teams) + 1:02d}')}/{model}"
    return rows


AGENTDOJO = (
    "Copyright (c) 2024 Edoardo Debenedetti, Jie Zhang, Mislav Balunovic, Luca Beurer-Kellner, Marc Fischer, "
    "and Florian Tramèr"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: where it comes from, and what is done to it."""

    name: str
    file: str
    repository: str
    commit: str
    path: str
    licence: str
    holder: str
    changed: str
    change: Callable[[Rows], Rows] = as_it_is
    rows: tuple[dict[str, str], ...] = ()
    """The rows themselves, where `file` is empty: a figure that is printed, not a file."""


TABLES = (
    Table(
        name="jailbreakbench",
        file="jbb_artifacts_outcomes.csv",
        repository="JailbreakBench/artifacts",
        commit="909e68c01d94222b8ad2e397a017e2e12e2adb73",
        path="attack-artifacts/",
        licence="MIT",
        holder="Copyright (c) 2024 JailbreakBench Team and artifacts authors",
        changed="labels and counts only: no prompt and no answer; goals by number, without their names",
        change=without("behavior", "queries_to_jailbreak"),
    ),
    Table(
        name="adaptive-attacks",
        file="adaptive_attacks_claude.csv",
        repository="tml-epfl/llm-adaptive-attacks",
        commit="7787faaf8b6fdd56e63ec320d5568bd3e35c48c0",
        path="attack_logs/",
        licence="MIT",
        holder="Copyright (c) 2024 Maksym Andriushchenko",
        changed="scores and counts parsed from the logs: no prompt and no answer; goals by number",
    ),
    Table(
        name="xstest",
        file="xstest_labels.csv",
        repository="paul-rottger/exaggerated-safety",
        commit="d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d",
        path="evaluation/, model_completions/",
        licence="CC-BY-4.0",
        holder="the authors of XSTest (Roettger et al. 2024, arXiv 2308.01263)",
        changed="labels only: no prompt and no answer",
    ),
    Table(
        name="agentdojo",
        file="agentdojo_results_table.csv",
        repository="sequrity-ai/agentdojo",
        commit="357c80dea9af34323f709c3505d9e6d224654c7e",
        path="docs/results-table.html",
        licence="MIT",
        holder=AGENTDOJO,
        changed="counts over 97 and 629, recovered exactly from the published percentages",
    ),
    Table(
        name="agentdojo-best",
        file="",
        repository="sequrity-ai/agentdojo",
        commit="357c80dea9af34323f709c3505d9e6d224654c7e",
        path="notebooks/analysis.ipynb",
        licence="MIT",
        holder=AGENTDOJO,
        changed="the column Max of the notebook's last table of attacks, 57.55 %, as the only count over 629 that it can be",
        rows=(
            {
                "model": "gpt-4o-2024-05-13",
                "defense": "None",
                "attack_success": "362",
                "attack_n": "629",
                "attacks": "direct ignore_previous injecagent important_instructions "
                "important_instructions_no_user_name important_instructions_no_model_name "
                "important_instructions_no_names important_instructions_wrong_model_name "
                "important_instructions_wrong_user_name",
            },
        ),
    ),
    Table(
        name="camel",
        file="camel_notebook_tables.csv",
        repository="google-research/camel-prompt-injection",
        commit="f083b6b396399d3b3c7f2ddaf613a5945eaf32d8",
        path="analysis.ipynb",
        licence="Apache-2.0",
        holder="the authors of CaMeL (Debenedetti et al. 2025, arXiv 2503.18813)",
        changed="the tables that the notebook prints, as CSV",
    ),
    Table(
        name="satml-ctf",
        file="satml_ctf_scores.csv",
        repository="ethz-spylab/satml-llm-ctf",
        commit="3b67d5ff7a5abf25bfd6d328e666d363b87b91ad",
        path="data/final_scores.json",
        licence="MIT",
        holder="Copyright (c) 2024 SPY Lab",
        changed="points only; the names of teams replaced by numbers, on both sides",
        change=number_defences,
    ),
    Table(
        name="openagentsafety",
        file="openagentsafety_labels.csv",
        repository="Open-Agent-Safety/OpenAgentSafety",
        commit="af9cd082ce9c171429d15678f3c6621f63e57e86",
        path="",
        licence="MIT",
        holder="the authors of OpenAgentSafety",
        changed="labels only",
    ),
    Table(
        name="agentdojo-obedient",
        file="agentdojo_obedient_layers.csv",
        repository="",
        commit="",
        path="",
        licence="Apache-2.0",
        holder="this project; made with agentdojo 0.1.35 (MIT)",
        changed="nothing: made for this project, by an agent that obeys whatever it reads",
    ),
    Table(
        name="agentdojo-obedient-benign",
        file="agentdojo_obedient_benign.csv",
        repository="",
        commit="",
        path="",
        licence="Apache-2.0",
        holder="this project; made with agentdojo 0.1.35 (MIT)",
        changed="nothing: made for this project, by an agent that obeys whatever it reads",
    ),
)


def build(folder: Path) -> dict[str, bytes]:
    """Every file that ships, by name."""
    files = {}
    manifest = [HEAD]
    for table in TABLES:
        rows = list(table.rows) or table.change(read(folder / table.file))
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        data = text.getvalue().encode()
        files[f"{table.name}.csv.gz"] = gzip.compress(data, compresslevel=9, mtime=0)
        manifest.append(entry(table, rows, data))
    files["manifest.toml"] = "\n".join(manifest).encode()
    return files


def read(path: Path) -> Rows:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def entry(table: Table, rows: Rows, data: bytes) -> str:
    """A table's place in the manifest."""
    values: dict[str, str | int | list[str]] = {
        "name": table.name,
        "file": f"{table.name}.csv.gz",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "rows": len(rows),
        "columns": list(rows[0]),
        "repository": table.repository,
        "commit": table.commit,
        "path": table.path,
        "licence": table.licence,
        "holder": table.holder,
        "changed": table.changed,
    }
    # a JSON string, number or list of strings is the same in TOML
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "[[table]]\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name, content in build(Path(sys.argv[1])).items():
        (RECORDED / name).write_bytes(content)
