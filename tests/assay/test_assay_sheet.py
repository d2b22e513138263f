"""The sheet of a campaign in real Chromium: it prints on one page, reads on a phone, and keeps nothing from anybody."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import AsyncIterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser import Tab, browsing, needs_chromium
from campaigned import make_matrices, make_plan, make_rows

from countermark.assay.campaign.result import find, result_document
from countermark.assay.recorded.sources import recorded
from countermark.assay.report import campaign_page, campaign_text, page
from countermark.assay.report.residual import LEVELS, reached, ways

GOALS, STRATEGIES, CLAUSES = 96, 22, 12
VKEY = "assay.example/halden+1a2b3c4d+AYx0f3Qw9T6qJ2mZk8vB1nC5rE7uI0oP4sD6gH8jK2lN"
CHANGE = [
    f"office: real 41.2 to 44.1 %; apparent: up, {n} gained, 1 lost of 32, p = 0.{n}" for n in (3, 4, 5)
]
_COSTS = (("words", 0, 9), ("credentials", 0, 6), ("insider", 1, 3), ("collusion", 2, 2), ("runner", 0, 2))
_WIDE_FONT = '"DejaVu Sans",'


@cache
def _small() -> str:
    plan = make_plan()
    return json.dumps(result_document(find(plan, make_matrices(plan, make_rows(plan)))))


def small() -> dict[str, Any]:
    """A result of few goals and strategies, as they are counted."""
    return dict(json.loads(_small()))


def full(*, missed: int = 93) -> dict[str, Any]:
    """The same in the size of a whole campaign: what a layout has to hold, with figures that need not agree."""
    document = small()
    names, strategies = [], []
    for cost, liars, many in _COSTS:
        for _ in range(many):
            names.append(f"borrow-thing-no-{len(names):02}")
            strategies.append(
                {**document["plan"]["strategies"][0], "name": names[-1], "cost": cost, "liars": liars}
            )
    document["plan"]["strategies"] = strategies
    goals = [copy.copy(document["goal_list"][i % len(document["goal_list"])]) for i in range(GOALS)]
    for i, goal in enumerate(goals):
        goal["id"], goal["title"] = (
            f"cluster-{i // 7}/goal-{i}",
            f"Rank the people of district {i} by what they may think",
        )
    document["goal_list"], document["goals"] = goals, {"all": GOALS, "attainable": GOALS}
    document["heat"]["strategies"] = names
    for number, cells in enumerate(document["heat"]["columns"].values()):
        cells.update(
            {
                goal["id"]: "".join("1" if (i * j + number) % 3 else "0" for j in range(STRATEGIES))
                for i, goal in enumerate(goals)
            }
        )
    one = document["missed"][0]
    holds = ["its own system's credential and true papers"] * 7
    holds[2] = (
        "credentials of systems that hold a basis for something else, and the digests of what they hold"
    )
    document["missed"] = [
        {
            **one, "goal": goal["id"], "title": goal["title"], "kind": goal["kind"], "rests_on": holds[i % 7],
            "strategy": names[3 * (i % 7)], "cost": strategies[3 * (i % 7)]["cost"], "liars": strategies[3 * (i % 7)]["liars"],
        }
        for i, goal in enumerate(goals[:missed])
    ]  # fmt: skip
    for column in document["columns"]:
        for level in column["levels"].values():
            step = level["discovery"][-1]
            level["discovery"] = [
                {**step, "strategy": name, "value": 1 - i / 15} for i, name in enumerate(names[:15])
            ]
    titles = ["Only what the purpose is about"] * 4
    titles[1] = "Only attested purposes, each inside its legal basis"
    document["plan"]["terms"] = [
        {
            "clause": f"RL-{n}", "title": titles[n % 4], "forbids": True,
            "red_line": True, "changed_by": ["northmark"] if n % 3 else [],
        }
        for n in range(CLAUSES)
    ]  # fmt: skip
    clause = document["clauses"][0]
    document["clauses"] = [{**clause, "clause": f"RL-{n}"} for n in range(CLAUSES)]
    real = document["columns"][-1]["levels"]["0"]["real"]
    document["classifier_at"] = [
        {"stated": rate, "real": real, "apparent": real} for rate in (0.01, 0.05, 0.2)
    ]
    document["holdout"] = {
        document["safeguard"]: {
            "confirmed": {"chosen": names[:3], "dev": real, "test": real},
            "unseen_wordings": {**real, "low": -0.05},
        }
    }
    document["would_buy"] = {
        axis: [{"what": "linking-and-locating", "adds": real}]
        for axis in ("for_clusters", "against_families")
    }
    return document


PAGES = {
    "a whole campaign": lambda: campaign_page.render(full(), vkey=VKEY, change=CHANGE),
    "a whole campaign, in a wide font": lambda: campaign_page.render(full(), vkey=VKEY, change=CHANGE).replace(
        'Arial,"Liberation Sans",Helvetica,', _WIDE_FONT
    ),
    "a small one": lambda: campaign_page.render(small(), vkey=VKEY),
    "one that is void, missed nothing, and measured little": lambda: campaign_page.render(
        {
            **full(missed=0), "void": ["no-op: expected false stops 0, got 0.12"], "self_assessed": False,
            "written_by": "Northmark Institute", "mechanisms": [], "clauses": [], "attribution": {}, "classifier_at": [],
            "holdout": {}, "would_buy": {},
        }
    ),
}  # fmt: skip
ON_SCREEN = [name for name in PAGES if "font" not in name]
EVERY = {**PAGES, "public records": lambda: page.render(recorded())}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    """One browser for all tests of this module."""
    async with browsing(tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


async def shown(tab: Tab, folder: Path, name: str) -> Tab:
    """The page in the tab, on a screen of ordinary width."""
    path = folder / "sheet.html"
    path.write_text(EVERY[name](), encoding="utf-8")
    await tab.call("Emulation.setEmulatedMedia", media="")
    await tab.size(1280)
    await tab.open(path)
    return tab


pytestmark = pytest.mark.asyncio(loop_scope="module")


ORDER = (
    "Residual risk: what succeeds against Countermark",
    "Real, theater and open, side by side",
    "Twins: the same bytes, misuse and work",
    "Discovery, strategy by strategy",
    "What each layer is worth",
    "Real by budget",
    "Goals (across) and strategies (down): black is reached in spite of Countermark",
    "What only each clause stops, and who could lift it alone",
    "What each mechanism buys",
    "Where it works, and where not",
    "Missed, by name: 93 goals, each under the cheapest way to it",
    "Since the last run",
    "What this rests on, and how to check it offline",
)


async def test_the_order_is_that_of_the_story() -> None:
    """Verdicts per kind first, then what succeeds against Countermark itself, and last how to check it offline."""
    sheet = campaign_page.render(full(), vkey=VKEY, change=CHANGE)
    assert tuple(re.findall(r"<h2>(.*?)(?:<|$)", sheet)) == ORDER
    document = full()
    kinds = re.findall(r'<li><strong>(.*?) <span class="figure">(.*?)</span>', sheet)
    assert [name.lower() for name, _ in kinds] == [
        campaign_text.KINDS[kind] for kind in document["axes"]["kind"]
    ]
    assert sheet.index('class="verdicts"') < sheet.index(ORDER[0])


async def test_who_wrote_the_goals_stands_in_the_size_of_the_figure() -> None:
    """`SELF-ASSESSED` has the size of the verdicts' figures on screen and on paper; of others' goals the page names them."""
    sheet = campaign_page.render(full())
    assert '<span class="self">SELF-ASSESSED</span>' in sheet
    assert len(re.findall(r"\.self,\.figure\{font-size:", sheet)) == 2
    other = campaign_page.render({**full(), "self_assessed": False, "written_by": "Northmark Institute"})
    assert '<span class="self">goals by: Northmark Institute</span>' in other


async def test_every_miss_is_named_and_counted_once() -> None:
    """Each missed goal stands under one way; ways are the cheapest first; levels and what nothing reached make up all goals."""
    document = full()
    found = ways(document)
    assert sum(len(way.goals) for way in found) == len(document["missed"])
    costs = [cost for cost, _, _ in _COSTS]
    assert [costs.index(way.cost) for way in found] == sorted(costs.index(way.cost) for way in found)
    counts = reached(document)
    assert set(counts) == {*LEVELS, "none"}
    assert sum(counts.values()) == document["goals"]["attainable"]
    sheet = campaign_page.render(document)
    for each in document["missed"]:
        assert each["title"] in sheet
    for way in found:
        assert way.rests_on.replace("'", "&#x27;") in sheet


@pytest.mark.parametrize("name", ["small", "full", "void"])
async def test_the_summary_fits_a_terminal(name: str) -> None:
    """No line is wider than 120 columns; the misses come before any figure, each way with its count and what it rests on."""
    documents = {
        "small": small(),
        "full": full(),
        "void": {**full(missed=0), "void": ["no-op: " + "it stops work " * 20]},
    }
    document = documents[name]
    told = campaign_text.render(document, folder=Path("assay"))
    assert max(map(len, told.splitlines())) <= campaign_text.WIDTH
    assert told.index("MISSED: ") < told.index("apparent")
    flat = " ".join(told.split())
    for way in ways(document):
        assert f"{len(way.goals)} {way.strategy} {campaign_text.SHORT_COSTS[way.cost]} {way.rests_on}" in flat


async def test_who_runs_the_gateway_is_not_nobody_lying() -> None:
    """In a result as it is counted, the misses that take nobody's lie are those that real at 0 lacks, and so on."""
    document = small()
    counts, levels = reached(document), document["columns"][-1]["levels"]
    for taken in range(3):
        fallen = sum(counts[each] for each in LEVELS[: taken + 1])
        assert levels[str(taken)]["real"]["k"] == document["goals"]["attainable"] - fallen


