"""The report: a table, a document, and one sheet that prints, reads aloud and needs nothing from elsewhere."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import make_findings
import pytest
from click.testing import CliRunner

from countermark.assay.measured import Source
from countermark.assay.recorded.sources import recorded
from countermark.assay.report import bars, document, page, text
from countermark.cli.main import main

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"expected `{CHROMIUM}` to print the page with; it is not installed here"
)


@cache
def sources() -> tuple[Source, ...]:
    """Everything, measured once for all tests."""
    return recorded()


@cache
def sheet() -> str:
    """The page."""
    return page.render(sources())


class Reader(HTMLParser):
    """What a screen reader would go by: elements with attributes, in order, and unclosed ones."""

    VOID = frozenset({"meta", "rect", "circle", "path", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def read() -> Reader:
    """The page, read."""
    reader = Reader()
    reader.feed(sheet())
    return reader


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No script, no link to a style, font, image or frame; every reference stays on the page."""
    tags = {tag for tag, _ in read().elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for _, attributes in read().elements:
        for name, value in attributes.items():
            assert name not in {"src", "href", "srcset", "action"}
            assert not name.startswith("on")
            assert "url(" not in (value or "") or re.fullmatch(r"url\(#\w+\)", value or "")
    assert not re.search(r"@import|@font-face|https?://", sheet())


def test_the_page_is_well_formed() -> None:
    """Every element that opens closes, in order; ids are unique, and every pattern that is used is there."""
    assert read().wrong == []
    assert read().open == []
    ids = re.findall(r'\sid="([^"]+)"', sheet())
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#(\w+)\)", sheet())) <= set(ids)


def test_the_page_says_its_language_and_title() -> None:
    """`lang`, `title`, `viewport`, one `main`, and headings that go down one step at a time."""
    assert read().all("html")[0]["lang"] == "en"
    assert len(read().all("title")) == 1
    assert len(read().all("main")) == 1
    assert any(meta.get("name") == "viewport" for meta in read().all("meta"))
    levels = [int(tag[1]) for tag, _ in read().elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_header_of_the_table_has_a_scope() -> None:
    """Columns, rows and groups of rows are named for those who hear the table; the table has a caption."""
    assert {each.get("scope") for each in read().all("th")} == {"col", "row", "rowgroup"}
    assert len(read().all("caption")) == len(read().all("table")) == 1
    on_sheet = sum(each.on_sheet for source in sources() for each in source.measured)
    assert sum(each.get("scope") == "row" for each in read().all("th")) == on_sheet
    assert sum(each.get("scope") == "rowgroup" for each in read().all("th")) == len(sources())


def test_every_bar_says_in_words_what_it_shows() -> None:
    """A bar is an image with a label of its numbers; decoration is hidden from who listens."""
    for svg in read().all("svg"):
        if svg.get("role") == "img":
            assert re.search(r"\d %", svg.get("aria-label") or "")
        else:
            assert svg.get("aria-hidden") == "true"


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_and_no_colour_carries_meaning() -> None:
    """Every ink on white has a contrast of 7 or more, and there is no hue at all: it prints in black and white."""
    colours = set(re.findall(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b", sheet()))
    assert colours
    for colour in colours:
        digits = colour.lstrip("#")
        parts = {digits} if len(digits) == 3 else {digits[:2], digits[2:4], digits[4:]}
        assert len(set("".join(parts))) == 1, f"{colour} is not grey"
    inks = re.findall(r"(?<![-\w])color:(#\w+)", sheet())
    assert inks
    for ink in inks:
        assert 1.05 / (luminance(ink) + 0.05) >= 7


def test_parts_of_a_bar_differ_by_pattern_and_letter() -> None:
    """Real, theater and open have three fills and three letters; one attack alone has a fourth."""
    measured = next(each for each in sources()[2].measured if each.real is not None)
    drawn = bars.bar(measured)
    assert re.findall(r'fill="(#000|#fff|url\(#\w+\))" stroke', drawn) == ["#000", "url(#theater)", "#fff"]
    assert re.findall(r">([A-Z?])</text>", drawn)[:2] == ["R", "T"]
    alone = bars.bar(next(each for each in sources()[2].measured if each.real is None))
    assert "url(#unknown)" in alone
    assert "not told apart" in alone


def test_letters_never_stand_on_an_interval() -> None:
    """Where a bar's interval covers a part, its letter moves aside or is left out."""
    for source in sources():
        for each in source.measured:
            border = (each.apparent if each.real is None else each.real).shown
            for x in re.findall(r'<text x="([\d.]+)"', bars.bar(each)):
                middle = float(x)
                assert not border.low * bars.WIDTH - 3 < middle < border.high * bars.WIDTH + 3


def test_the_page_names_every_source_and_what_it_leaves_out() -> None:
    """Repository, commit and licence of each table are at the foot; lines that are not on the sheet are counted."""
    from countermark.assay.recorded.tables import origins

    for origin in origins().values():
        assert origin.cited in sheet()
    left_out = sum(not each.on_sheet for source in sources() for each in source.measured)
    assert sum(int(n) for n in re.findall(r"and (\d+) more, with --json", sheet())) == left_out


LICENCES = {
    "MIT": "The MIT License",
    "Apache-2.0": "Apache License, Version 2.0",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
}


def test_notices_are_kept() -> None:
    """NOTICE has source, commit, licence and holder of every table that ships."""
    from countermark.assay.recorded import tables

    notice = " ".join(Path(tables.__file__).with_name("NOTICE").read_text(encoding="utf-8").split())
    for origin in tables.origins().values():
        assert origin.file in notice
        if origin.repository:
            assert f"{origin.repository} @ {origin.commit}" in notice
            assert LICENCES[origin.licence] in notice
        if origin.holder.startswith("Copyright"):
            assert origin.holder in notice
    assert "The above copyright notice and this permission notice shall be included" in notice


@needs_chromium
def test_the_page_prints_on_one_sheet(tmp_path: Path) -> None:
    """Real Chromium prints it to a PDF of one A4 page."""
    (tmp_path / "sheet.html").write_text(sheet(), encoding="utf-8")
    pdf = tmp_path / "sheet.pdf"
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
        f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", (tmp_path / "sheet.html").as_uri(),
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    data = pdf.read_bytes()
    assert len(re.findall(rb"/Type\s*/Page[^s]", data)) == 1
    width, height = map(float, re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", data).groups())  # type: ignore[union-attr]
    assert (round(width / 72 * 25.4), round(height / 72 * 25.4)) == (210, 297)


def test_the_table_fits_a_terminal() -> None:
    """No line is wider than 120 columns, with and without detail; every safeguard has its line."""
    for detail in (False, True):
        told = text.render(sources(), detail=detail)
        assert max(map(len, told.splitlines())) <= 120
        for source in sources():
            for each in source.measured:
                assert each.safeguard in told


def test_the_document_has_every_interval() -> None:
    """JSON: all safeguards, real and theater null where they were not measured, and no number that isn't finite."""
    told = json.loads(json.dumps(document.to_document(sources()), allow_nan=False))
    assert (told["format"], told["version"]) == (document.FORMAT, document.VERSION)
    for source in told["sources"]:
        for each in source["safeguards"]:
            assert (each["real"] is None) == (each["standing"] == "apparent only")
            assert {one["method"] for one in each["apparent"]["intervals"]} >= {"Clopper-Pearson", "Wilson"}


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    done = CliRunner().invoke(main, ["assay", "recorded", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_shows_writes_and_prints(tmp_path: Path) -> None:
    """One source with detail, the page in a file, and one JSON document on standard output."""
    target = tmp_path / "sheet.html"
    code, shown, _ = run("--source", "jailbreakbench", "--html", str(target))
    assert code == 0
    assert "real as attacks became known: 100 (JailbreakChat) -> 96 (GCG) -> 64 (PAIR) -> 14" in shown
    assert target.read_text(encoding="utf-8") == page.render(recorded("jailbreakbench"))
    code, shown, _ = run("--source", "xstest", "--json")
    assert code == 0
    assert json.loads(shown)["finding"]["cost_only"] == ["Llama-2, original system prompt"]


BAD = {
    "a source that there isn't": (["--source", "other"], "expected one of the sources"),
    "a file that can't be written": (["--html", "/nowhere/sheet.html"], "expected to write the page"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case: str) -> None:
    """Exit code 2, one line on standard error that says what was expected."""
    arguments, words = BAD[case]
    code, shown, errors = run(*arguments)
    assert (code, shown) == (2, "")
    assert words in errors
    assert len(errors.splitlines()) == 1


def test_missing_packages_are_a_clear_word() -> None:
    """Without NumPy the command says what to install, and everything else of the command line works."""
    code = (
        "import sys; sys.modules['numpy'] = None\nfrom countermark.cli.main import main\nmain(sys.argv[1:])"
    )
    for arguments, expected in (
        (["assay", "recorded"], (2, "pip install 'countermark[assay]'")),
        (["assay", "--help"], (0, "recorded")),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == expected[0]
        assert expected[1] in done.stdout + done.stderr


def test_the_page_of_the_finding_is_current() -> None:
    """docs/findings/recorded.md holds what `python tests/assay/make_findings.py` writes now."""
    assert make_findings.TARGET.read_text(encoding="utf-8") == make_findings.page()


DOCS = make_findings.TARGET.parents[1]


def test_examples_in_the_docs_are_what_is_printed() -> None:
    """The protocol's verdict line and the how-to's lines are those of a run now, and every source is named."""
    stack = next(each for each in sources()[3].measured if each.safeguard == "detector + tools + taint")
    assert f"`{stack.verdict}`" in (DOCS / "design" / "assay-protocol.md").read_text(encoding="utf-8")
    how_to = (DOCS / "how-to" / "assay-recorded.md").read_text(encoding="utf-8")
    told = text.render(sources())
    shown = how_to.partition("```text\n")[2].partition("```")[0].splitlines()
    assert len(shown) == 2
    assert set(shown) <= set(told.splitlines())
    for source in sources():
        assert f"`{source.name}`" in how_to


def test_the_format_page_shows_the_manifest_and_a_rate_as_they_are() -> None:
    """spec/assay-tables.md: its example entry is in the manifest, its example rate is in the document."""
    from countermark.assay.recorded import tables

    page_of_format = (DOCS.parent / "spec" / "assay-tables.md").read_text(encoding="utf-8")
    entry = page_of_format.partition("[[table]]\n")[2].partition("```")[0]
    assert entry in Path(tables.__file__).with_name("manifest.toml").read_text(encoding="utf-8")
    rate = json.loads(page_of_format.partition("```json\n")[2].partition("```")[0])
    assert sources()[0].measured[0].real is not None
    assert rate == sources()[0].measured[0].real.to_document()
