"""Who may look and from where: Host, token, methods, files, and the headers of every answer."""

from __future__ import annotations

import pytest
from page_records import ask, config_of

from streams.errors import ConfigError
from streams.web.guard import COOKIE, PAGE_POLICY, REPORT_POLICY, Door
from streams.web.server import Site
from streams.web.view import View

TOKEN = "correct-horse-battery-staple"
ROUTES = (
    "/",
    "/incidents",
    "/incidents/x",
    "/drift",
    "/models",
    "/dead-letters",
    "/reports/x",
    "/events",
    "/nope",
    "/static/x/millrace.js",
)


@pytest.fixture
def view(tmp_path):
    return View(config_of(tmp_path))


@pytest.fixture
def app(view):
    return Site(view, Door()).app()


@pytest.fixture
def locked(view):
    return Site(view, Door(host="0.0.0.0", token=TOKEN, names=("dash.example",))).app()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"])
@pytest.mark.parametrize("path", ROUTES)
def test_no_route_takes_anything_but_get_and_head(app, path, method):
    """There is nothing to change here."""
    said = ask(app, path, method=method)

    assert (said.status, said.headers["allow"]) == (405, "GET, HEAD")


def test_head_is_get_without_a_body(app):
    """For whoever only asks whether it is there."""
    said = ask(app, "/", method="HEAD")

    assert said.status == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8321", "localhost:8321", "LOCALHOST", "[::1]:8321", "10.0.0.7:8321"]
)
def test_an_address_and_localhost_are_our_names(app, host):
    """DNS rebinding needs a name: an address cannot be pointed elsewhere."""
    assert ask(app, headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "a:b:c",
        "[::1",
        "[::1]x",
    ],
)
@pytest.mark.parametrize("path", ["/", "/events", "/reports/x", "/static/x/millrace.js"])
def test_a_foreign_name_gets_nothing(app, host, path):
    """Also no file and no event: a page of evil.example that points its name here reads nothing."""
    said = ask(app, path, headers={"host": host})

    assert said.status == 421
    assert "shop" not in said.text


