"""The report: a page that is whole, says what the run's JSON says, and runs nothing that stands in a table."""

import itertools
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from html import escape
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import html5lib
import numpy as np
import pytest

import gpustress as gs
from gpustress.amounts import PLAIN, Unit, never_seen, plus_minus, with_interval
from gpustress.dates import period_label
from gpustress.path_sample import PathSample
from gpustress.pictures.fans import LEVELS
from gpustress.report import Answer, find, report_html, write_report
from gpustress.report.assumptions import assumptions
from gpustress.report.explorer import explorer
from gpustress.report.fans import with_series
from gpustress.report.findings import Findings
from gpustress.report.page import PLOTLY
from gpustress.report.scripts import content_hash, embeddable
from gpustress.schema import SCHEMAS
from gpustress.store import REPORT
from gpustress.summary import summarise
from gpustress.who_pays_whom import payment_lines, who_pays_whom
from made import made_result, made_system

EXAMPLES = Path(__file__).parents[1] / "examples"
BOTH = ["first_round", "full"]
SVG = "http://www.w3.org/2000/svg"
BUNDLE = embeddable(files("gpustress.report").joinpath(PLOTLY).read_text(encoding="utf-8"))
EVIL = "<script>document.title='x'</script>\"'&{{ 7 * 7 }}"
NOTHING_MORE = Findings("base", None, None, {})
NASTY = {
    "script and quotes": EVIL,
    "right to left": "بنك المركزي ",
    "long": "a very long name, " * 12,
    "emoji": "🏦👩‍👩‍👧 & <b>",
}


@pytest.fixture(scope="module")
def three_firms():
    return gs.simulate(gs.read_system(EXAMPLES / "three_firms"), paths=3, effects=BOTH, backend="numpy")


@pytest.fixture(scope="module")
def example():
    return gs.simulate(gs.read_system(EXAMPLES / "ai_buildout"), paths=150, seed=3, effects=BOTH)


@pytest.fixture(scope="module")
def found(example):
    return find(example)


@pytest.fixture(scope="module")
def page(example, found):
    return report_html(
        example, answers=[Answer("capex, as a multiple", 4.25, 4.0, 4.5, "times")], findings=found
    )


