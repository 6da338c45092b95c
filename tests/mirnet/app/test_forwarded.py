"""Who sent a request, where proxies pass requests on."""

import pytest

from mirnet.app.proxies import FORWARDED, ForwardedHeaders
from mirnet.app.rate_limit import RequestLimits
from mirnet.app.security import Guard
from tests.support.guarded import ask, page


def behind(proxies, **options):
    """The guard as it is served: forwarded headers are judged first."""
    return ForwardedHeaders(Guard(page, alone=False, **options), proxies)


def test_visitors_behind_a_trusted_proxy_are_told_apart():
    guarded = behind(["10.0.0.0/8"], proxied=True, limits=RequestLimits(requests=1))

    def status(**headers):
        return ask(guarded, "/gradio_api/queue/join", "POST", **headers).status

    assert [status(client="10.0.0.1", x_forwarded_for="1.1.1.1") for _ in range(2)] == [200, 429]
    assert status(client="10.0.0.1", x_forwarded_for="2.2.2.2, 10.0.0.9") == 200
    # What a visitor puts in front of what the proxy adds is not believed.
    assert status(client="10.0.0.1", x_forwarded_for="9.9.9.9, 1.1.1.1") == 429


def test_nobody_else_is_believed_who_makes_up_addresses():
    guarded = behind(["10.0.0.0/8"], proxied=True, limits=RequestLimits(requests=1))
    seen = [
        ask(guarded, "/gradio_api/queue/join", "POST", x_forwarded_for=f"1.1.1.{number}").status
        for number in range(3)
    ]
    assert seen == [200, 429, 429]


def test_a_person_at_the_machine_is_not_counted_unless_a_proxy_or_tunnel_ends_there():
    path = "/gradio_api/queue/join"
    for proxied, expected in ((False, [200] * 3), (True, [200, 429, 429])):
        guarded = behind([], proxied=proxied, limits=RequestLimits(requests=1))
        seen = [ask(guarded, path, "POST", client="127.0.0.1").status for _ in range(3)]
        assert seen == expected


def test_a_household_with_many_addresses_is_one_visitor():
    guarded = behind([], limits=RequestLimits(requests=1))
    path = "/gradio_api/queue/join"
    seen = [
        ask(guarded, path, "POST", client=client).status
        for client in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")
    ]
    assert seen == [200, 429, 200]


@pytest.mark.parametrize(
    "header",
    [
        {"x_forwarded_for": "1.1.1.1"},
        {"forwarded": "for=1.1.1.1"},
        {"x_real_ip": "1.1.1.1"},
        {"x_forwarded_proto": "https"},
    ],
)
def test_a_page_of_ones_own_answers_no_proxy(header):
    """Otherwise everybody behind it would be the operator."""
    answer = ask(ForwardedHeaders(Guard(page)), client="127.0.0.1", **header)
    assert answer.status == 421 and "--proxy" in answer.text


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "visitor"),
    [
        (["10.0.0.7/8"], "10.9.9.9", "192.0.2.1", "192.0.2.1"),  # a network named by a host in it
        (["127.0.0.1"], "::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"),
        (["127.0.0.1"], "127.0.0.1", "9.9.9.9, ::ffff:192.0.2.1", "192.0.2.1"),
        (["127.0.0.1", "10.0.0.1"], "127.0.0.1", "192.0.2.1, ::FFFF:10.0.0.1", "192.0.2.1"),
        (["127.0.0.1"], "127.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        (["127.0.0.1"], "127.0.0.1", "[2001:db8:1:2::9]:4711", "2001:db8:1:2::9"),
        (["::1"], "0:0:0:0:0:0:0:1", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_visitor_has_one_address_however_it_is_written(proxies, peer, forwarded, visitor):
    seen = {}

    async def looking(scope, receive, send):
        seen.update(scope)
        await page(scope, receive, send)

    said = {"x_forwarded_for": forwarded, "x_forwarded_proto": "https"}
    ask(behind_of(looking, proxies), client=peer, **said)
    assert (seen["client"][0], seen["scheme"], seen[FORWARDED]) == (visitor, "https", "trusted")


def behind_of(application, proxies):
    return ForwardedHeaders(Guard(application, alone=False, proxied=True), proxies)


def test_visitors_with_mapped_and_local_addresses_are_told_apart():
    guarded = Guard(page, alone=False, limits=RequestLimits(requests=1))

    def status(client: str) -> int:
        return ask(guarded, "/gradio_api/queue/join", "POST", client=client).status

    assert [status(f"::ffff:192.0.2.{last}") for last in (1, 2)] == [200, 200]
    assert status("192.0.2.1") == 429  # the same visitor
    assert [status(client) for client in ("fe80::1%eth0", "fe80::2%eth0")] == [200, 429]


def test_what_strangers_say_of_a_connection_does_not_reach_the_page():
    seen = {}

    async def looking(scope, receive, send):
        seen.update(scope)
        await page(scope, receive, send)

    said = {"x_forwarded_host": "evil.example", "x_forwarded_proto": "https"}
    ask(ForwardedHeaders(Guard(looking, alone=False), ["10.0.0.1"]), **said)
    assert not [name for name, _ in seen["headers"] if name.startswith(b"x-")]
    assert seen.get("scheme") != "https"
    ask(ForwardedHeaders(Guard(looking, alone=False), ["10.0.0.1"]), client="10.0.0.1", **said)
    assert seen["scheme"] == "https"


def test_a_log_in_works_behind_a_proxy_that_changes_the_name():
    closed = {"proxied": True, "closed": True}
    own = {"client": "10.0.0.1", "origin": "https://photos.example", "host": "app:7860"}
    forwarded = {"x_forwarded_for": "1.1.1.1"}
    guarded = behind(["10.0.0.1"], **closed)
    assert ask(guarded, "/login", "POST", **own, **forwarded).status == 200
    named = forwarded | {"x_forwarded_host": "photos.example"}
    assert ask(guarded, "/login", "POST", **own, **named).status == 200
    several = {"x_forwarded_host": "photos.example, inner.example"}
    assert ask(guarded, "/login", "POST", **own, **forwarded, **several).status == 200
    foreign = own | {"origin": "https://evil.example"}
    assert ask(guarded, "/login", "POST", **foreign, **named).status == 403
    marked = own | {"sec_fetch_site": "cross-site"}
    assert ask(guarded, "/login", "POST", **marked, **forwarded).status == 403
