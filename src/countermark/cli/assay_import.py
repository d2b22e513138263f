"""`countermark assay import`: what other tools' logs say of safeguards."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.assay.extra import need_numbers
from countermark.cli.output import Command, example, json_option, page_option, progress, show, write_page
from countermark.errors import SettingsError

_FORMATS = ("inspect", "agentdojo", "jailbreakbench", "promptfoo", "garak", "pyrit", "table")
_AUTHORS = ("third party", "recorded public", "ours")
_FIELDS = ("goal", "strategy", "cluster", "safeguard", "twin")
_MORE = "more: --detail for verdicts, curves and comparisons; --html FILE for one printed sheet; --json"


@click.command("import", cls=Command)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="PATH..."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(_FORMATS),
    help="Take everything for this tool's; else by content.",
)
@click.option(
    "--breach-when",
    "breach_when",
    multiple=True,
    metavar="RULE",
    help="What a score of Inspect means: `SCORER=VALUE`, `SCORER.KEY>=0.5`. Never guessed; any of several.",
)
@click.option(
    "--stopped-when",
    multiple=True,
    metavar="RULE",
    help="The same, of benign samples; else what would be no breach.",
)
@click.option(
    "--benign",
    "benign_when",
    multiple=True,
    metavar="RULE",
    help="Which rows are benign: `metadata.kind=work`.",
)
@click.option(
    "--naive",
    default="",
    metavar="STRATEGY",
    help="The attacker who doesn't adapt; else the tool's own word for it.",
)
@click.option(
    "--order",
    default="",
    metavar="A,B,...",
    help="Strategies as they became known; else by the dates in the logs.",
)
@click.option(
    "--field",
    "field_paths",
    multiple=True,
    metavar="NAME=PATH",
    help=f"Where {', '.join(_FIELDS)} stand in a record.",
)
@click.option(
    "--safeguard",
    "safeguards",
    multiple=True,
    metavar="NAME",
    help="What was attacked: one name, or one for each path.",
)
@click.option(
    "--undefended",
    default="",
    metavar="NAME",
    help="The safeguard that is none: count only goals reached under it.",
)
@click.option(
    "--detector", default="", metavar="NAME", help="Of several judges in a log, the one whose word counts."
)
@click.option(
    "--repeats", is_flag=True, help="A goal may occur more than once: reached in any run is reached."
)
@click.option(
    "--judge-labels",
    "labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="CSV with the columns judge and people: adds intervals that carry the judge's error.",
)
@click.option(
    "--written-by",
    type=click.Choice(_AUTHORS),
    default=_AUTHORS[0],
    show_default=True,
    help="Who wrote the goals.",
)
@click.option(
    "--max-record-mb",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    help="Largest sample or row.",
)
@page_option
@click.option("--detail", is_flag=True, help="With verdicts, curves, layers and comparisons.")
@json_option
@example("countermark assay import runs/ --naive direct --html imported.html")
def import_logs(
    paths: tuple[Path, ...],
    format_name: str | None,
    breach_when: tuple[str, ...],
    stopped_when: tuple[str, ...],
    benign_when: tuple[str, ...],
    naive: str,
    order: str,
    field_paths: tuple[str, ...],
    safeguards: tuple[str, ...],
    undefended: str,
    detector: str,
    repeats: bool,
    labels: Path | None,
    written_by: str,
    max_record_mb: int,
    page: Path | None,
    detail: bool,
    *,
    as_json: bool,
) -> None:
    """Read logs of other tools and show the same figures: apparent, real and theater, with intervals.

    Logs of Inspect AI (.json, .eval), AgentDojo runs and JailbreakBench artifacts; of promptfoo, garak and PyRIT; and
    tables for everything else. Files and folders of one tool are taken together. Nothing that they hold is run.
    """
    need_numbers()
    from countermark.assay.imported.labels import read_labels
    from countermark.assay.imported.load import load
    from countermark.assay.imported.records import Limits, Options
    from countermark.assay.imported.rule import parse_rule
    from countermark.assay.imported.sources import Choices, make_sources
    from countermark.assay.report import document, text
    from countermark.assay.report.page import render as render_page

    options = Options(
        breach_when=tuple(parse_rule(each) for each in breach_when),
        stopped_when=tuple(parse_rule(each) for each in stopped_when),
        benign_when=tuple(parse_rule(each) for each in benign_when),
        fields=_fields(field_paths),
        detector=detector,
        limits=Limits(record_bytes=max_record_mb << 20),
    )
    choices = Choices(
        naive=naive,
        order=tuple(filter(None, (each.strip() for each in order.split(",")))),
        undefended=undefended,
        repeats=repeats,
        written_by=written_by,
        labelled=None if labels is None else read_labels(labels),
    )
    with progress("reading", quiet=as_json) as told:
        loaded = load(paths, options, format_name=format_name, safeguards=safeguards, told=told)
    sources = make_sources(loaded, choices)
    if page is not None:
        write_page(
            page,
            render_page(
                sources,
                title="How much of a safeguard is real: imported logs",
                command="countermark assay import PATH... --html FILE",
            ),
        )

    def words() -> str:
        told_text = text.render(sources, detail=detail, more=_MORE)
        return told_text if page is None else f"{told_text}\n\nwritten: {page}"

    show(document.to_document(sources, format_name="countermark-assay-imported"), as_json=as_json, text=words)


def _fields(given: tuple[str, ...]) -> dict[str, str]:
    """Read `NAME=PATH`.

    Raises:
        SettingsError: Another name, or one twice.
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not equals or not path or name not in _FIELDS or name in found:
            raise SettingsError(
                f"expected --field NAME=PATH, each of {', '.join(_FIELDS)} at most once, got `{each:.60}`"
            )
        found[name] = path
    return found