@needs_chromium
@pytest.mark.parametrize("name", PAGES)
async def test_a_campaign_prints_on_one_sheet(tab: Tab, tmp_path: Path, name: str) -> None:
    """Real Chromium prints it to one A4 page, at full size: nothing is wider than the sheet, where it would shrink all."""
    await shown(tab, tmp_path, name)
    data = await tab.pdf()
    assert len(re.findall(rb"/Type\s*/Page[^s]", data)) == 1
    width, height = map(float, re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", data).groups())  # type: ignore[union-attr]
    assert (round(width / 72 * 25.4), round(height / 72 * 25.4)) == (210, 297)
    await tab.paper(194)
    assert await tab.ask(_OUTSIDE.replace("EDGE", "document.documentElement.clientWidth + 1")) == []


@needs_chromium
@pytest.mark.parametrize("name", PAGES)
async def test_print_is_readable(tab: Tab, tmp_path: Path, name: str) -> None:
    """On paper no letter is smaller than 6 pt, in drawings neither; and no colour is anything but grey."""
    await shown(tab, tmp_path, name)
    await tab.paper(194)
    sizes = await tab.ask(_SIZES)
    assert len(sizes) > 100
    assert [each for each in sizes if each[0] < 5.99] == []
    assert await tab.ask(_COLOURED) == []


@needs_chromium
@pytest.mark.parametrize("name", ON_SCREEN)
async def test_a_phone_scrolls_tables_and_not_the_page(tab: Tab, tmp_path: Path, name: str) -> None:
    """At 320, 400, 800 and 1280 pixels the page is as wide as the screen; what is wider scrolls by itself, by keyboard too."""
    await shown(tab, tmp_path, name)
    for width in (320, 400, 800, 1280):
        await tab.size(width)
        assert await tab.ask("document.documentElement.scrollWidth") == width
        assert await tab.ask(_UNREACHABLE) == []
        assert await tab.ask(_OUTSIDE_DRAWINGS) == []


@needs_chromium
@pytest.mark.parametrize("name", [*ON_SCREEN, "public records"])
async def test_axe_finds_nothing_serious(tab: Tab, tmp_path: Path, name: str) -> None:
    """axe-core in the browser, every rule, on a wide screen and on a phone: no violation that is serious or critical."""
    await shown(tab, tmp_path, name)
    await tab.ask((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8") + ";0")
    for width in (1280, 400):
        await tab.size(width)
        found = await tab.ask("axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r))")
        result = json.loads(found)
        assert len(result["passes"]) > 10
        assert [
            (each["id"], each["impact"], [node["target"] for node in each["nodes"]])
            for each in result["violations"]
            if each["impact"] in ("serious", "critical")
        ] == []


@needs_chromium
@pytest.mark.parametrize("name", [*ON_SCREEN, "public records"])
async def test_the_page_asks_for_nothing(tab: Tab, tmp_path: Path, name: str) -> None:
    """A browser that opens it asks for the file and for nothing else; there is no script."""
    tab.asked.clear()
    await shown(tab, tmp_path, name)
    await tab.ask("new Promise(done => setTimeout(done, 50))")
    assert tab.asked == [(tmp_path / "sheet.html").as_uri()]
    assert await tab.ask("document.scripts.length") == 0


# Of elements with words of their own, those that reach over the right edge; what a scrolling box hides is not over it.
_OUTSIDE = """[...document.querySelectorAll('body *')].filter(e =>
  e.getClientRects().length && !e.closest('.names') && e.getBoundingClientRect().right > EDGE
).map(e => e.outerHTML.slice(0, 120))"""
# Size on paper in pt and the words of each piece of text; in a drawing its scale is in it.
_SIZES = """(() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, words = walk.currentNode.data.trim();
    if (!words || ['STYLE', 'SCRIPT'].includes(e.tagName) || !e.getClientRects().length) continue;
    const scale = e.getScreenCTM ? Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b) : 1;
    found.push([parseFloat(getComputedStyle(e).fontSize) * scale * 0.75, words]);
  }
  return found; })()"""
_COLOURED = """(() => {
  const found = [], names = ['color', 'backgroundColor', 'borderTopColor', 'borderBottomColor', 'fill', 'stroke'];
  for (const e of document.querySelectorAll('*')) for (const name of names) {
    const parts = (getComputedStyle(e)[name].match(/rgba?\\((\\d+), (\\d+), (\\d+)/) || []).slice(1);
    if (new Set(parts).size > 1) found.push([name, e.outerHTML.slice(0, 80)]);
  }
  return found; })()"""
# Boxes that hide something and can't be reached by keyboard, or are wider than the screen themselves.
_UNREACHABLE = """[...document.querySelectorAll('body *')].filter(e => e.getClientRects().length && (
  (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible' && e.tabIndex !== 0 && !e.ownerSVGElement)
  || (e.matches('main, section, .scroll, p, li, h1, h2, dl')
      && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1))).map(e => e.outerHTML.slice(0, 120))"""
# Words of a drawing that its edge cuts.
_OUTSIDE_DRAWINGS = """[...document.querySelectorAll('svg text')].filter(t => {
  const box = t.getBoundingClientRect(), edge = t.ownerSVGElement.getBoundingClientRect();
  return box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 3 || box.bottom > edge.bottom + 3;
}).map(t => t.textContent)"""