def parsed(text):
    """The page as a tree; anything that is no valid HTML is an error. Plotly, which takes seconds, is left out."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text.replace(BUNDLE, ""))


def section(tree, identity):
    (found,) = (element for element in tree.iter() if element.get("id") == identity)
    return found


def text_of(element, leaving_out=("data", "svg", "style", "script")):
    """Text of an element without that of some others below it."""
    parts = [element.text or ""]
    for child in element:
        if not (isinstance(child.tag, str) and child.tag.rpartition("}")[2] in leaving_out):
            parts.append(text_of(child, leaving_out))
        parts.append(child.tail or "")
    return "".join(parts)


def numbers(content):
    """Every number in plain data."""
    if isinstance(content, dict):
        return set().union(*map(numbers, content.values())) if content else set()
    if isinstance(content, list):
        return set().union(*map(numbers, content)) if content else set()
    return {float(content)} if isinstance(content, (int, float)) and not isinstance(content, bool) else set()


def check_figures(run, text, findings, extra=()):
    """Every figure is one of the run's JSON, rounded; what else holds a digit is a name, a date or a source's text."""
    tree, summary = parsed(text), json.loads(json.dumps(summarise(run)))
    held = numbers(summary) | numbers(json.loads(json.dumps(findings.as_json()))) | set(extra)
    shown = [element for element in tree.iter() if element.tag == "data"]
    assert len(shown) > 20
    for element in shown:
        value, scale, told = float(element.get("value")), float(element.get("data-scale")), element.text
        assert value in held, told
        step = scale * step_of(told)
        significant = 0.5 * abs(value) * 1e-3 if value in extra else 0.0
        assert abs(float(told.replace(",", "")) * scale - value) <= max(0.5000001 * step, significant), told
    check_stories(section(tree, "stories"), findings)
    rest = "".join(text_of(section(tree, part)) for part in ("answers", "explorer", "tables"))
    rest += text_of(next(tree.iter("header")))
    rest += "".join(text_of(caption) for caption in tree.iter("figcaption"))
    rest = without_known(rest, run, findings)
    assert not re.search(r"\d", rest), rest
    for title in tree.iter(f"{{{SVG}}}title"):
        for told in re.findall(r"\d[\d,]*(?:\.\d+)?", without_known(title.text, run, findings)):
            assert rounds_from(told, held), (told, title.text)
    check_assumptions(tree, run)
    check_explorer(tree, run)


def without_known(text, run, findings):
    """The text without names, dates, and what the page says about itself."""
    names = {*run.entities, *run.measures, *(one.scenario for one in run.runs), run.system.settings.name,
             run.system.settings.currency, *findings_names(findings)}  # fmt: skip
    labels = {period_label(run.system.settings, period) for period in range(run.periods)}
    counts = {run.paths, *(min(run.paths, most) for most in (2_000, 5_000, 20_000))}
    known = [
        *sorted(names - {""}, key=len, reverse=True),
        never_seen(run.paths),
        *labels,
        *(f"{count:,} paths" for count in counts),
    ]
    text = text.replace("\xa0", " ")
    for name in known:
        text = text.replace(name, "")
    levels = r"95 %(?= interval)|(?<=at risk )99 %|(?<=shortfall )99 %|NPV 9?5 %"
    return re.sub(rf"{levels}|(?:and|;) \d+ more", "", text, flags=re.IGNORECASE)


def findings_names(findings):
    return [] if findings.movers is None else findings.movers.table["parameter"].to_pylist()


def step_of(told):
    """What the last digit of a number stands for that counts; zeros before the point may be rounding."""
    whole, _, decimals = told.replace(",", "").partition(".")
    zeros = 0 if decimals or not float(whole) else len(whole) - len(whole.rstrip("0"))
    return 10.0 ** (zeros - len(decimals))


def rounds_from(told, held):
    """Whether a number is one of those held, in percent or in some thousands, rounded as it is shown."""
    number, step = float(told.replace(",", "")), step_of(told)
    return any(
        abs(number - value / scale) <= 0.5000001 * step
        for value in map(abs, held)
        for scale in (1.0, 0.01, 1e3, 1e6, 1e9, 1e12)
    )


def check_stories(part, findings):
    """The stories say word for word what `story` does."""
    told = [text_of(element) for element in part.iter("dd")]
    expected = []
    for one in findings.stories.values():
        lines = {}
        for row in one.table.to_pylist():
            lines.setdefault(row["label"], []).append(row["text"])
        expected += [" ".join(texts) for texts in lines.values()]
    assert told == expected
    titles = [text_of(element) for element in part.iter("summary")]
    assert titles == [f"{name}: {one.judged_by} (path {one.path})" for name, one in findings.stories.items()]


def check_assumptions(tree, run):
    """Every number of the assumptions is that of its row in the system's table."""
    for table in assumptions(run):
        rows = [row for row in section(tree, f"assumptions-{table.table}").iter("tr")][1:]
        held = (
            run.scenario_table if table.table == "scenarios" else run.system.tables[table.table]
        ).to_pylist()
        assert len(rows) == min(len(held), 400)
        for row, cells in zip(rows, held, strict=False):
            given = next(text_of(cell) for cell in row.iter("td"))
            for name, cell in cells.items():
                if isinstance(cell, float) and f"{name} = " in given:
                    assert f"{name} = {cell:.12g}" in given


def check_explorer(tree, run):
    """What the reader can choose ends at the probabilities of the run's JSON."""
    data = json.loads(section(tree, "data").text)
    summary = {one["scenario"]: one for one in summarise(run)["runs"] if one["effects"] == "full"}
    for scenario in data["scenarios"]:
        for counts, entity in zip(scenario["failed"], summary[scenario["name"]]["entities"], strict=True):
            assert (counts[-1] if counts else 0) / run.paths == entity["probability"]["value"]
    shown = [fan for fans in (*data["cash"], *data["totals"]) if fans for fan in fans["scenarios"] if fan]
    assert shown
    for fan in shown:
        assert (np.diff(fan["quantiles"], axis=0) >= 0.0).all()
        assert run.paths == 1 or min(fan["error"]) >= 0.0


def test_the_readers_fans_are_of_cash_and_of_running_totals_with_the_medians_error(example):
    names = ["cash:coreweave", "measure:ai_net"]
    recorded = gs.simulate(example.system, paths=150, seed=3, effects="full", record=names)
    series = with_series(recorded, ["price_war"], names, 150)
    place = recorded.scenarios.index("price_war")
    data = explorer(recorded, [place], series)
    entity = example.entities.index("coreweave")
    assert [fans is not None for fans in data["cash"]] == [i == entity for i in range(len(example.entities))]
    assert data["measures"] == ["ai_net"]
    for name, fans in zip(names, (data["cash"][entity], data["totals"][0]), strict=True):
        size = {"million USD": 1e6, "billion USD": 1e9, "trillion USD": 1e12}[fans["unit"]]
        values = recorded.series[name][place]
        values = np.sort(values.cumsum(axis=1) if name.startswith("measure:") else values, axis=0)
        (fan,) = fans["scenarios"]
        assert np.allclose(
            np.array(fan["quantiles"]) * size, PathSample(150).quantiles(values, LEVELS), rtol=1e-4
        )
        # Woodruff: 75 -+ 1.96 sqrt(150) / 2 are the ranks 62 and 88.
        assert np.allclose(np.array(fan["error"]) * size, (values[87] - values[61]) / 3.919928, rtol=1e-4)