def test_a_name_that_was_told_is_ours(locked):
    """`--allow-host dash.example`."""
    bearer = {"authorization": f"Bearer {TOKEN}"}

    assert ask(locked, headers={"host": "Dash.example:80"} | bearer).status == 200
    assert ask(locked, headers={"host": "other.example"} | bearer).status == 421


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong-wrong-wrong-wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"authorization": TOKEN},
        {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": f"{COOKIE}="},
        {"cookie": "\u00e4=\x01;;=; millrace_dashboard"},
    ],
)
def test_without_the_token_there_is_nothing(locked, path, headers):
    """The cookie is not the token, so that neither alone is the other."""
    said = ask(locked, path, headers={name: value.encode().decode("latin-1") for name, value in headers.items()})

    assert said.status == 401
    assert "shop" not in said.text
    assert "set-cookie" not in said.headers


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(locked):
    """So that it stands in no history, no log and no Referer."""
    said = ask(locked, "/drift", query=f"windows=100&token={TOKEN}")

    assert (said.status, said.headers["location"]) == (303, "/drift?windows=100")
    cookie = said.headers["set-cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert ask(locked, "/", headers={"cookie": cookie.split(";")[0]}).status == 200
    assert ask(locked, "/", headers={"authorization": f"bearer {TOKEN}"}).status == 200


@pytest.mark.parametrize(
    "query", ["token=", "token=wrong-wrong-wrong-wrong", f"token={TOKEN}&token=x", f"token={TOKEN}x"]
)
def test_a_wrong_token_makes_no_cookie(locked, query):
    """Nor does the right one followed by a wrong one."""
    said = ask(locked, query=query)

    assert said.status == 401
    assert "set-cookie" not in said.headers


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example"])
def test_the_redirect_stays_here(locked, path):
    """A link with a token in it leads nowhere else."""
    location = ask(locked, path, query=f"token={TOKEN}").headers["location"]

    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_a_door_without_a_token_is_open_only_on_this_machine():
    """Elsewhere it takes a token, or saying that everybody may look."""
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        Door(host=host)
    for host in ("0.0.0.0", "10.0.0.7", "::", "dash.example", ""):
        with pytest.raises(ConfigError, match=r"--host must be 127\.0\.0\.1 unless there is a token"):
            Door(host=host)
        Door(host=host, token=TOKEN)
        Door(host=host, open_to_all=True)
    with pytest.raises(ConfigError, match="--token must be at least 16 characters, got 5"):
        Door(token="short")
    with pytest.raises(ConfigError, match="--token must be printable ASCII"):
        Door(token="pässwörter-pässwörter")
    with pytest.raises(ConfigError, match="--no-token must be alone"):
        Door(token=TOKEN, open_to_all=True)


@pytest.mark.parametrize("path", [p for p in ROUTES if p != "/events"])
def test_every_answer_has_the_policy(app, path):
    """Pages, errors and what is not there alike: no inline script, no frame round us, nothing kept."""
    said = ask(app, path)

    assert said.headers["content-security-policy"] == PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert said.headers["x-content-type-options"] == "nosniff"
    assert said.headers["x-frame-options"] == "DENY"
    assert said.headers["cache-control"] == "no-store"
    assert said.headers["referrer-policy"] == "no-referrer"


def test_an_error_of_our_own_has_the_policy_and_tells_nothing(view):
    """What went wrong stands in the log, not on the page."""
    site = Site(view, Door())
    view.history = None
    said = ask(site.app(), "/")

    assert said.status == 500
    assert said.headers["content-security-policy"] == PAGE_POLICY
    assert "NoneType" not in said.text
    assert isinstance(said.error, AttributeError)


@pytest.fixture
def reports(tmp_path):
    """A report, and what must not be read: beside it, above it, behind a link."""
    folder = tmp_path / "reports"
    for name in ("i1", "i1/deeper"):
        (folder / name).mkdir(parents=True)
        (folder / name / "report.html").write_text(f"report {name}")
    (tmp_path / "report.html").write_text("SECRET")
    (folder / "report.html").write_text("SECRET")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "report.html").write_text("SECRET")
    (folder / "link").symlink_to(outside)
    (folder / "file").mkdir()
    (folder / "file" / "report.html").symlink_to(outside / "report.html")
    return folder


@pytest.mark.usefixtures("reports")
def test_a_report_is_served_in_a_sandbox_of_its_own(app):
    """Also when it is opened alone: no origin, so no cookie and no page of ours; and no connection."""
    said = ask(app, "/reports/i1")

    assert (said.status, said.text) == (200, "report i1")
    assert said.headers["content-security-policy"] == REPORT_POLICY
    assert REPORT_POLICY.startswith("sandbox allow-scripts;")
    assert "connect-src 'none'" in REPORT_POLICY
    assert "allow-same-origin" not in REPORT_POLICY
    assert said.headers["x-frame-options"] == "SAMEORIGIN"
    assert said.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "",
        "link",
        "file",
        "../outside",
        "..%2foutside",
        "i1/../../outside",
        "i1/deeper",
        "/etc",
        "i1\x00",
        "i1\n",
        "%2e%2e",
        "....//",
        "..\\outside",
        "i2",
        "i1/",
        "report.html",
    ],
)
@pytest.mark.usefixtures("reports")
def test_nothing_but_reports_can_be_read(app, name):
    """Neither by dots nor by links nor by encodings."""
    said = ask(app, f"/reports/{name}")

    assert said.status == 404
    assert "SECRET" not in said.text
    assert "report i1/deeper" not in said.text


@pytest.mark.parametrize(
    "name", ["../pieces.py", "..", "", "millrace.css/../../pieces.py", "millrace.py", "%2e%2e/view.py"]
)
def test_nothing_but_the_three_files_is_static(view, name):
    """A list, not a folder."""
    site = Site(view, Door())

    assert ask(site.app(), f"/static/{site.static.digest}/{name}").status == 404


def test_files_are_kept_for_ever_under_an_address_that_changes_with_them(view):
    """An old address is gone rather than wrong."""
    site = Site(view, Door())
    said = ask(site.app(), f"/static/{site.static.digest}/millrace.js")

    assert said.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert said.headers["content-type"].startswith("text/javascript")
    assert ask(site.app(), "/static/0000000000000000/millrace.js").status == 404
