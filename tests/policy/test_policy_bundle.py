"""A bundle is read strictly, its digest is of exactly what was read, and what it may not say is named."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from countermark.errors import BundleError, PolicyError
from countermark.policy.bundle import load_bundle, parse_bundle

RED_LINES = Path(__file__).parents[2] / "policies" / "red-lines"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(RED_LINES, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_is_read_whole() -> None:
    """Routes, limits, lifetimes, selectors, examples and clauses all arrive."""
    bundle = load_bundle(RED_LINES)
    assert bundle.routes["m-1"].upstream == "loopback"
    assert bundle.upstreams["loopback"].api == ("openai", "anthropic")
    assert bundle.limits.max_depth == 64
    assert bundle.lifetimes["status"] == 172800
    assert [selector.kind for selector in bundle.selectors] == ["subscriber", "citizen"]
    assert bundle.approvals[0] == "northmark_duty_officer"
    assert bundle.red_lines == {f"RL-{n}" for n in range(1, 7)}
    assert bundle.clause("RL-2").title == "No autonomous use of force"
    assert bundle.facts.types["Purpose"].values[0] == "office"
    with pytest.raises(PolicyError):
        bundle.clause("RL-99")


def test_the_digest_is_what_sha256sum_makes(folder: Path) -> None:
    """Anybody recomputes it with standard tools: sorted lines of `sha256  path`."""
    listing = subprocess.run(
        "find . -type f -printf '%P\\n' | xargs sha256sum | LC_ALL=C sort",
        shell=True,
        cwd=folder,
        check=True,
        capture_output=True,
    ).stdout
    assert load_bundle(folder).digest == hashlib.sha256(listing).hexdigest()


def test_every_byte_of_every_file_is_in_the_digest(folder: Path) -> None:
    """A changed note, a renamed or an added file makes another bundle."""
    seen = {load_bundle(folder).digest}
    clause = folder / "clauses" / "RL-1.md"
    clause.write_text(clause.read_text() + "\n## Notes\n\nx\n")
    seen.add(load_bundle(folder).digest)
    (folder / "README.md").write_text("hello\n")
    seen.add(load_bundle(folder).digest)
    (folder / "clauses" / "P-2.md").unlink()
    seen.add(load_bundle(folder).digest)
    assert len(seen) == 4


def toml(old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "bundle.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return spoil


def add(text: str) -> Callable[[Path], None]:
    return toml("[examples]", f"{text}\n[examples]")


def observe(
    *, until: str = "2026-11-20T00:00:00Z", clauses: str = '["P-1"]', workload: str = "northmark/office"
) -> Callable[[Path], None]:
    return add(
        f'[[observe]]\naction = "prompt"\nworkload = "{workload}"\nuntil = "{until}"\nclauses = {clauses}\n'
    )


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "bundle.toml is missing": (lambda f: (f / "bundle.toml").unlink(), "expected `bundle.toml`"),
    "bundle.toml is no TOML": (toml("version = 1", "version = "), "expected TOML"),
    "a key is unknown": (toml("skew_s = 60", "skew_s = 60\nquorum = 2"), "no key `quorum`"),
    "a key is missing": (toml("skew_s = 60", ""), "expected `skew_s`"),
    "the version is no number": (toml("version = 1", 'version = "1"'), "from 1 to"),
    "the version is a truth value": (toml("version = 1", "version = true"), "from 1 to"),
    "the facts have another version": (toml("facts = 1", "facts = 2"), "from 1 to 1"),
    "the skew is an hour": (toml("skew_s = 60", "skew_s = 3600"), "from 0 to 600"),
    "the time is local": (toml("T00:00:00Z", "T00:00:00+02:00"), "expected a time like"),
    "a role is written with a dash": (
        toml('"northmark_commander"', '"northmark-commander"'),
        "list of words",
    ),
    "a role stands twice": (toml('"northmark_commander"', '"halden_reviewer"'), "once"),
    "a closed type is extended": (toml("[enums]", '[enums]\nYesNo = ["maybe"]'), "no key `enums.YesNo`"),
    "a value is added that means nothing known": (toml('"office",', '"unknown",'), "twice"),
    "a route leads nowhere": (
        toml('upstream = "loopback"', 'upstream = "elsewhere"'),
        "expected an upstream of",
    ),
    "a model has two routes": (
        toml("[limits]", '[[routes]]\nmodel = "m-1"\nupstream = "loopback"\n\n[limits]'),
        "one route",
    ),
    "an upstream's url carries a password": (
        toml("http://127", "http://me:secret@127"),
        "without user or password",
    ),
    "an upstream's url is no url": (toml("http://127", "ftp://127"), "upstreams.loopback.url"),
    "an upstream speaks another API": (toml('"anthropic"]', '"other"]'), "list of words like `openai`"),
    "an upstream has another key": (
        toml('url = "http', 'key = "s"\nurl = "http'),
        "no key `upstreams.loopback.key`",
    ),
    "a pin is cut short": (toml("api = [", 'pin = "sha256:00"\napi = ['), "upstreams.loopback.pin"),
    "a limit is missing": (toml("total_s = 600\n", ""), "expected `limits.total_s`"),
    "a limit is zero": (toml("total_s = 600", "total_s = 0"), "from 1 to"),
    "a limit is a fraction": (toml("total_s = 600", "total_s = 1.5"), "from 1 to"),
    "a lifetime is of no predicate": (toml("status = 172800", "state = 172800"), "no key `lifetimes.state`"),
    "a default is of no fact": (
        toml('"countersigned.purpose" =', '"countersigned.prpose" ='),
        "expected a fact",
    ),
    "a default is in no view": (toml('"countersigned.purpose" =', '"claimed.purpose" ='), "in a view of"),
    "a default is no value": (toml('purpose" = "office"', 'purpose" = "offcie"'), "expected one of"),
    "a red line is observed": (observe(clauses='["RL-1"]'), "no red line"),
    "a clause that isn't there is observed": (observe(clauses='["P-9"]'), "clause of this bundle"),
    "no clause is observed": (observe(clauses="[]"), "list of words"),
    "observing lasts longer than 30 days": (observe(until="2026-12-01T00:00:01Z"), "within 30 days"),
    "observing ended before it began": (observe(until="2026-10-01T00:00:00Z"), "within 30 days"),
    "every workload is observed": (observe(workload="*"), "observe.workload"),
    "a selector repeats without end": (toml('"SUB-[0-9]{6}"', '"SUB-[0-9]+"'), "few and bounded repeats"),
    "a selector repeats far": (toml('"SUB-[0-9]{6}"', '"SUB-[0-9]{1,900}"'), "few and bounded repeats"),
    "a selector repeats a group": (
        toml('"SUB-[0-9]{6}"', '"(?:[0-9]{1,9}){1,9}"'),
        "few and bounded repeats",
    ),
    "a selector hides a repeat behind an escaped bracket": (
        toml('"SUB-[0-9]{6}"', r"'\[SUB+]'"),
        "few and bounded repeats",
    ),
    "a selector has many short repeats": (
        toml('"SUB-[0-9]{6}"', f'"{"[0-9]{1,9}" * 5}"'),
        "few and bounded repeats",
    ),
    "a selector looks ahead": (toml('"SUB-[0-9]{6}"', '"(?=a)SUB"'), "few and bounded repeats"),
    "a selector matches nothing": (toml('"SUB-[0-9]{6}"', '"[0-9]{0,6}"'), "needs a character"),
    "a selector is no expression": (toml('"SUB-[0-9]{6}"', '"SUB-[0-9"'), "regular expression"),
    "a clause's file has another name": (
        lambda f: (f / "clauses" / "P-1.md").rename(f / "clauses" / "P-9.md"),
        "`clauses/P-1.md`",
    ),
    "a file is there that nobody reads": (
        lambda f: (f / "clauses" / "P-1.md~").write_text("x"),
        "only `bundle.toml`",
    ),
    "a hidden file is there": (lambda f: (f / ".swp").write_text("x"), "only `bundle.toml`"),
    "a folder is there that nobody reads": (lambda f: (f / "clauses" / "old").mkdir(), "only `bundle.toml`"),
    "a clause is a link": (
        lambda f: (f / "clauses" / "X-1.md").symlink_to(f / "clauses" / "P-1.md"),
        "only `bundle.toml`",
    ),
    "a file is too large": (lambda f: (f / "README.md").write_text("x" * (1 << 21)), "at most"),
    "bundle.toml is no UTF-8": (lambda f: (f / "bundle.toml").write_bytes(b"\xff"), "UTF-8"),
    "there is no clause": (lambda f: shutil.rmtree(f / "clauses"), "expected a clause"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_bundle_may_not_say_is_named(case: str, folder: Path) -> None:
    """Each mistake is refused with a line and a word about what to do."""
    spoil, word = BAD[case]
    spoil(folder)
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert word in str(caught.value)
    assert caught.value.line >= 1
    assert caught.value.fix


def test_what_may_be_observed_is_read(folder: Path) -> None:
    """A clause that is no red line, for one action of one workload, up to 30 days after the bundle was issued."""
    observe(until="2026-12-01T00:00:00Z")(folder)
    (one,) = load_bundle(folder).observe
    assert (one.action, one.workload, one.clauses) == ("prompt", "northmark/office", ("P-1",))


def test_the_line_of_a_mistake_is_named(folder: Path) -> None:
    """The message points where the reader must look."""
    toml("hold_ttl_s = 86400", "hold_ttl_s = -1")(folder)
    line = (folder / "bundle.toml").read_text().split("\n").index("hold_ttl_s = -1") + 1
    with pytest.raises(BundleError, match=rf"^bundle\.toml:{line}: "):
        parse_bundle(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(BundleError, match="expected a folder"):
        load_bundle(tmp_path / "nowhere")