def test_the_page_is_valid_small_and_loads_nothing(page):
    tree = parsed(page)
    assert len(page.encode()) < 3_000_000
    for element in tree.iter():
        for name, value in element.attrib.items():
            plain = str(name).rpartition("}")[2].rpartition(":")[2].lower()
            if plain in ("href", "src", "srcset", "action", "data", "poster", "background"):
                assert value.startswith(("#", "data:image/png;base64,")), (name, value)
            assert not re.search(r"url\(\s*['\"]?(?!#)", str(value)), value
            assert not plain.startswith("on")
    styles = "".join(element.text or "" for element in tree.iter("style"))
    assert "@import" not in styles
    assert not re.search(r"url\(\s*['\"]?(?!#)", styles)
    assert "default-src 'none'" in page


def test_the_page_holds_plotly_once_and_nothing_in_it_that_html_would_take_for_its_own(page):
    assert page.count(BUNDLE) == 1
    assert f"'sha256-{content_hash(BUNDLE)}'" in page
    assert not re.search(r"</?script|<!--|[\x00-\x09\x0b-\x1f\x7f-\x9f]", BUNDLE, re.IGNORECASE)
    licence = files("gpustress.report").joinpath("plotly-cartesian.LICENSE").read_text(encoding="utf-8")
    assert "Permission is hereby granted" in licence
    assert "Licensed under the MIT license" in BUNDLE[:300]


def test_a_script_in_a_page_neither_ends_early_nor_changes():
    script = """x = "</script><!--<SCRIPT>\x01\t" + 'a < b';\n"""
    assert embeddable(script) == r"""x = "\x3c/script>\x3c!--\x3cSCRIPT>\x01\x09" + 'a < b';""" + "\n"


def test_every_figure_is_in_the_runs_json(example, page, found):
    check_figures(example, page, found, extra=(4.25, 4.0, 4.5))


def test_the_first_screen_answers(example, page, found):
    answers = text_of(section(parsed(page), "answers"), leaving_out=()).replace("\xa0", " ")
    summary = summarise(example)["runs"][1]
    first = summary["first_failures"][0]
    assert answers.index("Who fails first?") < answers.index(first["entity"])
    for question in (
        "How likely",
        "take with it",
        "book lose",
        "What revenue would avert it?",
        "And what else?",
    ):
        assert question in answers
    loss, multiple = summary["book"]["expected_loss"], found.averting.multiple
    assert f"{plus_minus(loss, Unit(1e6, 1))} million USD in the mean" in answers
    assert f"{with_interval(multiple, PLAIN)} times the revenue assumed for {first['entity']}" in answers
    assert first["followers"][0]["entity"] in answers
    assert "4.25 [4, 4.5] times" in answers


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (1.0, 1.5, "1.25 [1, 1.5] Sales"),
        (1.0, None, "1.25 [1, ∞) Sales"),
        (None, 1.5, "1.25 (-∞, 1.5] Sales"),
        (-math.inf, math.inf, "1.25 (-∞, ∞) Sales"),
        (None, None, "1.25 Sales"),
    ],
)
def test_an_answers_interval_is_told_as_open_where_it_has_no_end(low, high, told):
    run = made_result(failing=0.0)
    text = report_html(run, answers=[Answer("Sales", 1.25, low, high)], findings=NOTHING_MORE)
    assert told in " ".join(text_of(section(parsed(text), "answers"), ()).split())


