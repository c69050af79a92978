"""What is posted of an alert, and what comes of a post: forms, signature, redirects, slow and rude receivers."""

import hashlib
import hmac
import json
import random
import socket
import threading
import time

import msgspec
import page_records
import pytest
from guides import ROOT, blocks
from hypothesis import given
from hypothesis import strategies as st
from observability_receiver import Receiver
from pydantic import ValidationError

from streams.config_observing import WebhookConfig
from streams.messages import ENDS, encode
from streams.observability.posting import NEVER, post, wait_s
from streams.observability.webhook_formats import Told, pagerduty, post_of, read_alert, slack, subject_lines

AT_S = 1_800_000_000
RECORD = {
    "id": "i1/started/1",
    "incident": "i1",
    "phase": "started",
    "severity": "critical",
    "title": "the loss has risen",
    "subjects": [{"subject": "feature:amount", "source": "ks_distance", "value": 0.4, "threshold": 0.1}],
    "since_ms": 1_795_202_396_417,
    "model": "champion",
    "version": 7,
    "report": None,
    "something_new": [1, 2],
}


def settings(**changed):
    return WebhookConfig(**({"url": "https://example.org/hook"} | changed))


def record(**changed):
    return json.dumps(RECORD | changed).encode()


def told(**changed):
    return read_alert(record(**changed))


# -- forms ---------------------------------------------------------------------------------------------------------


def test_our_own_form_is_the_record_itself():
    """Byte for byte, what is new in it too, under the pipeline's name."""
    body, headers = post_of(settings(), "shop", record(), AT_S)
    sent = json.loads(body)

    assert sent["alert"] == RECORD
    assert record() in body
    assert (sent["type"], sent["pipeline"], sent["id"]) == ("millrace.alert", "shop", "i1/started/1")
    assert headers == {"Content-Type": "application/json", "Idempotency-Key": "shop/i1/started/1"}


def test_the_monitor_s_own_records_are_read():
    """Whatever an alert holds by now, what we need of it is there."""
    alert = page_records.alert()

    assert read_alert(encode(alert)).id == alert.id


@pytest.mark.parametrize("form", ["json", "slack", "pagerduty"])
def test_the_signature_is_over_the_time_and_the_very_bytes(form):
    """Whoever has the secret can check both; another secret, time or body gives another."""
    chosen = settings(format=form, secret="s" * 32, routing_key="r")
    body, headers = post_of(chosen, "shop", record(), AT_S)
    expected = hmac.new(b"s" * 32, f"{AT_S}.".encode() + body, hashlib.sha256).hexdigest()

    assert headers["X-Millrace-Signature"] == f"t={AT_S},v1={expected}"
    assert "X-Millrace-Signature" not in post_of(settings(), "shop", record(), AT_S)[1]


@given(st.text(max_size=200), st.text(max_size=60))
def test_slack_shows_foreign_text_and_does_nothing_with_it(title, subject):
    """No mention, no link, no line of its own, whatever a feature is called; and never more than Slack takes."""
    message = slack("shop", told(title=title, subjects=[{"subject": subject}] * 9))
    section, context = message["blocks"][0]["text"]["text"], message["blocks"][1]["elements"][0]["text"]

    for text in (message["text"], section, context):
        assert "<" not in text
        assert ">" not in text
    assert section.count("\n") == 1 + 6
    assert section.count("*") == 2
    assert len(section) <= 3_000
    assert "\n" not in message["text"]


def test_pagerduty_opens_and_closes_one_alert_for_an_incident():
    """Every phase has one key, so a repeat opens nothing; the end resolves it."""
    started, worse, *over = (
        pagerduty("shop", told(phase=phase, severity=severity), "key")
        for phase, severity in (("started", "warning"), ("escalated", "critical"), *((end, "info") for end in ENDS))
    )

    assert [event["event_action"] for event in (started, worse)] == ["trigger", "trigger"]
    assert {event["event_action"] for event in over} == {"resolve"}
    assert {event["dedup_key"] for event in (started, worse, *over)} == {"millrace/shop/i1"}
    assert [event["payload"]["severity"] for event in (started, worse)] == ["warning", "critical"]
    assert started["payload"]["timestamp"] == "2026-11-20T19:19:56Z"
    assert started["routing_key"] == "key"


@given(st.text(max_size=3_000), st.text(min_size=1, max_size=400))
def test_pagerduty_s_bounds_are_kept(title, incident):
    """A summary of 1,024 characters, a key of 255."""
    event = pagerduty("shop", told(title=title, incident=incident), "key")

    assert len(event["payload"]["summary"]) <= 1_024
    assert len(event["dedup_key"]) <= 255


def test_two_long_incidents_have_two_keys():
    """Cut to length they would be one, and the second nobody's."""
    keys = {pagerduty("shop", told(incident="i" * 300 + end), "k")["dedup_key"] for end in "ab"}

    assert len(keys) == 2


def test_of_many_subjects_the_first_are_named_and_the_rest_counted():
    """A hundred features are no message."""
    lines = subject_lines(told(subjects=[{"subject": f"f{number}"} for number in range(9)]))

    assert lines == ["f0", "f1", "f2", "f3", "f4", "and 4 more"]
    assert subject_lines(told()) == ["feature:amount: ks_distance 0.4, threshold 0.1"]


@given(st.dictionaries(st.text(max_size=10), st.one_of(st.none(), st.text(), st.floats(), st.booleans()), max_size=5))
def test_whatever_a_subject_holds_it_can_be_told(subject):
    """The topic is open to whoever may write there: a strange record must not stop the ones behind it."""
    alert = told(since_ms=2**62, title="\x00\u2028", subjects=[msgspec.json.decode(msgspec.json.encode(subject))])

    assert encode(slack("shop", alert))
    assert encode(pagerduty("shop", alert, "k"))


