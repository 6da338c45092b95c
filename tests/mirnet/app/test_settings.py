"""Flags and environment variables, and what follows from them."""

import re

import pytest

from mirnet.app.settings import Settings, read_settings
from tests.support.paths import ROOT

LOGIN = "anna:correct horse battery"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    names = [f"MIRNET_{name.upper()}" for name in Settings.model_fields]
    for name in [*names, "SPACE_ID", "GRADIO_SERVER_NAME"]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--auth", "anna"], "USER:PASSWORD"),
        (["--auth", "anna:"], "USER:PASSWORD"),
        (["--auth", ":secret"], "USER:PASSWORD"),
        (["--operator", "anna:short"], "at least 12 characters"),
        (["--max-pixels", "0"], r"--max-pixels \(or MIRNET_MAX_PIXELS\): .*greater than 0"),
        (["--max-pixels", "many"], "valid integer"),
        (["--keep-hours", "-1"], "greater than 0"),
        (["--keep-hours", "inf"], "a number of hours"),
        (["--keep-hours", "nan"], "--keep-hours"),
        (["--port", "70000"], "less than or equal to 65535"),
        (["--proxy", "nginx"], "--proxy wants addresses"),
        (["--polish"], "unrecognized arguments: --polish"),
    ],
)
def test_a_wrong_flag_ends_in_one_sentence(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        read_settings(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "error: " in error and "Traceback" not in error
    assert re.search(words, error)


def test_every_flag_has_a_variable_and_the_flag_wins(monkeypatch):
    for name, value in (
        ("HOST", "0.0.0.0"), ("PORT", "7000"), ("SHARE", "yes"), ("AUTH", "bert:secret"),
        ("MAX_PIXELS", "5"), ("KEEP_HOURS", "0.5"), ("READ_ONLY", "true"), ("OPERATOR", LOGIN),
        ("ALLOW_RUNS", "1"), ("PROXY", "10.0.0.1"),
    ):  # fmt: skip
        monkeypatch.setenv(f"MIRNET_{name}", value)
    found = read_settings([])
    assert (found.host, found.port, found.share) == ("0.0.0.0", 7000, True)
    assert found.login == ("bert", "secret")
    assert (found.max_pixels, found.keep_hours, found.read_only) == (5, 0.5, True)
    assert found.operator_login == tuple(LOGIN.split(":")) and found.allow_runs
    assert read_settings(["--max-pixels", "9", "--no-share"]).max_pixels == 9
    monkeypatch.setenv("MIRNET_PORT", "")
    assert read_settings([]).port is None


SAMPLES = {
    "host": "0.0.0.0", "port": "7000", "proxy": "10.0.0.1", "share": "true", "auth": "bert:secret",
    "max_pixels": "5", "keep_hours": "0.5", "output_cache_gb": "3", "read_only": "true",
    "operator": LOGIN, "allow_runs": "true", "limits": "sr-x4=8",
    "api_keys": "reader:a-long-key-of-a-program:viewer", "journal": "true",
}  # fmt: skip
"""A value of every setting that is not its default."""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_flag_has_its_variable_and_both_are_documented(name, monkeypatch):
    default = getattr(read_settings([]), name)
    monkeypatch.setenv(f"MIRNET_{name.upper()}", SAMPLES[name])
    by_variable = getattr(read_settings([]), name)
    monkeypatch.delenv(f"MIRNET_{name.upper()}")
    flag = f"--{name.replace('_', '-')}"
    is_switch = Settings.model_fields[name].annotation is bool
    by_flag = read_settings([flag] if is_switch else [flag, SAMPLES[name]])
    assert getattr(by_flag, name) == by_variable != default
    if is_switch:
        monkeypatch.setenv(f"MIRNET_{name.upper()}", "true")
        assert getattr(read_settings([flag.replace("--", "--no-", 1)]), name) is False
    text = (ROOT / "mirnet" / "docs" / "deploying.md").read_text(encoding="utf-8")
    assert f"`MIRNET_{name.upper()}`" in text


def test_a_wrong_variable_ends_the_start(monkeypatch, capsys):
    monkeypatch.setenv("MIRNET_ALLOW_RUNS", "maybe")
    with pytest.raises(SystemExit):
        read_settings([])
    assert "MIRNET_ALLOW_RUNS" in capsys.readouterr().err


def test_an_operator_who_is_named_signs_in_on_this_machine_too():
    found = read_settings(["--operator", LOGIN])
    assert found.alone and found.everyone == "viewer"


def test_proxies_of_spaces_and_share_links_are_trusted(monkeypatch):
    assert read_settings([]).proxies == ()
    assert read_settings(["--share"]).proxies == ("127.0.0.0/8", "::1/128")
    assert read_settings(["--proxy", "192.0.2.1"]).proxies == ("192.0.2.1",)
    monkeypatch.setenv("SPACE_ID", "a/b")
    assert "10.0.0.0/8" in read_settings([]).proxies


def test_passwords_are_not_printed():
    shown = repr(read_settings(["--auth", LOGIN, "--operator", LOGIN]))
    assert "correct horse" not in shown


@pytest.mark.parametrize(
    ("arguments", "environment", "role"),
    [
        ([], {}, "admin"),
        (["--host", "::1"], {}, "admin"),
        (["--host", "[::1]"], {}, "admin"),
        (["--host", "::"], {}, "viewer"),
        ([], {"GRADIO_SERVER_NAME": "[::1]"}, "admin"),
        (["--host", "0.0.0.0"], {}, "viewer"),
        ([], {"GRADIO_SERVER_NAME": "0.0.0.0"}, "viewer"),  # Gradio would listen there
        (["--host", "127.0.0.1"], {"GRADIO_SERVER_NAME": "0.0.0.0"}, "admin"),
        (["--proxy", "127.0.0.1"], {}, "viewer"),
        (["--share", "--allow-runs"], {}, "runner"),
        (["--share"], {"SPACE_ID": "a/b"}, "viewer"),
    ],
)
def test_roles_follow_from_who_reaches_the_page(arguments, environment, role, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = read_settings(arguments)
    assert found.everyone == role and found.alone == (role == "admin")
    assert found.public_link == ("--share" in arguments and not environment)
