"""The frame of a unit's web process: body limit → request id → security headers → session ticket → cross-origin check → routes.

Refusals become a page, a fragment or JSON, whichever was asked for; bugs become a 500 without a word of their text.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from uuid import UUID

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.desk import DeskFiles, is_fragment, render
from shared.messaging import Worker
from shared.runtime import audit, seal, telemetry
from shared.runtime.announce import Navigation, announce
from shared.runtime.auth import SignInAgain, SignInNeeded, staff_of
from shared.runtime.database import Database
from shared.runtime.health import prepare, watched
from shared.runtime.problems import ChangedMeanwhile, NotAllowed, NotFound, Refusal
from shared.runtime.rights import may_ask_for_glass
from shared.runtime.sessions import EndedSessions
from shared.runtime.settings import Profile, Settings
from shared.runtime.sign_in import OnSignIn, SessionMiddleware, login_session, sign_in_routes
from shared.runtime.ticket import AWAY_COOKIE, COOKIE, Ticket, cookie_header, renewed, unseal
from shared.runtime.unit import Unit
from shared.runtime.unsigned import sent_from, sign_in_again, sign_in_needed

MB = 1024 * 1024
MAX_BODY = MB
CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

CreateWorker = Callable[[Settings, Database], Worker]
Hook = Callable[[FastAPI], Awaitable[None]]


def own_origin(scope: Scope, public_url: str) -> bool:
    """Fetch metadata first, Origin where a browser is too old to send it (or the page is not served securely, then it sends none).

    A request with neither is from no browser page; it may write only if it carries no session either (a machine, like the exporter of spans).
    """
    headers: dict[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    if origin is None:
        return COOKIE not in headers.get("cookie", "")
    return origin == public_url or origin.split("://", 1)[-1] == headers.get("host")


class BodyTooLarge(Refusal):
    status = 413
    code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"送られた内容が大きすぎます。{limit // MB} MB までにしてください。")


@dataclass(frozen=True, slots=True)
class LargeDoor:
    """A route that takes more than MAX_BODY, because it says so itself (`max_body_size=`)."""

    methods: frozenset[str]
    path: re.Pattern[str]
    limit: int


def large_doors(app: FastAPI) -> list[LargeDoor]:
    routes = (one for one in iter_route_contexts(app.routes) if one.path and one.methods)
    limits = ((one, getattr(one.original_route, "max_body_size", None) or 0) for one in routes)
    return [LargeDoor(frozenset(one.methods or ()), compile_path(one.path or "")[0], limit) for one, limit in limits if limit > MAX_BODY]


def body_limit(request: Request) -> int:
    doors: Sequence[LargeDoor] = request.app.state.large_doors
    return next((one.limit for one in doors if request.method in one.methods and one.path.match(request.url.path)), MAX_BODY)


def too_large(request: Request) -> bool:
    """Said in words by what the sender declares; a body that hides its length meets FastAPI's own limit."""
    declared = request.headers.get("content-length", "0")
    return not declared.isdecimal() or int(declared[:20]) > body_limit(request)


