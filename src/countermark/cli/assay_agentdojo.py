"""`countermark assay agentdojo`: AgentDojo's attacks run live before gates, with an agent that obeys whatever it reads."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from countermark.assay.agents.dojo_live import SUITES
from countermark.assay.extra import need_numbers
from countermark.cli.output import Command, example, json_option, page_option, progress, show, write_page
from countermark.errors import SettingsError

_MORE = "more: --detail for verdicts, curves and what each layer is worth; --html FILE for one printed sheet; --json"


@click.command("agentdojo", cls=Command)
@click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Choice(SUITES),
    help="One suite; again for more. [default: all]",
)
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="GATE",
    help="What stands before the tools; again for more. Layers joined by `+` (detector, tools, taint, origin); `recorded`: "
    "the sets of the table that ships; `gateway`: a Countermark gateway, described in four ways (`gateway:suite`, "
    "`gateway:task`, `gateway:people`, `gateway:task+people`); `http://HOST:PORT`: one that runs, with --credential. "
    "[default: recorded]",
)
@click.option(
    "--credential",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The API key that the agents show to a gateway that runs.",
)
@click.option(
    "--model", default="m-1", show_default=True, help="Model that they ask for at a gateway that runs."
)
@click.option(
    "--rows",
    "rows_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep every run as a line of JSON; what is in the file already is not run again.",
)
@page_option
@click.option("--detail", is_flag=True, help="With verdicts, curves, layers and comparisons.")
@json_option
@example("countermark assay agentdojo --gate recorded --gate gateway --rows runs.jsonl")
def agentdojo(
    suites: tuple[str, ...],
    gates: tuple[str, ...],
    credential: Path | None,
    model: str,
    rows_file: Path | None,
    page: Path | None,
    *,
    detail: bool,
    as_json: bool,
) -> None:
    """Run AgentDojo's attacks against gates before an agent's tools: apparent, real and theater, with benign work beside.

    Offline, with an agent that carries out every instruction it sees: what an attacker controls at most, and what a gate
    holds at least. It measures gates, and no model. 629 pairs of user task and injection, three strategies, 97 benign tasks.
    """
    need_numbers()
    from countermark.assay.agents.dojo_live import BENCHMARK, STRATEGIES, load_suite
    from countermark.assay.agents.dojo_rows import DojoFile
    from countermark.assay.agents.extras import need_agentdojo

    version = need_agentdojo()
    chosen = _gates(gates, credential)
    prepared = [load_suite(name) for name in SUITES if name in (suites or SUITES)]
    about = {"agentdojo": version, "benchmark": BENCHMARK, "strategies": list(STRATEGIES)}
    file = DojoFile(rows_file, about)
    try:
        _run(prepared, chosen, file, credential=credential, model=model, quiet=as_json)
    finally:
        file.close()
    wanted = {suite.name for suite in prepared}
    rows = [row for row in file.rows if row.suite in wanted and row.gate in chosen]
    _report(rows, rows_file=rows_file, page=page, detail=detail, as_json=as_json)


def _gates(given: Sequence[str], credential: Path | None) -> list[str]:
    """Names of the gates that are run, the world without one first.

    Raises:
        SettingsError: There is no such gate.
    """
    from countermark.assay.agents.gates import RECORDED, Layers
    from countermark.cli.assay_agentdojo_stack import TITLES

    named: dict[str, None] = {"": None}
    for each in given or ("recorded",):
        if each == "recorded":
            named.update(dict.fromkeys(RECORDED))
        elif each == "gateway":
            named.update(dict.fromkeys(TITLES))
        elif each.startswith("http:"):
            if credential is None:
                raise SettingsError(f"expected --credential FILE with the API key for `{each:.60}`")
            named[each] = None
        elif each in TITLES:
            named[each] = None
        else:
            Layers(each)
            named[each] = None
    return list(named)


def _run(
    suites: Sequence[Any],
    gates: Sequence[str],
    file: Any,
    *,
    credential: Path | None,
    model: str,
    quiet: bool,
) -> None:
    """Run whatever is not in the file yet."""
    from countermark.assay.agents.dojo_live import run, runs

    whole = [(suite, each) for suite in suites for each in runs(suite)]
    done, total = 0, len(whole) * len(gates)
    with progress("agentdojo", quiet=quiet) as tell:
        for name in gates:
            missing = [
                (suite, each)
                for suite, each in whole
                if (name, suite.name, each[0], each[1], each[2]) not in file
            ]
            done += len(whole) - len(missing)
            if not missing:
                continue
            with _gate(name, suites, credential=credential, model=model) as gate:
                for suite, (task, injection, strategy) in missing:
                    file.append(run(suite, task, gate, name=name, injection=injection, strategy=strategy))
                    done += 1
                    tell(done, total)


@contextmanager
def _gate(name: str, suites: Sequence[Any], *, credential: Path | None, model: str) -> Iterator[Any]:
    """The gate of a name; a gateway of our own is made, started and stopped."""
    from countermark.assay.agents.gates import Layers
    from countermark.assay.agents.gateway_gate import GatewayGate
    from countermark.cli.assay_agentdojo_stack import TITLES, Offered, gateway_gate

    with ExitStack() as stack:
        if name in TITLES:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countermark-agentdojo-")))
            offered = [
                Offered(
                    suite=suite.name,
                    tools=suite.tools,
                    needed={task.id: task.needed for task in suite.tasks.values()},
                )
                for suite in suites
            ]
            yield stack.enter_context(gateway_gate(name, offered, folder))
        elif name.startswith("http:") and credential is not None:
            try:
                key = credential.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"expected an API key in `{credential}`: {error}") from error
            offers = {suite.name: suite.tools for suite in suites}
            yield GatewayGate(
                name, credential=lambda _: key, tools=lambda task: offers[task.partition("/")[0]], model=model
            )
        else:
            yield Layers(name)


def _report(
    rows: Sequence[Any], *, rows_file: Path | None, page: Path | None, detail: bool, as_json: bool
) -> None:
    from countermark.assay.agents.dojo_live import STRATEGIES
    from countermark.assay.agents.dojo_source import beside_recorded, make_source
    from countermark.assay.report import document, text
    from countermark.assay.report.page import render as render_page
    from countermark.cli.assay_agentdojo_stack import GATEWAY_REMARK, REMARKS, TITLES

    agreement = beside_recorded(rows)
    ran = {row.gate for row in rows}
    remarks = [
        "the agent obeys everything that it reads: an upper bound on what an attacker controls, a lower bound on the gate; it "
        "says nothing about any model",
        *([GATEWAY_REMARK] if any(name in TITLES or name.startswith("http:") for name in ran) else []),
        *(REMARKS[name] for name in TITLES if name in ran),
    ]
    if agreement.same:
        remarks.append(
            f"beside the recorded run: {agreement.same:,} rows as recorded, {agreement.unseen} where its agent did not find "
            f"the injected text and this one does, {len(agreement.other)} otherwise"
        )
    source = make_source(
        rows, strategies=STRATEGIES, titles=TITLES, remarks=remarks, inputs=_inputs(rows_file)
    )
    if page is not None:
        command = "countermark assay agentdojo --html FILE"
        write_page(
            page,
            render_page([source], title="How much of a safeguard is real: AgentDojo, live", command=command),
        )

    def words() -> str:
        told = text.render([source], detail=detail, more=_MORE)
        return told if page is None else f"{told}\n\nwritten: {page}"

    found: Mapping[str, Any] = {
        **document.to_document([source], format_name="countermark-assay-agentdojo"),
        "beside_recorded": {
            "same": agreement.same,
            "unseen_there": agreement.unseen,
            "other": list(agreement.other),
        },
    }
    show(found, as_json=as_json, text=words)


def _inputs(rows_file: Path | None) -> list[Any]:
    from countermark.assay.measured import Input

    if rows_file is None:
        return []
    data = rows_file.read_bytes()
    return [Input(name=rows_file.name, files=1, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())]
