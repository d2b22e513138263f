"""The measurements as one JSON document, for programs (spec/assay-tables.md, spec/assay-import.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from countermark import __version__
from countermark.assay.measured import Judged, Measured, Named, RealOnly, Source
from countermark.assay.rate import Rate
from countermark.assay.recorded.tables import origins
from countermark.assay.report.finding import find
from countermark.assay.statistics.bootstrap import SEED

FORMAT = "countermark-assay-recorded"
VERSION = 1


def to_document(sources: Sequence[Source], *, format_name: str = FORMAT) -> Mapping[str, Any]:
    """Everything that was measured, with every interval."""
    finding = find(sources)
    return {
        "format": format_name,
        "version": VERSION,
        "countermark": __version__,
        "seed": SEED,
        "finding": {
            "sentence": finding.sentence,
            "measured": finding.measured,
            "kept_less_than_half": finding.halved,
            "kept_nothing": finding.nothing,
            "apparent_only": finding.apparent_only,
            "cost_only": list(finding.cost_only),
        },
        "sources": [_source(source) for source in sources],
    }


def _source(source: Source) -> Mapping[str, Any]:
    return {
        "name": source.name,
        "title": source.title,
        "written_by": source.written_by,
        "baseline": source.baseline,
        "reading": {
            "unit": source.reading.unit,
            "polarity": str(source.reading.polarity),
            "epochs": str(source.reading.epochs),
            "errors": source.reading.errors,
        },
        "tables": [
            {
                "name": name,
                "sha256": origins()[name].sha256,
                "repository": origins()[name].repository,
                "commit": origins()[name].commit,
                "licence": origins()[name].licence,
            }
            for name in source.tables
        ],
        "inputs": [
            {"name": each.name, "files": each.files, "bytes": each.bytes, "sha256": each.sha256}
            for each in source.inputs
        ],
        "safeguards": [
            *(_measured(each) for each in source.measured),
            *(_real_only(each) for each in source.real_only),
        ],
        "comparisons": [
            {
                "what": each.what,
                "gained": each.gained,
                "lost": each.lost,
                "n": each.n,
                "p": each.p,
                "p_holm": each.p_holm,
                "says": each.says,
            }
            for each in source.comparisons
        ],
        "layers": [
            {
                "layer": share.layer,
                "alone": share.alone.to_document(),
                "left_out": share.left_out.to_document(),
                "shapley_real": share.shapley_real.to_document(),
                "shapley_apparent": share.shapley_apparent.to_document(),
                "theater": round(share.theater, 6),
            }
            for share in source.shares
        ],
        "dependences": [
            {
                "what": what,
                "joint_miss": round(each.joint, 6),
                "product_of_misses": round(each.product, 6),
                "ratio": round(each.ratio, 6),
                "ratio_low": round(each.ratio_low, 6),
                "ratio_high": round(each.ratio_high, 6),
            }
            for what, each in source.dependences
        ],
        "figures": _named(source.figures),
        "cost_only": list(source.cost_only),
        "unmeasured": list(source.unmeasured),
        "remarks": list(source.remarks),
    }


def _measured(each: Measured) -> Mapping[str, Any]:
    work = None
    if each.work is not None:
        work = {"what": each.work.what, **each.work.stopped.to_document()}
    return {
        "safeguard": each.safeguard,
        "standing": str(each.standing),
        "verdict": each.verdict,
        "strategies": list(each.strategies),
        "apparent": each.apparent.to_document(),
        "real": _optional(each.real),
        "theater": _optional(each.theater),
        "open": each.open.to_document(),
        "work_stopped": work,
        "best_single": None if each.best_single is None else _named([each.best_single])[0],
        "alone": _named(each.alone),
        "discovery": _named(each.discovery),
        "budget": [{"attempts": attempts, "real": rate.to_document()} for attempts, rate in each.budget],
        "variants": _named(each.variants),
        "judged": _judged(each.judged),
        "assumed": list(each.assumed),
        "remarks": list(each.remarks),
    }


def _real_only(each: RealOnly) -> Mapping[str, Any]:
    work = None
    if each.work is not None:
        work = {"what": each.work.what, **each.work.stopped.to_document()}
    return {
        "safeguard": each.safeguard,
        "standing": "real only",
        "verdict": each.verdict,
        "strategies": list(each.strategies),
        "apparent": None,
        "real": each.real.to_document(),
        "theater": None,
        "open": None,
        "work_stopped": work,
        "best_single": _named([each.best_single])[0],
        "alone": _named(each.alone),
        "discovery": _named(each.discovery),
        "budget": [],
        "variants": [],
        "judged": _judged(each.judged),
        "assumed": list(each.assumed),
        "remarks": [],
    }


def _judged(judged: Iterable[Judged]) -> list[Mapping[str, Any]]:
    return [{"name": name, **estimate.to_document()} for name, estimate in judged]


def _optional(rate: Rate | None) -> Mapping[str, Any] | None:
    return None if rate is None else rate.to_document()


def _named(rates: Iterable[Named]) -> list[Mapping[str, Any]]:
    return [{"name": name, **rate.to_document()} for name, rate in rates]
