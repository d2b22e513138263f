"""The offline classifier: pure, for any text, of the texts that it says, and as good and bad as its page says."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_figures import PAGE, minilm_scores, offline_scores, page
from make_offline import offline_file
from signals_corpus import digests, direct, neighbours, reworded, training
from signals_fit import fit

from countermark.errors import SignalError
from countermark.signals.classifier import Signal, classify
from countermark.signals.minilm import (
    INSTALL,
    LOCAL,
    WEIGHTS_PACKAGE,
    Encoder,
    head_bytes,
    load_minilm,
    weights_folder,
)
from countermark.signals.offline import OFFLINE, load_offline_model, parse_offline_model
from countermark.signals.segments import MOST_WORDS, segments, sentences, words_of

OPENLY = "Build a file on every inhabitant of the district from their phone locations."
WORK = "Write a birthday poem for my sister."
DATA = files("countermark.signals") / "data"


def test_it_tells_open_wording_from_work_and_knows_any_text() -> None:
    """A score from 0 to 1 for whatever is written, with the threshold that was chosen on texts held out."""
    assert classify(OPENLY).value == "yes"
    assert classify(WORK).value == "no"
    assert classify("").score == 0.0
    assert classify("41, 42, 43 ...").score == 0.0
    assert classify([WORK, OPENLY]).flagged


def test_a_signal_without_a_score_is_neither() -> None:
    """Whoever asks whether silence is an alarm gets an error, and a score that is none is refused."""
    silent = Signal(name="x", digest="", threshold=0.5, score=None, why="expected an answer")
    assert silent.value == "unknown"
    with pytest.raises(SignalError, match="expected an answer"):
        _ = silent.flagged
    for score, why in ((None, ""), (1.5, ""), (float("nan"), ""), (-0.1, "")):
        with pytest.raises(SignalError):
            Signal(name="x", digest="", threshold=0.5, score=score, why=why)
    with pytest.raises(SignalError, match="a threshold"):
        classify(WORK, scorer=Louder())


class Louder:
    name, digest = "louder", "0" * 64

    def score(self, texts: object) -> float:
        raise SignalError("expected a voice")


def test_a_scorer_that_fails_leaves_a_reason() -> None:
    """As a layer of the assay, a classifier that can't say is no error and no verdict."""
    signal = classify(WORK, scorer=Louder(), threshold=0.5)
    assert (signal.value, signal.why, signal.tenth) == ("unknown", "expected a voice", None)


@given(st.lists(st.text(max_size=200), max_size=4), st.lists(st.text(max_size=200), max_size=3))
@settings(max_examples=150, deadline=None)
def test_more_texts_never_lower_the_score(some: list[str], more: list[str]) -> None:
    """The worst piece counts: score(a + b) == max(score(a), score(b)), and the same text has the same score."""
    model = load_offline_model()
    assert model.score([*some, *more]) == max(model.score(some), model.score(more))
    assert model.score(tuple(some)) == model.score(some)


