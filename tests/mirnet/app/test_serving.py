"""How the app starts, what it loads for that, and what monitors are told."""

import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import requests

import app
from mirnet.app import health
from mirnet.app.about import self_check
from mirnet.app.settings import read_settings
from mirnet.images.limits import MAX_PIXELS
from tests.support.paths import ROOT


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_loads_nothing():
    done = subprocess.run(
        [sys.executable, "app.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    for flag in ("--host", "--port", "--share", "--auth", "--max-pixels"):
        assert flag in done.stdout
    assert read_settings([]).max_pixels == MAX_PIXELS
    done = python(
        "import sys, app, mirnet.app.settings as one; one.read_settings([]);"
        "sys.exit(bool({'gradio', 'torch', 'numpy'} & {*sys.modules}))"
    )
    assert done.returncode == 0, done.stderr


def test_the_state_of_the_last_pages_only_is_kept(monkeypatch):
    """It was what grew in an hour's soak: 0.65 MB for each page that anybody had opened."""
    import gradio as gr

    monkeypatch.setattr("mirnet.app.serving.MAX_SESSIONS", 3)
    with gr.Blocks() as page:
        gr.Textbox()
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.launch_options()
    )
    try:
        for number in range(6):
            assert page.state_holder[f"page-{number}"].config_values
        assert list(page.state_holder.session_data) == ["page-3", "page-4", "page-5"]
    finally:
        page.close()


@pytest.mark.parametrize("host", ["::1", "[::1]", "127.0.0.1", "localhost"])
def test_the_page_listens_on_each_address_of_this_machine(host):
    """With "::1" it ended in a traceback: Gradio writes the address into a link as it is."""
    import gradio as gr

    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    settings = read_settings(["--host", host])
    with gr.Blocks() as page:
        gr.Textbox()
    page.launch(
        server_name=settings.server_name,
        prevent_thread_lock=True,
        quiet=True,
        **app.launch_options(alone=settings.alone),
    )
    try:
        assert settings.alone
        assert urlsplit(page.local_url).hostname == host.strip("[]")
        assert requests.get(page.local_url, timeout=60).status_code == 200
    finally:
        page.close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_the_page_is_built_without_torch_or_network():
    done = python(
        "import socket, sys\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "import app; app.build(10**8)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_a_failed_share_link_is_said_and_the_app_goes_on(monkeypatch, capsys):
    import gradio

    seen = {}

    def launch(self, **options):
        seen.update(options)
        self.share_url, self.local_url = None, "http://127.0.0.1:7860/"

    monkeypatch.setattr(gradio.Blocks, "launch", launch)
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda _: seen.update(blocked=True))
    monkeypatch.setattr(sys, "argv", ["app.py", "--share", "--auth", "anna:se:cret"])
    monkeypatch.delenv("SPACE_ID", raising=False)
    app.main()
    assert "No public link could be made; the page goes on here" in capsys.readouterr().out
    assert seen["auth"] == ("anna", "se:cret")
    assert seen["share"] and seen["blocked"]
    assert (seen["run_history"], seen["ssr_mode"]) == (False, False)


def test_a_space_asks_for_no_share_link(monkeypatch):
    import gradio

    seen = {}
    monkeypatch.setattr(gradio.Blocks, "launch", lambda self, **options: seen.update(options))
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["app.py", "--share"])
    monkeypatch.setenv("SPACE_ID", "someone/mirnet-studio")
    app.main()
    assert seen["share"] is False


def test_monitors_are_told_how_the_app_is(server, monkeypatch):
    answer = requests.get(f"{server}healthz", timeout=60)
    assert answer.status_code == 200 and answer.json()["ok"]
    assert {f["what"] for f in answer.json()["findings"]} == {
        "weights",
        "disk",
        "memory",
        "versions",
    }
    monkeypatch.setattr(health, "_disk", lambda: health.Finding("disk", False, "Full."))
    assert requests.get(f"{server}healthz", timeout=60).status_code == 503
    assert "disk</b> — wrong: Full." in self_check(health.check(hub=False))
