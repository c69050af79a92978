"""The page's HTTP side: routes, the guard before them, server-sent events. It reads the view and changes nothing."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.stored_reports import PAGE_FILE, StoredReport, stored_reports
from streams.web import drift_pages, incident_page, pages
from streams.web.asked import silenced, with_acknowledgements
from streams.web.guard import COOKIE, METHODS, PAGE_HEADERS, REPORT_HEADERS, STATIC_HEADERS, Door
from streams.web.pieces import STATIC, environment, read_static, render
from streams.web.view import View

TICK_S = 0.5
"""Between two looks for something new to tell the open pages."""
BEAT_S = 10.0
"""Of silence, before a page is told that we are still there."""
LISTENERS_MAX = 64
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Site:
    """All routes over one view."""

    def __init__(self, view: View, door: Door, config_path: str = "millrace.toml") -> None:
        self.view, self.door = view, door
        self.suffix = "" if config_path == "millrace.toml" else f" -c {shlex.quote(config_path)}"
        self.static = read_static()
        self.templates = environment(self.static)
        self.listeners = 0
        self.stopping = asyncio.Event()

    def app(self) -> ASGIApp:
        """The whole application behind its guard."""
        routes = [
            Route("/", self.overview),
            Route("/incidents", self.incidents),
            Route("/incidents/{incident:path}", self.incident),
            Route("/drift", self.drift),
            Route("/drift/{subject:path}", self.feature),
            Route("/models", self.models),
            Route("/dead-letters", self.letters),
            Route("/reports/{name}", self.report),
            Route("/events", self.events),
            Route("/static/{digest}/{name}", self.file),
            Route("/favicon.ico", self.icon),
        ]
        handlers: Mapping[Any, Any] = {HTTPException: self.failed, Exception: self.broken}
        inner = Starlette(routes=routes, exception_handlers=handlers)
        inner.router.redirect_slashes = False  # an address with a slash too many is not there
        return Guard(inner, self.door)

    async def warm(self) -> None:
        """Do once what the first reader would wait for: threads to look for reports in, and every page's code."""
        await run_in_threadpool(self._report_of, "none")
        for name, context in (
            ("overview", pages.overview(self.view, _now_ms())),
            ("models", pages.models(self.view, _now_ms())),
            ("drift", drift_pages.heat_map(self.view)),
        ):
            self._page(name, context)

    # -- pages ---------------------------------------------------------------------------------------------------

    def _page(self, name: str, context: Mapping[str, Any], status: int = 200) -> Response:
        whole = {**pages.frame(self.view, _now_ms(), name), "suffix": self.suffix, **context}
        body = render(self.templates, f"{name}.html", whole)
        return Response(body, status, headers=PAGE_HEADERS, media_type="text/html")

    async def overview(self, request: Request) -> Response:
        """The first page."""
        asked = request.query_params
        return self._page("overview", pages.overview(self.view, _now_ms(), asked.get("metric"), asked.get("windows")))

    async def incidents(self, _request: Request) -> Response:
        """All incidents that are kept."""
        found = with_acknowledgements(self.view, self.view.incidents.newest_first())
        return self._page("incidents", {"incidents": found, "hurt_words": incident_page.HURT_WORDS})

    async def incident(self, request: Request) -> Response:
        """One incident and its report."""
        wanted = request.path_params["incident"]
        found = self.view.incidents.get(wanted)
        if found is None:
            raise HTTPException(404, "There is no such incident among those that are kept.")
        report = await run_in_threadpool(self._report_of, wanted)
        context = incident_page.incident(self.view, found, _now_ms(), request.query_params.get("metric"))
        return self._page("incident", {**context, "report": report})

    async def drift(self, request: Request) -> Response:
        """The heat map."""
        context = drift_pages.heat_map(self.view, request.query_params.get("windows"))
        context["silent"] = {each.told.subject for each in silenced(self.view, _now_ms())}
        context["collecting"] = self.view.status(_now_ms())["watch"]["collecting"]
        return self._page("drift", context)

    async def feature(self, request: Request) -> Response:
        """One column's history."""
        found = drift_pages.feature(self.view, request.path_params["subject"], request.query_params.get("windows"))
        if found is None:
            raise HTTPException(404, "No window that is kept has such a column.")
        return self._page("feature", found)

    async def models(self, request: Request) -> Response:
        """Champion, challengers, versions."""
        asked = request.query_params
        return self._page("models", pages.models(self.view, _now_ms(), asked.get("metric"), asked.get("windows")))

    async def letters(self, _request: Request) -> Response:
        """Dead letters."""
        return self._page("letters", pages.letters(self.view, _now_ms()))

    async def failed(self, request: Request, error: Exception) -> Response:
        """What was asked for is not there."""
        assert isinstance(error, HTTPException)
        del request
        return self._page("failed", {"status": error.status_code, "detail": error.detail}, error.status_code)

    async def broken(self, request: Request, error: Exception) -> Response:
        """An error of our own: said plainly, its text is in the log."""
        del request, error
        return PlainTextResponse(
            "This page could not be drawn; the dashboard's log says why.\n", 500, headers=dict(PAGE_HEADERS)
        )

    # -- files ---------------------------------------------------------------------------------------------------

    def _report_of(self, name: str) -> StoredReport | None:
        if not _NAME.fullmatch(name):
            return None
        folder = self.view.config.path(self.view.config.reports.folder)
        return next((each for each in stored_reports(folder) if each.name == name), None)

    async def report(self, request: Request) -> Response:
        """An Evidently page, in a sandbox even when it is opened alone."""
        place = await run_in_threadpool(self._report_file, request.path_params["name"])
        if place is None:
            raise HTTPException(404, "There is no such report.")
        return FileResponse(place, headers=REPORT_HEADERS, media_type="text/html")

    def _report_file(self, name: str) -> Path | None:
        """Only a page directly in a folder of the reports' folder; no link leads out of it."""
        if not _NAME.fullmatch(name):
            return None
        folder = self.view.config.path(self.view.config.reports.folder).resolve()
        place = (folder / name / PAGE_FILE).resolve()
        return place if place.is_file() and place == folder / name / PAGE_FILE else None

    async def file(self, request: Request) -> Response:
        """Style and script: the address changes with them, so they are kept for ever."""
        name = request.path_params["name"]
        if name not in STATIC or request.path_params["digest"] != self.static.digest:
            raise HTTPException(404, "There is no such file.")
        return Response(self.static.content[name], headers=STATIC_HEADERS, media_type=STATIC[name])

    async def icon(self, _request: Request) -> Response:
        """For browsers that do not read the page's own link."""
        return Response(self.static.content["icon.svg"], headers=PAGE_HEADERS, media_type=STATIC["icon.svg"])

    # -- live ----------------------------------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        """Says that something is new; the page then asks for itself again."""
        if self.listeners >= LISTENERS_MAX:
            raise HTTPException(503, f"{LISTENERS_MAX} pages are open already.")
        headers = {**PAGE_HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(self._told(request), headers=headers, media_type="text/event-stream")

    async def _told(self, request: Request) -> AsyncIterator[str]:
        self.listeners += 1
        try:
            told: tuple[int, int | None] | None = None
            quiet_s = 0.0
            yield "retry: 1000\n\n"
            while not self.stopping.is_set() and not await request.is_disconnected():
                now = (self.view.revision, self.view.stale_since(_now_ms()))
                if now != told:
                    told, quiet_s = now, 0.0
                    yield f"event: new\ndata: {now[0]}\n\n"
                elif quiet_s >= BEAT_S:
                    quiet_s = 0.0
                    yield "event: beat\ndata: 0\n\n"
                quiet_s += TICK_S
                await asyncio.sleep(TICK_S)
        finally:
            self.listeners -= 1


class Guard:
    """Before every route: method, Host, token."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in METHODS:
            return _refuse(405, "This page only shows: GET and HEAD.\n", {"Allow": ", ".join(METHODS)})
        if not self.door.knows(headers.get("host", "")):
            return _refuse(
                421, "This page does not go by that name. Whoever started it can name it: --allow-host NAME.\n"
            )
        if self.door.token is None:
            return None
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if any(name == "token" for name, _ in asked):
            return self._exchange(scope, asked)
        if self.door.lets_in(headers.get("authorization", ""), headers.get("cookie", "")):
            return None
        return _refuse(
            401,
            "This page needs its token: open it once with ?token=…, or send Authorization: Bearer ….\n",
            {"WWW-Authenticate": 'Bearer realm="millrace dashboard"'},
        )

    def _exchange(self, scope: Scope, asked: list[tuple[str, str]]) -> Response:
        """A token in the address becomes a cookie, and leaves the address."""
        said = [value for name, value in asked if name == "token"]
        if not self.door.right_token(said[-1]):
            return _refuse(401, "That is not the token.\n")
        rest = urlencode([(name, value) for name, value in asked if name != "token"])
        path = "/" + scope["path"].lstrip("/")  # `//elsewhere` would be another host
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303, headers=dict(PAGE_HEADERS))
        answer.set_cookie(COOKIE, self.door.cookie, httponly=True, samesite="lax", path="/")
        return answer


def _refuse(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, headers={**PAGE_HEADERS, **(headers or {})})


def _now_ms() -> int:
    return int(time.time() * 1000)