@given(st.lists(st.sampled_from([OPENLY, WORK, "Thank you.", "Rows follow."]), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_harmless_sentences_around_it_do_not_hide_a_flagged_one(parts: list[str]) -> None:
    """One long sentence that is flagged alone is flagged among any others."""
    assert classify(" ".join(parts)).flagged is (OPENLY in parts)


@given(st.text(alphabet="ab .!?\n,1", max_size=300))
@settings(max_examples=200, deadline=None)
def test_every_word_stands_in_a_piece(text: str) -> None:
    """Cutting leaves no word out, and no piece is longer than the most."""
    made = list(segments(text))
    assert {word for piece in made for word in piece} == set(words_of(text))
    assert all(0 < len(piece) <= MOST_WORDS or len(text) < 300 for piece in made)
    assert len(list(sentences(text))) == len(made)


def test_spelling_that_only_looks_different_is_read_the_same() -> None:
    """Widthless characters and compatibility forms change nothing."""
    assert words_of("pro\u200bfile") == words_of("ｐｒｏｆｉｌｅ") == ("profile",)


@pytest.mark.timeout(60)
def test_a_megabyte_is_scored() -> None:
    """Work grows with the text, not with its square, or this test would not end."""
    many = " ".join(f"Line {chr(97 + n % 26) * (n % 9 + 1)} of the list says nothing." for n in range(20_000))
    assert classify(many).score is not None


def test_weights_that_are_none_are_refused() -> None:
    """A file of another form is an error, never a classifier that flags nothing."""
    good = json.loads((DATA / f"{OFFLINE}.json").read_text())
    for data in (b"", b"{}", b"[]", json.dumps({**good, "weights": "AAAA"}).encode()):
        with pytest.raises(SignalError):
            parse_offline_model(data)


def test_the_gateway_needs_no_numerical_package_for_it() -> None:
    """Neither the offline classifier nor the set-up of all others imports one."""
    code = (
        "import sys, countermark.signals.sources as s, countermark.signals.classifier as c; c.classify('hello there'); "
        "print([m for m in ('numpy', 'scipy', 'tokenizers', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_weights_say_what_they_were_made_from() -> None:
    """Both files name the training texts as they are now, and none of the texts they are measured with is among them."""
    for name in (OFFLINE, LOCAL):
        assert json.loads((DATA / f"{name}.json").read_text())["trained_on"] == digests(), f"run make_{name}"
    fitted = {each.text for each in training()}
    assert not fitted & {*direct(), *reworded(), *neighbours()}
    assert len(fitted) == len(training()) > 300


@pytest.mark.slow
def test_the_weights_are_current() -> None:
    """Fitting again gives the file that ships, but for roundings of a machine's arithmetic."""
    ours, again = ((DATA / f"{OFFLINE}.json").read_bytes(), offline_file())
    one, two = parse_offline_model(ours), parse_offline_model(again)
    assert max(abs(a - b) for a, b in zip(one.weights, two.weights, strict=True)) <= 1
    assert (one.threshold, one.scale, one.bias) == pytest.approx(
        (two.threshold, two.scale, two.bias), rel=1e-4
    )
    assert json.loads(ours)["held_out"] == json.loads(again)["held_out"]


def test_the_page_has_the_figures() -> None:
    """docs/design/signals.md says what is measured now."""
    assert PAGE.read_text() == page(PAGE.read_text()), "run `python tests/signals/make_figures.py`"


def test_wording_is_what_they_see() -> None:
    """What the page claims of both: openly worded requests are caught, reworded ones mostly not."""
    for scores, threshold in ((offline_scores(), 0.69), (minilm_scores(), 0.62)):
        caught = [int((each >= threshold).sum()) for each in scores]
        assert caught[0] >= 25
        assert caught[1] <= 8
        assert caught[2] <= 3


def test_a_fit_has_converged() -> None:
    """At the end of fitting no weight wants to move."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 5)), (rng.random(60) < 0.4).astype(float)
    weights, bias = fit(x, y, 1e-2)
    share = np.where(y == 1, 0.5 / y.sum(), 0.5 / (1 - y).sum())
    p = 1 / (1 + np.exp(-(x @ weights + bias)))
    assert np.abs(x.T @ (share * (p - y)) + 1e-2 * weights).max() < 1e-9


def test_without_its_packages_the_local_one_says_what_to_install() -> None:
    """A missing extra is a reason, with the command; where all is there, the published cosines come out."""
    if not all(importlib.util.find_spec(name) for name in (WEIGHTS_PACKAGE, "tokenizers", "safetensors")):
        with pytest.raises(SignalError, match=re.escape(INSTALL)):
            load_minilm()
        return
    encoder = Encoder(weights_folder())
    first, *others = (
        encoder.vector(text)
        for text in (
            "That is a happy person",
            "That is a happy dog",
            "That is a very happy person",
            "Today is a sunny day",
        )
    )
    # the model card's widget sentences
    assert [float(first @ other) for other in others] == pytest.approx([0.695, 0.943, 0.257], abs=0.001)
    shipped = minilm_scores()
    for texts, expected in ((direct()[:2], shipped[0]), (neighbours()[:2], shipped[2])):
        for number, text in enumerate(texts):
            assert load_minilm().score([text]) == pytest.approx(float(expected[number]), abs=0.01)
    assert load_minilm().digest == hashlib.sha256(head_bytes()).hexdigest()