class DeskMiddleware:
    """Everything around a request that every unit needs, as plain ASGI so that streams stay streams."""

    def __init__(self, app: ASGIApp, *, settings: Settings, owner: FastAPI) -> None:
        self.app, self.settings, self.owner = app, settings, owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        ticket = await self._ticket(request)
        request.state.ticket, request.state.away = ticket, AWAY_COOKIE in request.cookies
        works = ticket is not None and not ticket.account_ended() and not request.state.away
        request.state.staff = staff_of(ticket) if ticket and works else None
        request.state.request_id = uuid.uuid4().hex[:12]
        audit.seat.set(audit.Seat(str(ticket.sid) if ticket else None, request.client.host if request.client else None))
        fresh = renewed(ticket, self.settings) if ticket and works else None

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-Id"] = request.state.request_id
                if fresh and "set-cookie" not in headers:
                    headers.append("set-cookie", cookie_header(fresh))
            await send(message)

        await (self._turned_away(request) or self.app)(scope, receive, with_headers)

    def _turned_away(self, request: Request) -> ASGIApp | None:
        if request.method not in SAFE_METHODS and not own_origin(request.scope, self.settings.public_url):
            return JSONResponse({"code": "foreign_site", "sentence": "別のサイトからの送信は受け付けません。"}, 403)
        if too_large(request):
            return _refusal(request, BodyTooLarge(body_limit(request)))
        return None

    async def _ticket(self, request: Request) -> Ticket | None:
        ticket = unseal(request.cookies[COOKIE], self.settings) if COOKIE in request.cookies else None
        if ticket is None:
            return None
        state = self.owner.state
        for name, kept in (("navigation", state.navigation), ("ended_sessions", state.sessions)):
            try:
                await kept.refresh(state.db)
            except (SQLAlchemyError, OSError) as error:  # what was read before still holds
                telemetry.log.warning(f"{name}_not_read", kind=type(error).__name__)
        return None if state.sessions.over(ticket) else ticket


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") or request.headers.get("hx-request") == "true"


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    if isinstance(error, (NotAllowed, NotFound)):
        await _note_refusal(request)
    answer = _refusal(request, error)
    if error.status == 503:
        answer.headers["Retry-After"] = str(error.retry_after or 5)
    return answer


async def _note_refusal(request: Request) -> None:
    """Who was refused what, and about which household: an attempt is a thing to ask about, too. It never stands in the way of the answer."""
    staff, route = getattr(request.state, "staff", None), request.scope.get("route")
    if staff is None or route is None:
        return
    try:
        household = UUID(str(request.path_params.get("household_id") or ""))
    except ValueError:
        household = None
    try:
        changes = request.method not in SAFE_METHODS
        await audit.record_refusal(request.app.state.db, staff, changes=changes, page=route.path, household_id=household)
    except (SQLAlchemyError, OSError) as failed:
        telemetry.log.warning("refusal_not_recorded", kind=type(failed).__name__)


def _refusal(request: Request, error: Refusal) -> Response:
    if not _wants_page(request):
        return JSONResponse({"code": error.code, "sentence": error.sentence, "fields": error.fields}, error.status)
    context = {"title": "できませんでした", "sentence": error.sentence, "fields": error.fields}
    match error:
        case NotAllowed():
            glass = may_ask_for_glass(getattr(request.state, "staff", None))
            return render(request, "desk/not_allowed.html", context | {"who_can": error.who_can, "glass": glass}, status=403)
        case ChangedMeanwhile():
            context |= {"theirs": error.theirs, "yours": error.yours, "back": sent_from(request)}
            return render(request, "desk/conflict.html", context, status=409)
        case _:
            return _before_the_form(request, render(request, "desk/problem.html", context, status=error.status))


def _before_the_form(request: Request, answer: Response) -> Response:
    """What has to be put right (422) is said before the form: what was typed stays where it is. Any other refusal takes the place of a form
    that can no longer be sent."""
    if is_fragment(request) and answer.status_code == 422:
        answer.headers["HX-Reswap"] = "afterbegin"
    return answer


async def _unreadable(request: Request, error: Exception) -> Response:
    """FastAPI's own validation echoes the input; ours never does."""
    assert isinstance(error, RequestValidationError)
    fields = {str(item["loc"][-1]): "入力の形が正しくありません。" for item in error.errors()}
    sentence = "送られた内容を読み取れませんでした。画面を開き直して、もう一度お試しください。"
    if not _wants_page(request):
        return JSONResponse({"code": "unreadable", "sentence": sentence, "fields": fields}, 422)
    return _before_the_form(request, render(request, "desk/problem.html", {"title": "読み取れませんでした", "sentence": sentence}, status=422))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _refused(request, NotFound())
    if error.status_code == 413:
        return _refusal(request, BodyTooLarge(body_limit(request)))
    return JSONResponse({"code": f"http_{error.status_code}", "sentence": "この操作はできません。"}, error.status_code, headers=error.headers)