LAB = {"name": ["lab", "shop"], "cash": [0.0, 0.0]}
COST = ("power", "lab", None, "power", 180.0, None)
# What the lab receives comes to 120, and it owes 180: it takes 1.5 times as much, however that is driven.
REVENUES = {
    "driven by its own": (
        [("sales", None, "lab", "revenue", 100.0, None), ("royalty", None, "lab", "revenue", 0.2, "sales")],
        ["sales"],
    ),
    "driven by its own at a remove": (
        [("sales", None, "lab", "revenue", 100.0, None), ("traffic", None, None, "fee", 0.5, "sales"),
         ("royalty", None, "lab", "revenue", 0.4, "traffic")],
        ["sales"],
    ),
    "driven by somebody else's": (
        [("shop.sales", None, "shop", "revenue", 100.0, None), ("share", None, "lab", "revenue", 1.2, "shop.sales")],
        ["share"],
    ),
    "driven by both": (
        [("shop.sales", None, "shop", "revenue", 100.0, None), ("share", None, "lab", "revenue", 0.5, "shop.sales"),
         ("bonus", None, "lab", "revenue", 1.4, "share")],
        ["share"],
    ),
    "of the whole system": (
        [("shop.sales", None, "shop", "revenue", 100.0, None),
         ("share", None, "shop", "revenue", 0.2, "shop.sales"), ("rent", "shop", "lab", "rent", 6.0, "share")],
        ["shop.sales"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("flows", "scaled"), REVENUES.values(), ids=REVENUES)
def test_each_flow_of_the_revenue_that_averts_a_failure_rises_once_and_all_are_told(flows, scaled):
    columns = zip(*flows, COST, strict=True)
    table = dict(
        zip(("name", "payer", "receiver", "kind", "amount", "driver"), map(list, columns), strict=True)
    )
    system = gs.System(name="revenue", periods=1, periods_per_year=1.0, entities=LAB, flows=table)
    run = gs.simulate(system, paths=2, effects="full")
    findings = find(run)
    averted = findings.averting
    assert averted.entity == "lab"
    assert averted.found.parameter == ", ".join(f"+1 x flow.{name}.scale" for name in scaled)
    assert averted.multiple["value"] == pytest.approx(1.5, abs=1e-3)
    own = {flow[0]: flow[2] for flow in flows if flow[3] == "revenue"}
    assert averted.own == ("lab" in own.values())
    assert averted.flows == tuple(name for name, who in own.items() if who == "lab" or not averted.own)
    assert averted.revenue["value"] == pytest.approx(120.0)
    assert averted.needed["value"] == pytest.approx(180.0, abs=0.2)
    whose = "the revenue of lab" if averted.own else "all revenue"
    page = report_html(run, findings=findings)
    assert "1.5 [1.5, ∞) times" in text_of(
        section(parsed(page), "answers"), ()
    )  # two paths bound it on one side
    title = titles(page)("How often lab fails")[0]
    assert title.startswith(
        f"How often lab fails as {whose} rises: on 100 % of the paths as assumed, 0 % at 1.5"
    )


def test_no_two_elements_share_an_id_and_every_picture_says_what_it_shows(page):
    tree = parsed(page)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    pictures = [element for element in tree.iter() if element.get("role") == "img"]
    assert len(pictures) >= 10
    for picture in pictures:
        assert len(text_of(section(tree, picture.get("aria-labelledby")))) > 30
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page.replace(BUNDLE, "")))
    assert set(itertools.chain.from_iterable(used)) - {""} <= set(ids)
    headings = [int(element.tag[1]) for element in tree.iter() if re.fullmatch(r"h[1-6]", str(element.tag))]
    assert headings[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))


def titles(page):
    """The texts that stand in for the pictures: those with a beginning."""
    every = [title.text for title in parsed(page).iter(f"{{{SVG}}}title")]
    return lambda start: [title for title in every if title.startswith(start)]


@pytest.mark.parametrize("effects", [BOTH, BOTH[::-1]], ids=",".join)
def test_the_heat_maps_text_names_who_fails_most_with_the_most_effects_or_nobody(effects):
    scenarios = gs.Scenarios({"scenario": ["base", "calm"]})
    run = made_result(scenarios=scenarios, effects=effects, failing=0.0)
    failed_at, cause = run.failed_at.copy(), run.cause.copy()
    for one, entity in zip(BOTH, (0, 2), strict=True):
        place = run.scenarios.index(f"base/{one}")
        failed_at[place, :9, entity], cause[place, :9, entity] = 1, 1
    run = replace(run, failed_at=failed_at, cause=cause)
    (told,) = titles(report_html(run, findings=NOTHING_MORE))("Probability of failing by scenario")
    assert f"Most likely to fail: base {run.entities[2]}, calm nobody." in told


def test_the_cascades_text_rounds_its_shares_as_the_page_does(three_firms):
    (told,) = titles(report_html(three_firms, findings=NOTHING_MORE))("Who takes whom along")
    assert told.startswith("Who takes whom along, as shares of the paths: lab and then cloud on 100 %")
    assert "e+" not in told


