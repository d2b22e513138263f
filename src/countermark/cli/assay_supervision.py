"""`countermark assay supervision`: what people who look at requests can catch, and what they did catch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from countermark.assay.extra import need_numbers
from countermark.assay.supervision.calculator import SECONDS_PER_CASE, Site, expect
from countermark.assay.supervision.words import render
from countermark.cli.output import Command, example, json_option, show
from countermark.errors import SettingsError


@click.command("supervision", cls=Command)
@click.option("--per-day", type=float, metavar="N", help="Requests a day.")
@click.option("--seen", type=float, metavar="SHARE", help="Share of them that a supervisor looks at, 0 to 1.")
@click.option(
    "--hit",
    type=float,
    metavar="RATE",
    help="Share of misuse that they recognise when they look at it, 0 to 1.",
)
@click.option("--prevalence", type=float, metavar="RATE", help="Share of requests that are misuse, 0 to 1.")
@click.option(
    "--no-access", is_flag=True, help="Supervisors see nothing at this site (classified, air-gapped)."
)
@click.option(
    "--false-alarm", type=float, metavar="RATE", help="Share of work that they report when they look at it."
)
@click.option(
    "--seconds-per-case",
    type=float,
    metavar="S",
    default=SECONDS_PER_CASE,
    show_default=True,
    help="To read a request, look up what it names, and decide.",
)
@click.option(
    "--recorded",
    "records",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Measure instead: a file of reviews (spec/assay-review.md), or the folder of a gateway, for its holds.",
)
@json_option
@example(
    "countermark assay supervision --per-day 100000 --seen 0.05 --hit 0.6 --prevalence 0.00001 --false-alarm 0.02"
)
def supervision(
    per_day: float | None,
    seen: float | None,
    hit: float | None,
    prevalence: float | None,
    false_alarm: float | None,
    seconds_per_case: float,
    records: Path | None,
    *,
    no_access: bool,
    as_json: bool,
) -> None:
    """How soon supervisors catch a first misuse, how likely within 90 days, and how many people it takes.

    With --recorded: what reviewers did with planted misuse: hit rate, false alarms, how well they tell the two apart, by
    prevalence and time on shift, and how much they rubber-stamp.
    """
    numbers = {"--per-day": per_day, "--seen": seen, "--hit": hit, "--prevalence": prevalence}
    given = [name for name, value in numbers.items() if value is not None]
    if records is not None:
        if given or no_access or false_alarm is not None:
            raise SettingsError(f"expected --recorded alone, got {', '.join(given) or 'more'} beside it")
        _recorded(records, as_json=as_json)
        return
    missing = [
        name for name in numbers if name not in given and not (no_access and name in ("--seen", "--hit"))
    ]
    if missing or per_day is None or prevalence is None:
        raise SettingsError(
            f"expected {', '.join(missing)}, or --recorded PATH: nothing is assumed of a site"
        )
    site = Site(
        per_day=per_day,
        seen=0.0 if seen is None else seen,
        hit=0.0 if hit is None else hit,
        prevalence=prevalence,
        false_alarm=false_alarm,
        access=not no_access,
        seconds_per_case=seconds_per_case,
    )
    found = expect(site)
    let_in = expect(replace(site, access=True)) if no_access and not (seen is None or hit is None) else None
    show(found.to_document(), as_json=as_json, text=lambda: render(found, with_access=let_in))


def _recorded(path: Path, *, as_json: bool) -> None:
    need_numbers()
    from countermark.assay.supervision.holds import read_holds
    from countermark.assay.supervision.recorded import measure_reviews
    from countermark.assay.supervision.recorded_words import render_holds, render_reviews
    from countermark.assay.supervision.reviews import parse_reviews

    if path.is_dir():
        holds = read_holds(path)
        show(holds.to_document(), as_json=as_json, text=lambda: render_holds(holds))
        return
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"expected to read reviews from `{path}`: {error.strerror}") from error
    found = measure_reviews(parse_reviews(data))
    show(found.to_document(), as_json=as_json, text=lambda: render_reviews(found))