async def _database_away(request: Request, error: Exception) -> Response:
    telemetry.log.error("database_error", kind=type(error).__name__, cause=type(getattr(error, "orig", None)).__name__)
    sentence = "いまは保存も表示もできません。入力はこの画面に残っています。少し待って、もう一度押してください。"
    if not _wants_page(request):
        return JSONResponse({"code": "try_later", "sentence": sentence}, 503, headers={"Retry-After": "5"})
    answer = render(request, "desk/problem.html", {"title": "少しお待ちください", "sentence": sentence}, status=503)
    answer.headers["Retry-After"] = "5"
    return answer


async def _bug(request: Request, error: Exception) -> Response:
    telemetry.log.error("unexpected", kind=type(error).__name__, request_id=request.state.request_id)
    sentence = f"画面の処理で問題が起きました。続くときは番号 {request.state.request_id} をシステム担当へ伝えてください。"
    if not _wants_page(request):
        return JSONResponse({"code": "unexpected", "sentence": sentence}, 500)
    return render(request, "desk/problem.html", {"title": "問題が起きました", "sentence": sentence}, status=500)


def package_version(unit: Unit) -> str:
    try:
        return version("tsunagari-" + unit.code)
    except PackageNotFoundError:
        return "0.1.0"


def create_web(
    unit: Unit,
    settings: Settings,
    *,
    routers: Sequence[APIRouter],
    create_worker: CreateWorker | None = None,
    on_start: Sequence[Hook] = (),
    on_stop: Sequence[Hook] = (),
    mounts_sign_in: OnSignIn | None = None,
    speaks: bool = True,
    care_team: str = "false",
) -> FastAPI:
    """The app of one unit. Nothing is connected before its lifespan starts.

    `mounts_sign_in`: this unit has the routes under /auth, and keeps who signed in. `speaks=False`: announced to nobody (the console).
    `care_team`: see `rights.rights_of`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = app.state.db = Database(settings.database_url.get_secret_value(), unit.code)
        telemetry.instrument_engine(database.engine)
        app.state.worker = create_worker(settings, database) if create_worker and settings.runs_worker else None
        if speaks:
            await announce(database, unit, package_version(unit))
        if app.state.worker:
            await app.state.worker.start()
        for hook in on_start:
            await hook(app)
        sealing = asyncio.create_task(seal.keep_sealing(database, settings.anchors))
        try:
            yield
        finally:
            sealing.cancel()
            await asyncio.wait([sealing])
            for hook in on_stop:
                await hook(app)
            if app.state.worker:
                await app.state.worker.stop()
            await database.close()

    app = FastAPI(
        title=unit.title, version=package_version(unit), lifespan=watched(lifespan), docs_url=None, redoc_url=None,
        telemetry=telemetry.NOT_BY_FASTAPI,
    )  # fmt: skip
    app.state.unit, app.state.settings, app.state.navigation, app.state.sessions = unit, settings, Navigation(), EndedSessions()
    app.state.care_team = care_team
    prepare(app, unit, settings)
    if settings.runs_web:
        for router in routers:
            app.include_router(router)
        if mounts_sign_in:
            app.include_router(sign_in_routes(settings, mounts_sign_in))
            app.add_middleware(SessionMiddleware, **login_session(settings))
        app.mount("/static/desk", DeskFiles(), name="static")
    app.state.large_doors = large_doors(app)
    # Inside of ours, which says it in words: given to FastAPI as `max_body_size` it stands outside and puts "Content Too Large" in their place.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=2 * MAX_BODY)
    app.add_middleware(DeskMiddleware, settings=settings, owner=app)
    app.add_exception_handler(SignInNeeded, sign_in_needed)
    app.add_exception_handler(SignInAgain, sign_in_again)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SQLAlchemyError, _database_away)
    app.add_exception_handler(OSError, _database_away)
    app.add_exception_handler(Exception, _bug)
    if settings.profile is not Profile.TEST or settings.otlp_endpoint:
        telemetry.instrument_app(app)
    return app


__all__ = ["create_web"]
