"""A classifier in the gateway: asked where a clause reads it, silent is as strict as an alarm, replayed from the entry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from countermark.app import App, open_gateway
from countermark.cli.checks import examine
from countermark.cli.main import main
from countermark.config import read_settings
from countermark.demo.story import STORY
from countermark.demo.world import make_world
from countermark.errors import BundleError, SignalError
from countermark.loopback.played import call_app
from countermark.pdp.archive import Archive
from countermark.pdp.replay import replay
from countermark.policy.bundle import load_bundle
from countermark.policy.check import check_bundle
from countermark.policy.shipped import shipped_bundle
from countermark.signals.classifier import Signal, classify
from countermark.testing import Deployment
from countermark.tlog.entry import encode_entry, parse_entry
from countermark.tlog.reader import LogReader

BUNDLE = shipped_bundle("classifier-only")
TERMS = load_bundle(BUNDLE).signals["content"]
OPENLY = "Profile these citizens and guess their politics."
WORK = "Summarise this pump manual in five lines."
IMAGE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m-1", "messages": [{"role": "user", "content": text}], **more}


class Played:
    """A classifier that says what a test wants, and counts how often it is asked."""

    def __init__(self, score: float | None, **changed: Any) -> None:
        self.score, self.changed, self.asked = score, changed, 0

    async def see(self, texts: Sequence[str]) -> Signal:
        self.asked += 1
        if self.score is None:
            raise SignalError("expected status 200 of the classifier, got 500")
        named = {"name": TERMS.classifier, "digest": TERMS.sha256, "threshold": TERMS.threshold}
        return Signal(**{**named, "score": self.score, **self.changed})

    async def close(self) -> None:
        """Nothing is open."""


async def test_what_the_classifier_flags_is_denied_and_the_entry_says_how_much_but_not_what() -> None:
    """The entry names the classifier, its digest, value and the score's tenth; the text is nowhere in it."""
    async with Deployment(bundle=BUNDLE) as deployment:
        await deployment.add_workload("desk")
        flagged = await deployment.ask("desk", body(OPENLY))
        assert (flagged.outcome, flagged.clauses) == ("DENY", ("CO-2",))
        assert (await deployment.ask("desk", body(WORK))).outcome == "PERMIT"
        denied, permitted = deployment.entries("decision")
        seen = denied["observation"]["signals"]["content_flagged"]
        assert seen == {"classifier": "offline-1", "sha256": TERMS.sha256, "value": "yes", "tenth": 9}
        assert denied["facts"]["signal.content_flagged"] == "yes"
        assert permitted["facts"]["signal.content_flagged"] == "no"
        assert not any(
            word in log for log in map(bytes, deployment.log.entries) for word in (b"citizens", b"pump")
        )
        assert len(deployment.upstream.received) == 1


@pytest.mark.parametrize(
    ("what", "classifier"),
    [
        ("a server that fails", Played(None)),
        ("another digest", Played(0.0, digest="1" * 64)),
        ("a threshold that is higher than agreed", Played(0.0, threshold=1.0)),
        ("another classifier", Played(0.0, name="chat-guard")),
    ],
)
async def test_a_classifier_that_says_nothing_denies(what: str, classifier: Played) -> None:
    """A classifier that fails, or isn't the one that the sides agreed on, leaves the signal unknown: no looser than yes."""
    async with Deployment(bundle=BUNDLE, classifiers={"content": classifier}) as deployment:
        await deployment.add_workload("desk")
        answer = await deployment.ask("desk", body(WORK))
        assert (answer.outcome, answer.clauses) == ("DENY", ("CO-2",)), what
        seen = deployment.entries("decision")[-1]["observation"]["signals"]["content_flagged"]
        assert seen["value"] == "unknown"
        assert seen["why"]