def test_an_id_of_anybody_s_is_one_header():
    """A line end in it would be another header."""
    _, headers = post_of(settings(), "shop", record(id="a\r\nX-Evil: 1\u2028é"), AT_S)

    assert headers["Idempotency-Key"].isascii()
    assert headers["Idempotency-Key"].isprintable()
    assert isinstance(told(), Told)


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({}, "must set url"),
        ({"url": "ftp://example.org"}, "url must be https"),
        ({"url": "https://"}, "url must be https"),
        ({"url": "https://example.org:port/"}, "url must be https"),
        ({"url": "http://example.org/hook"}, "allow_http"),
        ({"url": "https://me:secret@example.org/"}, "no user name"),
        ({"format": "pagerduty"}, "must set routing_key"),
    ],
)
def test_an_address_that_would_leak_or_lead_nowhere_is_refused(given_, words):
    """Before anything starts; and the message does not hold the address, which may be the secret itself."""
    with pytest.raises(ValidationError) as error:
        WebhookConfig(**given_)
    text = str(error.value.errors()[0]["ctx"]["error"])

    assert words in text
    assert "secret@" not in text


@pytest.mark.parametrize(
    "given_",
    [
        {"url": "http://127.0.0.1:9/"},
        {"url": "http://localhost/"},
        {"url": "http://internal.example/", "allow_http": True},
        {"format": "pagerduty", "routing_key": "r"},
    ],
)
def test_what_is_on_this_machine_or_said_aloud_may_be_plain(given_):
    """And PagerDuty's address is known."""
    assert WebhookConfig(**given_).address.startswith("http")


# -- posts ---------------------------------------------------------------------------------------------------------


def test_what_is_taken_is_taken_once():
    """The very bytes and headers, no proxy of ours in between."""
    with Receiver(202) as receiver:
        answer = post(receiver.address + "/hook", b"{}", {"Idempotency-Key": "k", "Content-Type": "x/y"}, 5.0)
    ((path, headers, body),) = receiver.got

    assert answer.taken
    assert (path, body) == ("/hook", b"{}")
    assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("k", "x/y")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    """A receiver must not choose what we ask next: an address inside, another machine's metadata."""
    with Receiver() as inside, Receiver(status, headers={"Location": inside.address}) as receiver:
        answer = post(receiver.address, b"{}", {}, 5.0)

    assert (answer.taken, answer.again, answer.words) == (False, True, f"HTTP {status}")
    assert inside.got == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 410, 413, 422, 429, 500, 503])
def test_what_cannot_be_taken_is_not_tried_again(status):
    """A body that is wrong stays wrong; a key that is wrong may be mended while we wait."""
    with Receiver(status, headers={"Retry-After": "7"}) as receiver:
        answer = post(receiver.address, b"{}", {}, 5.0)

    assert answer == (False, status not in NEVER, f"HTTP {status}", 7.0)


def dripping(handler):
    """A status, and then headers for ever, slower than anybody waits and faster than a socket gives up."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(200):
        try:
            handler.wfile.write(b"X-%d: y\r\n" % number)
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [None, dripping], ids=["breaks off", "drips"])
def test_a_rude_receiver_costs_its_try_and_no_more(answer):
    """Connections that break, answers without an end: at most twice the timeout, and another try."""
    with Receiver(answer) as receiver:
        began = time.monotonic()
        said = post(receiver.address, b"{}", {}, 0.5)
        took = time.monotonic() - began

    assert (said.taken, said.again) == (False, True)
    assert took < 5.0
    assert "127.0.0.1" not in said.words


def test_nobody_there_is_another_try():
    """Neither the address nor a stack in the words."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    answer = post(f"http://127.0.0.1:{port}/", b"{}", {}, 2.0)

    assert (answer.taken, answer.again, answer.words) == (False, True, "ConnectionRefusedError")


def test_an_answer_s_body_is_not_read():
    """A gigabyte of it would be ours otherwise."""

    def endless(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\nhello")

    with Receiver(endless) as receiver:
        assert post(receiver.address, b"{}", {}, 2.0).taken


@given(st.integers(1, 60), st.floats(1, 3_600), st.one_of(st.none(), st.floats(0, 10**6)), st.integers(0, 2**32))
def test_waits_grow_and_stay_bounded(tried, longest_s, asked_s, seed):
    """Never above the setting, whoever asks; never at once after a failure of our own counting."""
    waits = wait_s(tried, longest_s, asked_s, random.Random(seed))

    assert 0 <= waits <= longest_s
    if asked_s is None:
        assert waits >= 0.75
        assert wait_s(tried + 3, longest_s, None, random.Random(seed)) >= waits


def test_posts_are_no_obstacle_to_an_end():
    """Threads of posts that hang are daemons: a process that stops does not wait for them."""
    with Receiver(dripping) as receiver:
        post(receiver.address, b"{}", {}, 0.2)
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "webhook-post")


def test_the_receiver_of_the_guide_knows_the_genuine_one():
    """As the page has it: another secret, another body, another time is refused."""
    (block,) = blocks(ROOT / "docs" / "observability.md", "python")[:1]
    names = {}
    exec(compile(block.text, "observability.md", "exec"), names)
    body, headers = post_of(settings(secret="s" * 32), "shop", record(), AT_S)
    header, genuine = headers["X-Millrace-Signature"], names["genuine"]

    assert genuine("s" * 32, header, body, AT_S + 299)
    assert not genuine("s" * 32, header, body, AT_S + 301)
    assert not genuine("t" * 32, header, body, AT_S)
    assert not genuine("s" * 32, header, body + b" ", AT_S)
    assert not genuine("s" * 32, header.replace(f"t={AT_S}", f"t={AT_S + 1}"), body, AT_S)