def test_the_picture_of_payments_says_how_its_period_lies_to_the_first_failure(three_firms):
    system = three_firms.system
    closed = {"scenario": ["base", "better", "closed"],
              "parameter": [None, "flow.sales.scale", "entity.lab.fail_at"], "op": [None, "set", "set"],
              "value": [None, 1.2, 0.0]}  # fmt: skip
    run = gs.simulate(system, gs.Scenarios(closed), paths=2, effects="full")
    for scenario, told in (
        ("base", "{1}, before anybody has failed on this path;"),
        ("better", "{4}, the last period, on a path on which nobody fails;"),
        ("closed", "{0}, the first period, in which somebody fails on this path;"),
    ):
        labels = [period_label(system.settings, period) for period in range(run.periods)]
        tree = parsed(report_html(run, findings=Findings(scenario, None, None, {})))
        captions = [text_of(caption) for caption in tree.iter("figcaption")]
        (caption,) = [caption for caption in captions if caption.startswith("Payments")]
        assert caption.startswith(f"Payments among the entities in {told.format(*labels)}")


@pytest.mark.parametrize(
    ("effects", "told"),
    [
        ("first_round", "Scenario base, everybody judged alone (first_round), 50 paths"),
        ("none", "Scenario base, a projection in which nobody can fail (none), 50 paths"),
        ("full", "Scenario base, 50 paths"),
    ],
)
def test_the_line_under_the_title_says_how_failures_are_judged(effects, told):
    text = report_html(made_result(effects=(effects,)), findings=NOTHING_MORE)
    assert told in " ".join(text_of(next(parsed(text).iter("header")), ()).split())


def renamed_run(text, paths=3):
    """The small example with every name and every text of every table changed."""
    system = gs.read_system(EXAMPLES / "three_firms")
    own = [*system.entity_names, *system.flows["name"].to_pylist(), *system.loans["name"].to_pylist(),
           *system.factor_names, *system.measure_names, *system.positions["name"].to_pylist()]  # fmt: skip
    names = {name: f"{text}{i}" for i, name in enumerate(own)}
    tables = {}
    for table, held in system.tables.items():
        if held.num_rows and table != "scenarios":
            tables[table] = {
                column.name: [
                    text
                    if column.name in ("source", "role")
                    else cell
                    if column.choices
                    else names.get(cell, cell)
                    for cell in held[column.name].to_pylist()
                ]
                for column in SCHEMAS[table].columns
            }
    tables["measures"]["flow"] = [
        names.get(name.partition(":")[0], name) for name in system.measures["flow"].to_pylist()
    ]
    scenarios = gs.Scenarios({"scenario": [text, f"{text}!"], "source": [text, text]})
    changed = gs.System(name=text, currency=text, periods=5, periods_per_year=1.0, **tables)
    return gs.simulate(changed, scenarios, paths=paths, effects=BOTH, backend="numpy")


def test_what_stands_in_a_table_is_text():
    run = renamed_run(EVIL)
    text = report_html(run, answers=[Answer(EVIL, None, unit=EVIL)])
    tree = parsed(text)
    scripts = [element for element in tree.iter() if str(element.tag).rpartition("}")[2] == "script"]
    assert [element.get("type") for element in scripts] == ["application/json", None, None]
    assert "document.title" not in scripts[2].text
    assert json.loads(scripts[0].text)["entities"] == list(run.entities)
    assert "49" not in text_of(section(tree, "answers"))
    assert EVIL in text_of(section(tree, "assumptions"))
    for shown in (run._repr_html_(), run.system._repr_html_()):
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_with_any_names_every_figure_is_in_the_runs_json(text, values_with_plain_names):
    run = renamed_run(text, paths=20)
    findings = find(run)
    assert findings.averting is not None
    assert findings.movers is not None
    page = report_html(run, findings=findings)
    check_figures(run, page, findings)
    shown = text_of(section(parsed(page), "answers"), leaving_out=())
    assert summarise(run)["runs"][1]["first_failures"][0]["entity"] in shown
    assert values_of(page) == values_with_plain_names


@pytest.fixture(scope="module")
def values_with_plain_names():
    return values_of(report_html(renamed_run("firm ", paths=20)))


def values_of(page):
    """Every figure, without the names about it."""
    return [element.get("value") for element in parsed(page).iter("data")]