async def test_content_that_no_classifier_reads_is_unknown() -> None:
    """An image beside harmless words is denied where a clause asks that nothing be flagged."""
    async with Deployment(bundle=BUNDLE) as deployment:
        await deployment.add_workload("desk")
        parts = [{"type": "text", "text": WORK}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        answer = await deployment.ask(
            "desk", {"model": "m-1", "messages": [{"role": "user", "content": parts}]}
        )
        assert answer.outcome == "DENY"


async def test_arguments_of_a_tool_call_are_classified() -> None:
    """What a call carries is content too, decided on its own."""
    tool = {"type": "function", "function": {"name": "note", "parameters": {"type": "object"}}}
    async with Deployment(bundle=BUNDLE) as deployment:
        await deployment.add_workload("desk", tools={"note": []})
        asking = body(
            'Now call note({"text": "Fire at the heat signatures without asking anybody."})', tools=[tool]
        )
        quiet = Played(0.0)
        deployment.gateway.service.watch._classifiers = {"content": quiet}
        assert (await deployment.ask("desk", asking)).outcome == "PERMIT"
        assert quiet.asked == 2
        assert [entry["action"] for entry in deployment.entries("decision")] == ["prompt", "call"]


async def test_a_classifier_is_asked_only_where_a_clause_reads_it(tmp_path: Path) -> None:
    """Where no clause reads a signal, nothing is asked, and entries say nothing of it."""
    classifier = Played(1.0)
    async with Deployment(classifiers={"content": classifier}) as deployment:
        await deployment.add_workload("office")
        assert (await deployment.ask("office", body(OPENLY))).outcome == "PERMIT"
        assert classifier.asked == 0
        assert "signals" not in deployment.entries("decision")[-1]["observation"]


async def test_what_is_flagged_can_wait_for_a_person(tmp_path: Path) -> None:
    """Where the clause lets a reviewer lift it, an alarm is a HOLD, and one approval permits exactly this request once."""
    bundle = tmp_path / "bundle"
    shutil.copytree(shipped_bundle("red-lines"), bundle)
    clause = (BUNDLE / "clauses" / "CO-2.md").read_text()
    quiet = 'context.signal.content_flagged == YesNo::"no"'
    lifted = clause.replace(quiet, f"{quiet} || context.approvals.halden_reviewer >= 1")
    (bundle / "clauses" / "CO-2.md").write_text(lifted)
    named = (BUNDLE / "bundle.toml").read_text().partition("[signals.content]")[2].partition("[limits]")[0]
    with (bundle / "bundle.toml").open("a") as file:
        file.write(f"\n[signals.content]{named}")
    async with Deployment(bundle=bundle) as deployment:
        await deployment.add_workload("desk")
        assert (await deployment.ask("desk", body(WORK))).outcome == "PERMIT"
        held = await deployment.ask("desk", body(OPENLY))
        assert (held.outcome, held.clauses) == ("HOLD", ("CO-2",))
        assert (await deployment.approve(held.hold, "ada")).status == 201
        assert (await deployment.ask("desk", body(OPENLY))).outcome == "PERMIT"
        assert (await deployment.ask("desk", body(OPENLY))).outcome == "HOLD"


async def test_the_same_bytes_come_out_the_same_for_every_workload() -> None:
    """A layer that reads only content can't tell requests 4 and 5 of the story apart."""
    four, five = (each for each in STORY if each.number in (4, 5))
    assert four.text == five.text
    async with Deployment(bundle=BUNDLE) as deployment:
        for name in ("recall", "tracking"):
            await deployment.add_workload(name, purpose="office")
        answers = [await deployment.ask(name, body(four.text)) for name in ("recall", "tracking")]
        assert answers[0].outcome == answers[1].outcome
        expected = "DENY" if classify(four.text).flagged else "PERMIT"
        assert answers[0].outcome == expected


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway's folder under the classifier's bundle, with one decision of each kind in its log."""
    return make_world(
        tmp_path_factory.mktemp("signals"), upstream_url="http://127.0.0.1:9", bundle=BUNDLE
    ).gateway


async def _ask_on_disk(gateway: Path, texts: Sequence[str]) -> None:
    key = next((gateway.parent / "workloads").glob("*office*")).read_text().strip()
    app = App(open_gateway(read_settings(gateway)))
    await app.gateway.start()
    try:
        for text in texts:
            await call_app(
                app,
                "POST",
                "/v1/chat/completions",
                headers={
                    "host": "127.0.0.1",
                    "authorization": f"Bearer {key}",
                    "content-type": "application/json",
                },
                body=json.dumps(body(text)).encode(),
            )
    finally:
        await app.gateway.stop()


async def test_decisions_on_signals_are_reproduced(site: Path, tmp_path: Path) -> None:
    """A replay decides on the recorded signal; one that its score or the bundle belies is a finding."""
    await _ask_on_disk(site, [OPENLY, WORK])
    reader = LogReader(site / "log")
    archive = Archive(site / "archive")
    entries = [(index, data) for index, data in reader.entries()]
    report = replay(entries, archive, whole=reader.size)
    assert [str(each) for each in report.mismatches] == []
    assert (report.outcomes["DENY"], report.outcomes["PERMIT"]) == (1, 1)

    def changed(**values: Any) -> list[str]:
        made = []
        for index, data in entries:
            entry = parse_entry(data)
            if entry["kind"] == "decision" and entry["outcome"] == "DENY":
                entry["observation"]["signals"]["content_flagged"].update(values)
                entry["facts"]["signal.content_flagged"] = entry["observation"]["signals"]["content_flagged"][
                    "value"
                ]
                if values.get("value") == "no":
                    entry.update(outcome="PERMIT", clauses=["CO-1"])
            made.append((index, encode_entry(entry)))
        return [each.what for each in replay(made, archive, whole=reader.size).mismatches]

    assert changed(value="no") == ["signals"]
    assert changed(classifier="chat-guard") == ["signals"]
    assert changed(sha256="0" * 64) == ["signals"]
    assert changed(value="no", tenth=1) == []  # the gateway's word: it saw the content, an auditor doesn't


def test_doctor_asks_the_classifier(site: Path, tmp_path: Path) -> None:
    """One that answers is called well; one whose server is not named says what to write."""

    def about(gateway: Path) -> list[tuple[str, str]]:
        found = examine(gateway, now=datetime.now(UTC).replace(microsecond=0))
        return [(each.grade.value, each.message) for each in found if each.about == "classifier"]

    assert about(site) == [("ok", "`offline-1` answers")]
    shutil.copytree(site, tmp_path / "g")
    path = tmp_path / "g" / "bundle" / "bundle.toml"
    path.write_text(path.read_text().replace(TERMS.sha256, "0" * 64))
    [(grade, message)] = about(tmp_path / "g")
    assert grade == "problem"
    assert "expected weights of `offline-1` with digest" in message


def test_the_bundle_names_the_classifier_that_ships() -> None:
    """Digest and threshold of the shipped bundle are those of the shipped weights; `policy check` finds nothing."""
    signal = classify(WORK)
    assert (TERMS.classifier, TERMS.sha256, TERMS.threshold) == (signal.name, signal.digest, signal.threshold)
    assert check_bundle(BUNDLE) == []


def without_classifier(text: str) -> str:
    before, _, after = text.partition("[signals.content]")
    return f"{before}[limits]{after.partition('[limits]')[2]}"


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("no classifier", without_classifier, "a clause reads"),
        ("a threshold of nothing", lambda t: t.replace("threshold = 0.69", "threshold = 0"), "over 0"),
        ("a threshold that nothing reaches", lambda t: t.replace("threshold = 0.69", "threshold = 1.5"), "up to 1"),
        ("an unknown classifier", lambda t: t.replace('"offline-1"', '"magic"'), "classifier"),
        ("no digest", lambda t: "\n".join(x for x in t.splitlines() if not x.startswith("sha256")), "sha256"),
        ("a signal of something else", lambda t: t.replace("signals.content", "signals.mood"), r"\[signals.content\]"),
    ],
)  # fmt: skip
def test_a_bundle_without_its_classifier_is_refused(
    tmp_path: Path, what: str, change: Any, message: str
) -> None:
    """What clauses read has to be named, with a threshold that can flag and a digest."""
    folder = tmp_path / "bundle"
    shutil.copytree(BUNDLE, folder)
    text = (folder / "bundle.toml").read_text()
    (folder / "bundle.toml").write_text(change(text))
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_explain_says_what_the_classifier_says(site: Path, tmp_path: Path) -> None:
    """`countermark explain` asks the offline classifier, and names it."""
    asked = tmp_path / "body.json"
    asked.write_bytes(json.dumps(body(OPENLY)).encode())
    done = CliRunner().invoke(
        main, ["explain", str(asked), "--dir", str(site), "--workload", "northmark/office", "--api", "openai"]
    )
    assert done.exit_code == 1, done.output
    assert "the classifier offline-1 says signal.content_flagged = yes" in done.output
    assert "No statement that could be made would change the answer" in done.output
