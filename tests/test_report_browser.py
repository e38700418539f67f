"""The report in headless Chromium: it asks for nothing, complains of nothing, and its switches work."""

import os
import shutil
import tarfile
from pathlib import Path

import pytest

import gpustress as gs
from gpustress.report import write_report
from needs import require
from test_report import BOTH, EXAMPLES, NASTY, renamed_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

AXE = "GPUSTRESS_AXE"  # environment variable: where npm's package axe-core lies, a .tgz
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "print": {"media": "print"},
}


@pytest.fixture(scope="module")
def axe():
    """The script of axe-core."""
    place = os.environ.get(AXE, "")
    require("axe-core", Path(place).is_file(), f"{AXE} names no file; `npm pack axe-core` makes one")
    with tarfile.open(place) as package:
        return package.extractfile("package/axe.min.js").read().decode()


@pytest.fixture(scope="module")
def browser():
    require("chromium", CHROMIUM)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_of_the_example(tmp_path_factory):
    run = gs.simulate(gs.read_system(EXAMPLES / "ai_buildout"), paths=150, seed=3, effects=BOTH)
    file = tmp_path_factory.mktemp("report") / "report.html"
    write_report(run, file)
    return file, run


@pytest.fixture(scope="module")
def page_of_three_firms(tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "report.html"
    write_report(gs.simulate(gs.read_system(EXAMPLES / "three_firms"), paths=500, effects=BOTH), file)
    return file


def opened(browser, file, width):
    """The page, and what it complained of and asked for."""
    page = browser.new_page(viewport={"width": width, "height": 850})
    noted = []
    page.on("console", lambda message: noted.append(message.text))
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("request", lambda request: noted.append(request.url))
    page.goto(file.as_uri())
    assert noted == [file.as_uri()]
    return page, noted


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_its_switches_work(browser, page_of_the_example, width):
    file, run = page_of_the_example
    page, noted = opened(browser, file, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.select_option("#scenario", label="price_war")
    page.select_option("#entity", label="coreweave")
    share = (
        run.failed_at[run.scenarios.index("price_war/full"), :, run.entities.index("coreweave")] < 40
    ).mean()
    told = page.inner_text("#readout")
    assert told.startswith("2035Q4: coreweave has failed in")
    assert f"{float(f'{100 * share:.4g}'):g} ± " in told
    drawn = "[...document.querySelectorAll('.chart')].map((chart) => chart.data.at(-1).y)"
    failed, cash, total = page.evaluate(drawn)
    assert failed[-1] == pytest.approx(100 * share)
    page.select_option("#scenario", label="base")
    assert all(a != b for a, b in zip(page.evaluate(drawn), (failed, cash, total), strict=True))
    page.select_option("#scenario", label="price_war")
    assert page.evaluate(drawn) == [failed, cash, total]
    page.select_option("#measure", index=1)
    assert [a == b for a, b in zip(page.evaluate(drawn), (failed, cash, total), strict=True)] == [
        True,
        True,
        False,
    ]
    for chart in page.locator(".chart").all():
        assert chart.get_attribute("role") == "img"
        assert "price_war" in chart.get_attribute("aria-label")
    page.focus("#period")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#readout").startswith("2035Q3")
    chart = page.locator(".chart").first
    label = hovered(page, chart, 64)
    assert page.inner_text("#readout").startswith("2026Q1")
    assert "2026Q1" in label
    assert page.locator(".modebar-btn, .chart a").count() == 0
    assert noted == [file.as_uri()]


def test_a_finger_chooses_a_period_and_scrolls(browser, page_of_the_example):
    file, _ = page_of_the_example
    context = browser.new_context(viewport={"width": 390, "height": 850}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(file.as_uri())
    for chart in page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        for x, period in (
            (64, "2026Q1"),
            (box["width"] - 20, "2035Q4"),
            (58 + 0.25 * (box["width"] - 72), "2028Q2"),
        ):
            page.touchscreen.tap(box["x"] + x, box["y"] + 100)
            chart.locator(".hovertext").first.wait_for(timeout=5000)
            told = page.inner_text("#readout").partition(":")[0]
            assert told.startswith(period)
            page.wait_for_function(
                "([chart, told]) => chart.querySelector('.hovertext').textContent.includes(told)",
                arg=[chart.element_handle(), told],
                timeout=5000,
            )
        before = page.evaluate("scrollY")
        finger = context.new_cdp_session(page)
        for kind, up in (
            ("touchStart", 0),
            *(("touchMove", up) for up in range(10, 101, 10)),
            ("touchEnd", None),
        ):
            at = [] if up is None else [{"x": box["x"] + 100, "y": box["y"] + 150 - up}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
        page.wait_for_function("(before) => scrollY > before + 50", arg=before, timeout=5000)
    context.close()


def hovered(page, chart, x):
    """What the chart says beside a mouse that stands `x` from its left edge."""
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + 100)
    chart.locator(".hovertext").first.wait_for(timeout=5000)
    return chart.locator(".hovertext").first.text_content()


def test_a_chart_tells_value_and_error_under_the_mouse(browser, page_of_the_example):
    file, run = page_of_the_example
    page, _ = opened(browser, file, 1280)
    charts = page.locator(".chart")
    right = charts.first.bounding_box()["width"] - 20
    failed = run.failed_at[run.scenarios.index("base/full")] < 40
    shares = dict(zip(run.entities, failed.mean(axis=0).tolist(), strict=True))
    label = hovered(page, charts.first, right)
    chosen = max(shares, key=shares.get)
    for name in sorted(shares, key=shares.get)[-3:]:
        error = 100 * (shares[name] * (1 - shares[name]) / run.paths) ** 0.5
        assert f"{name} {100 * shares[name]:.4g} ± {error:.2g} %" in label
    assert label.startswith(f"2035Q4{chosen} ")
    median = page.evaluate("document.querySelectorAll('.chart')[1].data.at(-1).y.at(-1)")
    label = hovered(page, charts.nth(1), right)
    assert f"2035Q4median {median:.4g} ± " in label
    assert "half of the paths" in label


def test_tables_sort_by_their_unrounded_figures_and_copy_them(browser, page_of_the_example):
    file, run = page_of_the_example
    page, _ = opened(browser, file, 1280)
    table = page.locator("#failures-1")
    head = table.locator("thead button", has_text="fails, %")
    head.click()
    values = [
        float(v)
        for v in table.locator("tbody td:nth-child(2) data:first-child").evaluate_all(
            "e => e.map(x => x.value)"
        )
    ]
    assert values == sorted(values)
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    head.click()
    names = table.locator("tbody th").all_inner_texts()
    share = (run.failed_at[1] < 40).mean(axis=0)
    assert names == [
        run.entities[i] for i in sorted(range(len(share)), key=lambda i: -share[i]) if share[i] > 0
    ]
    page.evaluate("document.addEventListener('copy', () => { window.held = document.activeElement.value; })")
    page.get_by_label("Copy table: base: who fails by 2035Q4").click()
    first = page.evaluate("window.held").split("\n")[1].split("\t")
    assert first[:2] == [names[0], repr(float(share.max()))]


MARKUP = {"markup": "<b>x</b><a href='#'>%{y}$x$</a>&lt;"}  # Plotly's own


@pytest.mark.parametrize("text", (NASTY | MARKUP).values(), ids=NASTY | MARKUP)
def test_with_any_names_the_page_fits_and_runs_nothing_of_them(browser, tmp_path, text):
    file = tmp_path / "nasty.html"
    write_report(renamed_run(text), file)
    page, noted = opened(browser, file, 390)
    assert page.title() == f"Stress test of {text}".strip()
    assert page.inner_text("h1") == f"Stress test of {text}".strip()
    page.select_option("#entity", index=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert hovered(page, page.locator(".chart").nth(1), 100).startswith(text[:31].rstrip())
    assert page.locator(".chart a, .chart [style*='bold']").count() == 0
    assert noted == [file.as_uri()]


def serious(page, rules=None):
    """What axe-core holds against the page, of serious or critical impact."""
    found = page.evaluate(
        """async (rules) => (await axe.run(rules ? { runOnly: rules } : {})).violations
            .map((v) => [v.id, v.impact, v.nodes[0].html])""",
        rules,
    )
    return [problem for problem in found if problem[1] in ("serious", "critical")]


def looked_at(browser, axe, file, width, look):
    page = browser.new_page(viewport={"width": width, "height": 850})
    page.goto(file.as_uri())
    page.emulate_media(**LOOKS[look])
    page.evaluate(axe)
    return page


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("look", LOOKS)
def test_the_page_is_accessible(browser, axe, page_of_three_firms, width, look):
    page = looked_at(browser, axe, page_of_three_firms, width, look)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert serious(page) == []
    page.close()


def test_the_page_of_the_example_is_accessible_and_what_is_not_is_found(browser, axe, page_of_the_example):
    page = looked_at(browser, axe, page_of_the_example[0], 390, "light")
    assert serious(page) == []
    page.evaluate("""() => {
        document.documentElement.removeAttribute("lang");
        document.querySelector("h1").style.color = "#ddd";
        document.querySelector("#pictures svg").removeAttribute("aria-labelledby");
        document.querySelector("#pictures svg title").remove();
    }""")
    faults = ["html-has-lang", "color-contrast", "svg-img-alt"]
    assert {problem[0] for problem in serious(page, faults)} == set(faults)
    page.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_holds_all_answers(browser, page_of_the_example, width, height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(page_of_the_example[0].as_uri())
    answers = page.locator(".answers > div")
    assert answers.locator("dt").all_inner_texts() == [
        "Who fails first?",
        "How likely is its failure?",
        "What does it take with it?",
        "What does the book lose?",
        "What revenue would avert it?",
    ]
    for answer in answers.all():
        assert answer.bounding_box()["y"] + answer.bounding_box()["height"] <= height
        assert "±" in answer.inner_text()
    page.close()


def test_without_its_script_the_page_still_tells_everything(browser, page_of_the_example):
    file, _ = page_of_the_example
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("#explorer").is_hidden()
    assert page.locator("button").count() == 0
    assert page.locator("#pictures svg").count() >= 10
    context.close()