BARE = made_system(positions=None, measures=None)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda: made_result(failing=0.0, effects=BOTH), id="nobody fails"),
        pytest.param(lambda: made_result(BARE, effects=("none",), failing=0.0), id="none"),
        pytest.param(lambda: made_result(made_system(1, periods=1, start=None, currency=""), paths=1), id="one path"),
        pytest.param(lambda: gs.simulate(gs.read_system(EXAMPLES / "three_firms"), paths=1), id="one path that fails"),
        pytest.param(lambda: made_result(failing=1.0, effects=("full",), paths=7), id="full alone"),
    ],
)  # fmt: skip
def test_small_and_empty_runs_have_a_page(run):
    made = run()
    text = report_html(made)
    if made.paths > 1:
        tree = parsed(text)
        assert (
            "What does it take with it?" not in text_of(section(tree, "answers")) or made.failed_at.min() < 8
        )
    assert "nan" not in text_of(section(parsed(text), "tables"), leaving_out=())


def test_of_many_scenarios_the_first_are_told_and_the_rest_counted():
    grid = gs.Scenarios.grid({"entity.alpha.cash": list(np.arange(1.0, 51.0))})
    text = report_html(made_result(scenarios=grid, paths=20))
    assert "10 more scenarios are in the stored result" in text
    assert len(parsed(text).findall(".//h3")) == 8


def test_long_names_and_letters_that_the_font_lacks_are_no_warning():
    names = ["企業" * 30, "x" * 200, "a & b"]
    system = made_system(
        entities={"name": names, "cash": [1.0] * 3},
        flows={"name": ["f"], "payer": [names[0]], "receiver": [names[1]], "kind": ["rent"], "amount": [1.0]},
        measures=None,
        positions=None,
    )
    assert names[0] in report_html(made_result(system, effects=BOTH))


def test_the_readers_totals_are_those_worked_by_hand(three_firms):
    """As examples/three_firms/README.md has them."""
    run = gs.simulate(three_firms.system, paths=3, effects="full", record=["measure:cloud_net"])
    totals = explorer(run, [0], with_series(run, ["base"], ["measure:cloud_net"], 3))["totals"]
    assert totals[0]["scenarios"][0]["quantiles"][2] == [50.0, 100.0, 129.0, 89.0, 149.0]


def test_series_that_were_not_recorded_are_those_of_the_same_paths(example):
    recorded = gs.simulate(example.system, paths=150, seed=3, effects="full", record=["cash:coreweave"])
    again = with_series(example, ["base", "price_war"], ["cash:coreweave"], 150)
    assert not again.partial
    for scenario in ("base", "price_war"):
        place = recorded.scenarios.index(scenario)
        expected = PathSample(150).quantiles(recorded.series["cash:coreweave"][place], LEVELS)
        assert np.array_equal(again.cash(scenario, "coreweave").quantiles, expected)
    assert again.cash("build_on", "coreweave") is None
    assert with_series(example, ["base"], ["cash:coreweave"], 20).partial
    assert with_series(recorded, ["base"], ["cash:coreweave"], 20).run is recorded


def test_series_of_another_run_are_not_shown():
    made = made_result(paths=40)  # its failures are made up, so no run gives them
    assert with_series(made, ["base"], ["cash:alpha"], 40).run is made


def test_all_assumptions_stand_with_their_sources(example):
    told = {table.table: table for table in assumptions(example)}
    assert set(told) == {name for name, table in example.system.tables.items() if table.num_rows}
    flows = told["flows"]
    assert len(flows.rows) == example.system.flows.num_rows
    assert [row[2] for row in flows.rows] == example.system.flows["source"].to_pylist()
    (row,) = [row for row in flows.rows if row[0] == "usage_microsoft"]
    assert row[1] == "kind = fee; amount = 0.210864903503; driver = capacity_in_use"


def test_the_same_result_gives_the_same_page(three_firms, tmp_path):
    three_firms.report(tmp_path / "one.html")
    three_firms.write(tmp_path / "out")
    write_report(gs.read_result(tmp_path / "out"), tmp_path / "two.html")
    one, two = (tmp_path / name for name in ("one.html", "two.html"))
    assert one.read_bytes() == two.read_bytes()
    check_figures(three_firms, one.read_text(encoding="utf-8"), find(three_firms))


def never(*_, **__):
    raise AssertionError


