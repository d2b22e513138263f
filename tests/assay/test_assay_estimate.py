"""A measured rate never goes without its interval and its n."""

from __future__ import annotations

from typing import Any

import pytest

from countermark.errors import EstimateError, NothingMeasuredError
from countermark.estimate import Estimate, Side


def estimate(**changed: Any) -> Estimate:
    """An ordinary estimate, but for what is given."""
    values: dict[str, Any] = {
        "value": 0.14,
        "low": 0.0787,
        "high": 0.2237,
        "n": 100,
        "method": "Clopper-Pearson",
    }
    return Estimate(**{**values, **changed})


SHOWN = {
    "an ordinary rate": (estimate(), "14.0 % (7.9-22.4), n = 100"),
    "a small bound keeps its second decimal": (
        estimate(value=0.0, low=0.0, high=0.00388, n=949),
        "0.00 % (0.00-0.39), n = 949",
    ),
    "a bound near one keeps it, too": (
        estimate(value=1.0, low=0.99612, high=1.0, n=949),
        "100.00 % (99.61-100.00), n = 949",
    ),
    "a difference below nothing": (
        estimate(value=-0.05, low=-0.1, high=0.02),
        "-5.0 % (-10.0 to 2.0), n = 100",
    ),
    "at least": (estimate(value=0.824, low=0.793, high=1.0, side=Side.LOWER), "82.4 % (>= 79.3), n = 100"),
    "at most": (estimate(value=0.175, low=0.0, high=0.251, side=Side.UPPER), "17.5 % (<= 25.1), n = 100"),
    "large numbers are grouped": (estimate(n=1437), "14.0 % (7.9-22.4), n = 1,437"),
    "nothing is never minus nothing": (
        estimate(value=-0.0, low=0.0, high=0.071, n=50),
        "0.0 % (0.0-7.1), n = 50",
    ),
}


@pytest.mark.parametrize("case", SHOWN)
def test_an_estimate_writes_itself(case: str) -> None:
    """The value, its interval and its n, always together."""
    given, expected = SHOWN[case]
    assert str(given) == expected


def test_nothing_measured_is_an_error() -> None:
    """n = 0 is refused, and not a rate of 0."""
    with pytest.raises(NothingMeasuredError, match="nothing measured is an error, not 0"):
        estimate(n=0)


REFUSED: dict[str, dict[str, float]] = {
    "an interval upside down": {"low": 0.5, "high": 0.4},
    "over one": {"high": 1.2},
    "not a number": {"value": float("nan")},
    "endless": {"low": float("-inf")},
    "a level of one": {"level": 1.0},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_rate_is_refused(case: str) -> None:
    """Numbers that are no rate with an interval are an error where they are made."""
    with pytest.raises(EstimateError):
        estimate(**REFUSED[case])


def test_an_estimate_is_not_true_or_false() -> None:
    """`if estimate` is refused, since an estimate of 0 would read as nothing measured."""
    with pytest.raises(TypeError, match="not true or false"):
        bool(estimate())


def test_an_estimate_for_programs_has_its_method() -> None:
    """The document says how the interval was found and at which level."""
    document = estimate().to_document()
    assert (document["method"], document["level"], document["n"]) == ("Clopper-Pearson", 0.95, 100)
