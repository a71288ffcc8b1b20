"""The page in headless Chromium: nothing is loaded, nothing complains, and a click shows a mistake."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import NEEDS_CHROMIUM, chromium
from railmatch.ssl_train.report.facts import Mistake, Scores
from railmatch.ssl_train.report.writing import write_page
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from small_report import HELD_BACK, TEST, write_folder

pytestmark = NEEDS_CHROMIUM

HOSTILE = '</pre><script>document.title = "broken"</script><img src="http://127.0.0.1:9999/pixel.png"> <b>now</b>'
MISTAKES = [
    Mistake(id="hostile", label=1, score=0.10, prompt=HOSTILE),
    Mistake(id="long", label=0, score=0.85, prompt="word" * 2000),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a folder with hostile texts."""
    folder = tmp_path_factory.mktemp("reported")
    return write_page(write_folder(folder, Scores(held_back=HELD_BACK, test=TEST, mistakes=MISTAKES)))


@pytest.fixture
def page(browser: Chrome, written: Path) -> Iterator[Path]:
    """Open the page; in the end there must be no complaint, and no request but for the page."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(written.as_uri())
    yield written
    assert browser.get_log("browser") == []
    assert requested(browser) == {written.as_uri()}


def requested(browser: Chrome) -> set[str]:
    """The addresses that were asked for since this was last called."""
    messages: list[dict[str, Any]] = [json.loads(row["message"])["message"] for row in browser.get_log("performance")]
    addresses = {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }
    return {address for address in addresses if not address.startswith("data:")}


def test_a_mistake_unfolds_at_a_click(page: Path, browser: Chrome):
    mistake = browser.find_element(By.CSS_SELECTOR, "#mistakes details")
    text = mistake.find_element(By.TAG_NAME, "pre")
    assert not text.is_displayed()
    mistake.find_element(By.TAG_NAME, "summary").click()
    assert text.is_displayed()
    assert text.text == HOSTILE
    mistake.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert not text.is_displayed()


def test_hostile_texts_do_nothing(page: Path, browser: Chrome):
    assert browser.title == "Prompt classifier: RailMatch report"
    assert browser.find_elements(By.CSS_SELECTOR, "script, img, iframe, #mistakes b") == []


def test_a_script_in_the_page_would_not_run(page: Path, browser: Chrome, tmp_path: Path):
    """Even if escaping failed: the page forbids scripts and requests."""
    broken = page.read_text().replace("<main>", f"<main>{HOSTILE}")
    (tmp_path / "broken.html").write_text(broken)
    browser.get((tmp_path / "broken.html").as_uri())
    assert browser.title == "Prompt classifier: RailMatch report"
    complaints = [row["message"] for row in browser.get_log("browser")]
    assert len(complaints) == 2
    assert all("Content Security Policy" in complaint for complaint in complaints)
    browser.get_log("performance")
    browser.get(page.as_uri())


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_a_phone_and_a_desk(page: Path, browser: Chrome, width: int):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    for summary in browser.find_elements(By.TAG_NAME, "summary"):
        summary.click()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    plots = browser.find_elements(By.CSS_SELECTOR, "figure svg")
    assert len(plots) == 7
    sizes = {(plot.size["width"], plot.size["height"]) for plot in plots}
    assert len({round(size) for pair in sizes for size in pair}) == 2  # all plots are of one size
    lefts = {plot.location["x"] for plot in plots}
    assert len(lefts) == (1 if width == 360 else 2)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_colours_follow_the_reader(page: Path, browser: Chrome):
    """Paper and curves differ between light and dark, and text stands out from the paper in both."""
    seen = {}
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        curve = browser.find_element(By.CSS_SELECTOR, '#curves path[style*="--test"]')
        body = browser.find_element(By.TAG_NAME, "body")
        seen[scheme] = [
            body.value_of_css_property("background-color"),
            body.value_of_css_property("color"),
            curve.value_of_css_property("stroke"),
        ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))