def forbidden(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_page_that_can_not_be_written_is_refused_before_it_is_made(three_firms, tmp_path, monkeypatch):
    monkeypatch.setattr("gpustress.report.page.report_html", never)
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("mine")
    below = ("taken", "nowhere/page.html", "file/page.html", "x" * 300, "\ud800", "\0")
    for path in (*(tmp_path / name for name in below), "", None, 7, "/proc/nowhere"):
        with pytest.raises(gs.InputError, match=r"`path`: .*Name a file in a folder that is there"):
            three_firms.report(path)
    monkeypatch.setattr("tempfile.mkdtemp", forbidden)
    with pytest.raises(gs.InputError, match="`path`: can't be written: Permission denied"):
        three_firms.report(tmp_path / "page.html")
    assert sorted(os.listdir(tmp_path)) == ["file", "taken"]


def test_a_full_disk_leaves_the_page_that_was_there(three_firms, tmp_path, monkeypatch):
    monkeypatch.setattr("gpustress.report.page.report_html", lambda run, **asked: "a page")
    three_firms.report(tmp_path / "page.html")
    monkeypatch.setattr("os.replace", forbidden)
    with pytest.raises(PermissionError):
        three_firms.report(tmp_path / "page.html")
    assert os.listdir(tmp_path) == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "a page"


def test_the_command_refuses_a_folder_that_takes_no_page_before_it_works(
    three_firms, tmp_path, call, monkeypatch
):
    three_firms.write(tmp_path / "out")
    monkeypatch.setattr("gpustress.report.find", never)
    monkeypatch.setattr("tempfile.mkdtemp", forbidden)
    code, printed, told = call("report", tmp_path / "out")
    assert (code, printed) == (2, "")
    assert "`OUT`: can't be written: Permission denied" in told


def test_the_command_writes_the_page_beside_the_result(three_firms, tmp_path, call, monkeypatch):
    monkeypatch.setattr("gpustress.report.page.report_html", lambda run, **asked: f"a page of {run!r}")
    three_firms.write(tmp_path / "out")
    code, printed, told = call("report", tmp_path / "out")
    assert (code, printed) == (0, f"{tmp_path / 'out' / REPORT}\n")
    assert told.startswith("Looking for the revenue that averts the failure of lab")
    code, printed, _ = call("report", tmp_path / "out", "--json")
    page = tmp_path / "out" / REPORT
    told = json.loads(json.dumps(find(three_firms).as_json()))
    assert code == 0
    assert json.loads(printed) == {"ok": True, "report": str(page), "bytes": page.stat().st_size} | told
    assert page.read_text(encoding="utf-8") == f"a page of {three_firms!r}"
    three_firms.write(tmp_path / "out")  # a result with a report is still replaced
    assert not page.exists()
    code, printed, told = call("report", tmp_path / "nothing")
    assert (code, printed) == (2, "")
    assert "is no folder" in told
    code, printed, told = call("report", tmp_path / "out", "--avert-to", 1.5)
    assert (code, printed) == (2, "")
    assert told.startswith("1 problem in the input:\n  `avert_to`: has to lie strictly between 0 and 1")


def test_the_page_begins_with_the_scenario_that_is_asked_for(three_firms, tmp_path, call):
    three_firms.write(tmp_path / "out")
    code, printed, _ = call("report", tmp_path / "out", "--scenario", "better_sales", "--json")
    assert (code, json.loads(printed)["scenario"]) == (0, "better_sales/full")
    tree = parsed((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "Scenario better_sales, " in " ".join(text_of(tree).split())
    assert text_of(section(tree, "run-1")) == "Scenario better_sales"
    data = json.loads(text_of(section(tree, "data"), ()))
    assert [one["name"] for one in data["scenarios"]] == ["better_sales", "base", "lab_closes"]
    three_firms.report(tmp_path / "page.html", "better_sales")
    assert (tmp_path / "page.html").read_bytes() == (tmp_path / "out" / "report.html").read_bytes()
    code, _, told = call("report", tmp_path / "out", "--scenario", "worse_sales")
    assert (code, "`scenario`: is no scenario of this run" in told) == (2, True)


def test_without_the_extra_the_command_says_how_to_get_it(three_firms, tmp_path):
    three_firms.write(tmp_path / "out")
    code = (
        "import sys; sys.modules['jinja2'] = None; sys.argv = ['gpustress', 'report', sys.argv[1]];"
        "from gpustress.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "pip install 'gpustress[pictures]'" in done.stderr


def test_what_a_reverse_stress_test_found_is_told(three_firms, tmp_path, call, monkeypatch):
    told = []
    monkeypatch.setattr(
        "gpustress.report.page.report_html", lambda run, answers, findings: told.extend(answers) or "a page"
    )
    three_firms.write(tmp_path / "out")
    found = {
        "moved": "multiple of flow.sales.scale",
        "statistic": "mean npv of net",
        "target": 0.0,
        "root": 1.25,
        "low": 1.0,
    }
    (tmp_path / "found.json").write_text(json.dumps(found | {"high": None, "monotone": True}))
    assert call("report", tmp_path / "out", "--reverse", tmp_path / "found.json")[0] == 0
    assert told == [
        Answer("multiple of flow.sales.scale, at which the mean npv of net is 0", 1.25, 1.0, math.inf)
    ]
    (tmp_path / "other.json").write_text(json.dumps(found))
    for number, text in enumerate((
        "[" * 100_000, "[]", '{"parameter": 7}', "\xff", *(json.dumps(found | {"high": None} | wrong) for wrong in (
            {"target": 10**400}, {"root": math.nan}, {"root": "much"}, {"root": [1.0]}, {"low": -math.inf},
        )),
    )):  # fmt: skip
        (tmp_path / f"{number}.json").write_text(text, encoding="latin-1")
    for wrong in ("other.json", "nothing.json", ".", *(f"{place}.json" for place in range(number + 1))):
        code, _, said = call("report", tmp_path / "out", "--reverse", tmp_path / wrong)
        assert (code, "`--reverse`" in said) == (2, True)


# --- notebooks ---


def test_objects_show_themselves_in_a_notebook(example):
    shown = example._repr_html_()
    worst = summarise(example)["runs"][1]["entities"]
    assert max(worst, key=lambda entity: entity["probability"]["value"])["entity"] in shown
    assert "base/full" in shown
    assert "... and 2 more runs" in shown
    size = example.system._repr_html_()
    assert "<td>coreweave</td>" in size
    assert len(size) + len(shown) < 20_000
    for text in (shown, size):
        parsed(f"<!DOCTYPE html><title>x</title>{text}")


def test_answers_show_themselves_in_a_notebook_whatever_the_names(example):
    run = renamed_run(EVIL)
    lab, loan = run.entities[0], run.system.flow_names[0]
    by_cash = {"entity": lab, "statistic": "failure_probability", "paths": 8}
    search = {"bounds": (0.0, 900.0), "target": 0.5} | by_cash
    moving = gs.read_system(EXAMPLES / "ai_buildout")
    for answer, told in (
        (run.replay(0), [row["cause"] for row in run.replay(0).events.to_pylist()]),
        (gs.story(run), gs.story(run).table["text"].to_pylist()),
        (gs.explain(run), gs.explain(run).words),
        (
            gs.reverse_stress(run.system, f"entity.{lab}.cash", **search),
            ["meets 0.5"],
        ),
        (gs.sensitivities(run.system, [f"flow.{loan}.scale"], **by_cash), ["<th>settled</th>"]),
        (gs.likeliest_point(moving, entity="oracle"), ["standard deviations"]),
    ):
        line, shown = repr(answer), answer._repr_html_()
        assert line.startswith(f"<{type(answer).__name__}")
        assert len(line.splitlines()) == 1
        assert len(line) < 1200
        assert "<script" not in shown
        if not isinstance(answer, gs.LikeliestPoint):
            assert "&lt;script&gt;" in shown
        assert all(escape(text) in shown or text in shown for text in told)
        parsed(f"<!DOCTYPE html><title>x</title>{shown}")


def test_the_drawing_of_who_pays_whom_has_an_arrow_for_each_pair():
    system = gs.read_system(EXAMPLES / "three_firms")
    drawn = ElementTree.fromstring(re.search("<svg.*</svg>", system._repr_html_())[0])
    told = [title.text for title in drawn.findall(f"{{{SVG}}}g/{{{SVG}}}title")]
    assert sorted(told) == ["cloud pays bank: 1", "lab pays cloud: 1"]
    assert {text.text for text in drawn.findall(f"{{{SVG}}}text")} >= {"cloud", "lab", "bank"}
    lines = payment_lines(gs.read_system(EXAMPLES / "ai_buildout"))
    inside = {pair for pair in lines if "outside" not in pair and pair[0] != pair[1]}
    assert who_pays_whom(lines).count("<polygon") == len(inside) > 15
    assert len(lines["oracle", "nvidia"]) == 6
    crowd = {(f"firm {i}", f"firm {i + 1}"): ["rent"] * (i + 1) for i in range(40)}
    assert who_pays_whom(crowd).count("<circle") == 16
    assert "25 more entities left out" in who_pays_whom(crowd)
    assert who_pays_whom({("outside", "lab"): ["sales"]}) == ""


def test_the_example_as_a_notebook_runs():
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "ai_buildout" / "notebook.py"],
        env=os.environ | {"MPLBACKEND": "agg"}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
