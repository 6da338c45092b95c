"""The page in the frame of another site, as on a Hugging Face Space: two origins in one browser."""

import pytest

from tests.support.kept_pages import KEPT
from tests.support.running import PATIENCE_MS, launch_chromium, running_app

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"
OUTSIDE = "https://huggingface.co/spaces/us/studio"
LOCAL_FRAMES = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
"""The browser makes up the Hub's page here, which may not show a page of this machine otherwise."""


@pytest.fixture
def browser():
    with launch_chromium(KEPT.playwright, LOCAL_FRAMES) as chromium:
        yield chromium


def test_the_operator_signs_in_inside_the_frame_and_nowhere_else(browser, tmp_path):
    with running_app(
        SPACE_ID="us/studio",
        MIRNET_OPERATOR=f"anna:{PASSWORD}",
        MIRNET_STATE_DIR=str(tmp_path),
    ) as url:
        context = browser.new_context()
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        frame_html = f'<iframe id="app" src="{url}operator" width="900" height="700"></iframe>'
        page.route(
            "https://huggingface.co/**",
            lambda route: route.fulfill(body=frame_html, content_type="text/html"),
        )
        page.route(f"{url}assets/**", lambda route: route.abort())  # its scripts are not needed
        page.goto(OUTSIDE)
        inside = page.frame_locator("#app")
        inside.locator("input[name=name]").fill("anna")
        inside.locator("input[name=password]").fill(PASSWORD)
        landing = f"{url}?tab=evaluate"  # the page itself, in the frame
        with page.expect_response(landing) as answer:
            inside.get_by_role("button", name="Sign in").click()
        assert answer.value.ok

        def status(where) -> int:
            return where.evaluate("fetch('/metrics').then(answer => answer.status)")

        (frame,) = [frame for frame in page.frames if frame.url.startswith(url)]
        frame.wait_for_url(landing, wait_until="domcontentloaded")
        assert status(frame) == 200
        cookies = {cookie["name"]: cookie for cookie in context.cookies(url)}
        assert cookies["mirnet-operator"]["sameSite"] == "None"
        assert cookies["mirnet-operator"]["secure"] and cookies["mirnet-operator"]["httpOnly"]
        alone = context.new_page()  # the cookie belongs to the frame on that site
        alone.goto(f"{url}operator")
        assert status(alone) == 403

        other = context.new_page()  # a site that may not frame the page
        other.route(
            "https://elsewhere.example/**",
            lambda route: route.fulfill(body=frame_html, content_type="text/html"),
        )
        with other.expect_console_message(lambda message: "frame-ancestors" in message.text):
            other.goto("https://elsewhere.example/")
