"""Requirements for CI: read strictly, and never passed by default."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.rate import count_rate
from countermark.assay.require import (
    AXES,
    HIGHER_IS_BETTER,
    check_requirements,
    make_figure,
    parse_requirement,
    parse_requirements,
)
from countermark.assay.statistics.paired import pair
from countermark.errors import RequirementError

SPEC = Path(__file__).parents[2] / "spec" / "assay-require.md"
KINDS = ["office", "closed site"]


def result(**changed: Any) -> dict[str, Any]:
    """A result: real 54 of 60 (36 of 36 and 18 of 24 by kind), false stops 4 of 120, separation 18 of 24."""
    told = np.arange(24) < 18
    own = {"safeguard": "countermark"}
    return {
        "safeguard": "countermark",
        "void": [],
        "axes": {"kind": list(KINDS)},
        "figures": [
            make_figure("real", count_rate(54, 60), **own),
            make_figure("real", count_rate(48, 60), lying_signers=1, **own),
            make_figure("real", count_rate(36, 36), axis="kind", part="office", **own),
            make_figure("real", count_rate(18, 24), axis="kind", part="closed site", **own),
            make_figure("false_stops", count_rate(4, 120), **own),
            make_figure("separation", pair(np.zeros(24, dtype=np.bool_), told), **own),
            make_figure("real", count_rate(6, 60), safeguard="phrase filter"),
        ],
        **changed,
    }


def check(text: str, document: Any = None) -> tuple[bool, str]:
    """Whether one requirement holds, and what is said."""
    (found,) = check_requirements([parse_requirement(text)], result() if document is None else document)
    return found.passed, found.says


HELD = {
    "a value that equals the limit": ("real >= 0.9", True, "90.0 %"),
    "a value that misses it": ("real >= 0.91", False, "90.0 %"),
    "the claim is lower than the value": ("real lower >= 0.9", False, "81.2 %"),
    "the claim holds": ("real lower >= 0.81", True, "81.2 %"),
    "every part counts": ("real >= 0.9 per kind", False, "fails: closed site 75.0 %"),
    "every part holds": ("real >= 0.75 per kind", True, "office 100.0 %; closed site 75.0 %"),
    "with a lying signer": ("real >= 0.9 at 1 lying signer", False, "80.0 %"),
    "a level that was not measured": (
        "real >= 0.1 at 2 lying signers",
        False,
        "2 lying signers: not measured",
    ),
    "less is better": ("false_stops <= 0.05", True, "3.3 %"),
    "its claim": ("false_stops upper <= 0.05", False, "7.5 %"),
    "separation": ("separation >= 0.5", True, "75.0 %"),
    "another safeguard": ('real >= 0.1 of "phrase filter"', True, "10.0 %"),
    "a safeguard that is not there": ("real >= 0 of refusal", False, "`refusal`: not measured"),
    "a quantity that is not there": ("theater <= 1", False, "not measured"),
    "an axis that is not there": ("real >= 0 per visible_in", False, "no parts by visible_in"),
}


@pytest.mark.parametrize("case", HELD)
def test_requirements_are_held_against_the_figure_they_name(case: str) -> None:
    """Value or claim, pooled or part by part, at the named number of lying signers; what is missing fails."""
    text, passes, says = HELD[case]
    passed, said = check(text)
    assert passed is passes
    assert says in said


def without(index: int) -> dict[str, Any]:
    """A result without one of its figures."""
    figures = result()["figures"]
    return result(figures=figures[:index] + figures[index + 1 :])


def changed(index: int, **fields: Any) -> dict[str, Any]:
    """A result with one figure changed."""
    figures = result()["figures"]
    return result(figures=[{**each, **(fields if i == index else {})} for i, each in enumerate(figures)])


UNMEASURED: dict[str, tuple[str, Any]] = {
    "an empty document": ("real >= 0", {}),
    "no word of the controls": (
        "real >= 0",
        {key: value for key, value in result().items() if key != "void"},
    ),
    "a void assay": ("real >= 0", result(void=["no-op: 1 of 20 goals stopped with no layer"])),
    "controls that are null": ("real >= 0", result(void=None)),
    "no figures": ("real >= 0", result(figures=[])),
    "figures of another form": ("real >= 0", result(figures={"real": 1})),
    "figures that are no objects": ("real >= 0", result(figures=[1])),
    "nobody's result": ("real >= 0", result(safeguard=None)),
    "the figure is missing": ("real >= 0", without(0)),
    "a part is missing": ("real >= 0 per kind", without(3)),
    "no part is named": ("real >= 0 per kind", result(axes={"kind": []})),
    "parts of another form": ("real >= 0 per kind", result(axes=["kind"])),
    "the figure is there twice": ("real >= 0", result(figures=result()["figures"] * 2)),
    "null": ("real >= 0", changed(0, value=None)),
    "text": ("real >= 0", changed(0, value="0.95")),
    "true": ("real >= 0", changed(0, value=True)),
    "not a number": ("false_stops <= 1", changed(4, value=float("nan"))),
    "endless": ("real >= 0", changed(0, value=float("inf"))),
    "below zero": ("false_stops <= 1", changed(4, value=-0.5)),
    "percent": ("real >= 0", changed(0, value=90)),
    "measured on nothing": ("real >= 0", changed(0, n=0)),
    "n is missing": ("real >= 0", changed(0, n=None)),
    "no claim": ("real lower >= 0", changed(0, at_least=None)),
    "false is not 0 lying signers": ("real >= 0", changed(0, lying_signers=False)),
}


@pytest.mark.parametrize("case", UNMEASURED)
def test_what_is_missing_fails_and_never_passes(case: str) -> None:
    """Even the weakest requirement fails where its figure is not there, is there twice, or is no number."""
    text, document = UNMEASURED[case]
    passed, said = check(text, document)
    assert not passed
    assert said.startswith("fails: ")


UNREADABLE = {
    "": "expected one of the quantities",
    "real": "expected one of the quantities",
    "reel >= 0.9": "`reel`",
    "Real >= 0.9": "expected a requirement",
    "real > 0.9": "`> 0.9`",
    "real => 0.9": "expected a requirement",
    "real >= 90": "0.9 for 90 %",
    "real >= 90%": "expected a requirement",
    "real >= -0.1": "expected a requirement",
    "real >= 0.9.1": "expected a requirement",
    "real >= 1e-1": "expected a requirement",
    "theater >= 0.2": "the good way",
    "real <= 0.2": "the good way",
    "real upper >= 0.5": "`real lower`",
    "false_stops lower <= 0.5": "`false_stops upper`",
    "real >= per kind": "expected `real >= RATE`",
    "real >= 0.9 per mood": "one of the axes",
    "real >= 0.9 per": "got `per`",
    "real >= 0.9 per kind per scale": "each once, got `per scale`",
    "real >= 0.9 at 1 signer": "each once",
    "real >= 0.9 at 1.5 lying signers": "a number of lying signers",
    "real >= 0.9 and theater <= 0.1": "each once, got `and theater",
    "real >= 0.9 of": "each once",
    "real >= 0.9 " + "x" * 200: "at most 200",
}


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_is_an_error_that_says_what_to_write(text: str) -> None:
    """Nothing is ignored or guessed; the message names what was found."""
    with pytest.raises(RequirementError, match=re.escape(UNREADABLE[text])):
        parse_requirements([text])


clauses = st.tuples(
    st.sampled_from([None, *AXES]), st.sampled_from([None, "refusal", "phrase filter"]), st.integers(0, 9)
)


@given(
    st.sampled_from(sorted(HIGHER_IS_BETTER)),
    st.booleans(),
    st.integers(0, 1000),
    clauses,
    st.permutations([0, 1, 2]),
)
def test_requirements_are_read_back(
    quantity: str, bound: bool, limit: int, tail: tuple[str | None, str | None, int], order: list[int]
) -> None:
    """parse(write(r)) == r, whichever order its clauses are in."""
    axis, safeguard, signers = tail
    word, op = ("lower", ">=") if HIGHER_IS_BETTER[quantity] else ("upper", "<=")
    parts = [
        f"per {axis}" if axis else "",
        f'of "{safeguard}"' if safeguard else "",
        f"at {signers} lying signers" if signers else "",
    ]
    text = f"{quantity} {word if bound else ''} {op} {limit / 1000} {' '.join(parts[i] for i in order)}"
    found = parse_requirement(text)
    assert (found.quantity, found.bound, found.limit) == (quantity, word if bound else None, limit / 1000)
    assert (found.axis, found.safeguard, found.lying_signers) == (axis, safeguard, signers)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """For every text: a requirement, or RequirementError; nothing else."""
    try:
        parse_requirement(text)
    except RequirementError:
        return


def test_figures_are_not_rounded() -> None:
    """8,999,996 of 10,000,000 is not 0.9."""
    document = result(
        figures=[make_figure("real", count_rate(8_999_996, 10_000_000), safeguard="countermark")]
    )
    assert not check("real >= 0.9", json.loads(json.dumps(document)))[0]


def test_a_figure_that_nobody_could_require_is_not_made() -> None:
    """An unknown quantity or axis, or an axis without its part, is an error."""
    for fields in ({"quantity": "safety"}, {"axis": "mood", "part": "x"}, {"axis": "kind"}):
        with pytest.raises(RequirementError):
            make_figure(**{"quantity": "real", "figure": count_rate(1, 2), "safeguard": "c", **fields})  # type: ignore[arg-type]


def test_the_examples_of_the_format_are_what_the_code_makes() -> None:
    """Each requirement of the page is read, and its figures are those of the code."""
    page = SPEC.read_text(encoding="utf-8")
    examples = page.split("```text\n")[1].split("```")[0].splitlines()
    assert len(parse_requirements(examples)) == 6
    document = json.loads(page.split("```json\n")[1].split("```")[0])
    assert document["figures"] == [
        make_figure("real", count_rate(54, 60), safeguard="countermark"),
        make_figure("real", count_rate(14, 15), safeguard="countermark", axis="kind", part="office"),
    ]
    assert check("real >= 0.9", document)[0]
    assert not check("real >= 0.9 per kind", document)[0]
