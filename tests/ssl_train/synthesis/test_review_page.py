"""The review page in headless Chromium: keys decide, each decision is saved, texts are folded and do nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import NEEDS_CHROMIUM, chromium
from railmatch.ssl_train.synthesis.decisions import read_decisions
from railmatch.ssl_train.synthesis.review_server import Review, ReviewServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from small_synthesis import HOSTILE, write_synthesis

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_synthesis(tmp_path)


@pytest.fixture
def server(folder: Path) -> Iterator[ReviewServer]:
    with ReviewServer(Review(folder)) as running:
        yield running


@pytest.fixture
def page(browser: Chrome, server: ReviewServer) -> "Page":
    browser.get_log("browser")
    return Page(browser, server.address)


class Page:
    """What a person sees and presses."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self.browser = browser
        browser.get("about:blank")
        browser.get(address)
        self.until("count", "of 3")

    def text(self, name: str) -> str:
        return self.browser.find_element(By.ID, name).text

    def until(self, name: str, text: str) -> None:
        WebDriverWait(self.browser, 10, poll_frequency=0.02).until(lambda _: text in self.text(name), f"no {text!r}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def unfolded(self) -> bool:
        return self.browser.find_element(By.ID, "prompt").is_displayed()


def test_keys_decide_and_every_decision_is_saved_at_once(page: Page, folder: Path):
    assert page.text("why") == "the classifier says harmful (0.97)"
    assert page.text("count") == "1 of 3, 0 decided"
    page.press("h")
    page.until("count", "2 of 3, 1 decided")
    assert read_decisions(folder) == {"id-alarm": "harmful"}
    page.press("u")
    page.until("count", "3 of 3, 2 decided")
    page.press("d")
    page.until("status", "Saved: drop. All records are decided.")
    assert read_decisions(folder) == {"id-alarm": "harmful", "id-</pre": "unharmful", "id-split": "drop"}
    page.press("z")
    page.until("decision", "not yet")
    assert read_decisions(folder).keys() == {"id-alarm", "id-</pre"}
    assert page.browser.get_log("browser") == []


def test_who_comes_back_goes_on_where_it_was_left(page: Page, server: ReviewServer):
    page.press("h")
    page.until("count", "2 of 3, 1 decided")
    again = Page(page.browser, server.address)
    assert again.text("count") == "2 of 3, 1 decided"
    again.press("k")
    assert again.text("decision") == "harmful"
    again.press(Keys.ARROW_RIGHT, "j", "j")
    assert again.text("count") == "3 of 3, 1 decided"


def test_texts_are_folded_until_asked_for_and_do_nothing(page: Page):
    assert not page.unfolded()
    page.press(Keys.SPACE)
    assert page.unfolded()
    assert page.text("prompt") == "alarm"
    page.press("j")
    assert not page.unfolded()  # each is asked for
    page.press(Keys.SPACE)
    assert page.text("prompt") == HOSTILE
    assert page.browser.title == "Review: RailMatch"
    assert page.browser.find_elements(By.CSS_SELECTOR, "article script, article img, pre b") == []
    page.browser.find_element(By.ID, "unfold").click()
    page.press("j")
    assert page.unfolded()


def test_a_key_that_is_held_down_decides_nothing(page: Page, folder: Path):
    page.browser.execute_script(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'h', repeat: true, bubbles: true}))"
    )
    page.press("j")
    page.until("count", "2 of 3, 0 decided")
    assert read_decisions(folder) == {}


def test_a_click_decides_as_a_key_does(page: Page, folder: Path):
    page.browser.find_element(By.CSS_SELECTOR, "[data-decision=drop]").click()
    page.until("count", "2 of 3, 1 decided")
    page.press(Keys.SPACE)  # unfolds the next text, and is no second click
    assert page.unfolded()
    assert read_decisions(folder) == {"id-alarm": "drop"}


def test_what_could_not_be_saved_is_said_and_stays(page: Page, server: ReviewServer, folder: Path):
    server.__exit__(None, None, None)
    page.press("h")
    page.until("trouble", "Not saved: railmatch review has ended.")
    assert page.text("count") == "1 of 3, 0 decided"
    assert read_decisions(folder) == {}


def test_without_the_token_nothing_is_shown(browser: Chrome, server: ReviewServer):
    browser.get("about:blank")
    browser.get(server.address.partition("#")[0])
    trouble = browser.find_element(By.ID, "trouble")
    WebDriverWait(browser, 10, poll_frequency=0.02).until(lambda _: "open the address" in trouble.text)
    assert not browser.find_element(By.ID, "record").is_displayed()


def test_another_site_cannot_decide(page: Page, server: ReviewServer, folder: Path, tmp_path: Path):
    """A page of another origin, in the same browser, that has even learnt the token."""
    where, _, token = server.address.partition("#")
    (tmp_path / "evil.html").write_text(
        f"""<script>
        const body = JSON.stringify({{id: "id-alarm", decision: "drop"}});
        const plain = fetch("{where}decisions", {{method: "POST", body, mode: "no-cors"}});
        const named = fetch("{where}decisions", {{method: "POST", body, headers: {{"X-Review-Token": "{token}"}}}});
        Promise.allSettled([plain, named]).then((all) => {{ document.title = all.map((one) => one.status).join(); }});
        </script>"""
    )
    page.browser.get((tmp_path / "evil.html").as_uri())
    WebDriverWait(page.browser, 10, poll_frequency=0.02).until(lambda browser: "ed" in browser.title)
    assert page.browser.title.endswith("rejected")
    assert read_decisions(folder) == {}
    page.browser.get_log("browser")
