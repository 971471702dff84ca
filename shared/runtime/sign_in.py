"""Sign-in routes under /auth: OpenID Connect, code flow with PKCE, by Authlib. One unit mounts them (intake by default)."""

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from httpx2 import AsyncClient, HTTPError
from joserfc.errors import JoseError
from sqlalchemy.exc import SQLAlchemyError
from starlette.middleware.sessions import SessionMiddleware

from shared.desk import render
from shared.runtime import audit
from shared.runtime.auth import AccountEnded, safe_next, staff_of
from shared.runtime.claims import ClaimsUnreadable, ticket_from
from shared.runtime.database import Database
from shared.runtime.sessions import end_sessions
from shared.runtime.settings import Profile, Settings
from shared.runtime.telemetry import log
from shared.runtime.ticket import AWAY_COOKIE, SKEW, Ticket, away_header, cookie_header, seal

#: called with every ticket before it is handed out; what it raises of the database refuses the sign-in
OnSignIn = Callable[[Request, Ticket], Awaitable[None]]

#: seconds: how long ago the person may have proved who they are when asked for it again
MAX_AGE = 300
#: seconds by which the issuer's clock may differ from ours
LEEWAY = 120
AWAY = "職員認証につながりません。少し待って、もう一度お試しください。続くときはシステム担当へ連絡してください。"
NO_LOCK = "職員認証につながらないので、画面をロックできません（いまロックすると戻れません）。端末のロックを使ってください。"
REFUSED = "サインインを確かめられませんでした。もう一度はじめからサインインしてください。"
NOT_KEPT = "サインインを記録できませんでした。少し待って、もう一度お試しください。続くときはシステム担当へ連絡してください。"


def _metadata(settings: Settings) -> str:
    return settings.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration"


def _client(settings: Settings) -> Any:
    oauth = OAuth()
    oauth.register(
        "desk",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value(),
        server_metadata_url=_metadata(settings),
        client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"},
    )
    return oauth.desk


async def _claims(client: Any, request: Request) -> dict[str, Any]:
    """The claims of the checked id token, with those of the userinfo when the token carries no roles. Raises OAuthError, JoseError, HTTPError."""
    token = await client.authorize_access_token(request, leeway=LEEWAY)
    claims = dict(token.get("userinfo") or {})
    if "sub" not in claims:
        raise ClaimsUnreadable("id_token")
    if "roles" not in claims:
        more = dict(await client.userinfo(token=token))
        if more.get("sub") != claims["sub"]:  # OpenID Connect Core 5.3.2: otherwise it is somebody else's
            raise ClaimsUnreadable("sub")
        claims = more | claims
    return claims


def _proved_again(claims: dict[str, Any], ticket: Ticket, settings: Settings) -> None:
    """An issuer that was asked for max_age must say when it asked the person; ours on one machine always asks."""
    silent = "auth_time" not in claims and settings.profile is Profile.PRODUCTION
    if silent or time.time() - ticket.auth_time > MAX_AGE + SKEW:
        raise ClaimsUnreadable("auth_time")


async def _reachable(settings: Settings) -> bool:
    try:
        async with AsyncClient(timeout=2) as http:
            return (await http.get(_metadata(settings))).is_success
    except (HTTPError, OSError):
        return False


def _answer(request: Request, sentence: str, status: int) -> HTMLResponse:
    return render(request, "desk/problem.html", {"title": "サインインできません", "sentence": sentence, "retry": "/auth/login"}, status=status)


async def _signed(request: Request, client: Any, settings: Settings) -> Ticket:
    """A new session; the same person who proves again who they are goes on with the old one."""
    claims = await _claims(client, request)
    ticket = ticket_from(claims, sid=uuid4(), now=time.time())
    if request.session.pop("again", False):
        _proved_again(claims, ticket, settings)
    before: Ticket | None = request.state.ticket
    return ticket.model_copy(update={"sid": before.sid}) if before and before.sub == ticket.sub else ticket


async def _sign_out(request: Request, ticket: Ticket) -> bool:
    """Whether the other units will hear of it. Not by the route's transaction: nobody is told to wait with signing out."""
    database: Database = request.app.state.db
    try:
        async with database.transaction() as tx:
            await end_sessions(tx, ticket.sub, ticket.sid)
            await audit.record(tx, staff_of(ticket), "sign_out", "session", ticket.sid)
    except (SQLAlchemyError, OSError) as error:
        log.warning("sign_out_not_said", kind=type(error).__name__)
        return False
    request.app.state.sessions.look_again()
    return True


def sign_in_routes(settings: Settings, on_sign_in: OnSignIn) -> APIRouter:
    router = APIRouter(prefix="/auth", include_in_schema=False)
    client = _client(settings)

    @router.get("/login", response_model=None)
    async def login(request: Request, next: str = "/", again: bool = False) -> Response:
        """`again`: the issuer asks the person anew, whatever session it still has. So it does when somebody left this browser: the issuer's own
        session would let in whoever sits down next, under the name of whoever left."""
        again = again or AWAY_COOKIE in request.cookies
        request.session.update(next=safe_next(next), again=again)
        more = {"prompt": "login", "max_age": MAX_AGE} if again else {}
        try:
            response: Response = await client.authorize_redirect(request, settings.public_url + "/auth/callback", **more)
        except (HTTPError, OAuthError, ValueError, KeyError) as error:
            log.warning("sign_in_issuer_unreachable", kind=type(error).__name__)
            return _answer(request, AWAY, 503)
        return response

    @router.get("/callback", response_model=None)
    async def callback(request: Request) -> Response:
        try:
            ticket = await _signed(request, client, settings)
        except HTTPError as error:
            log.warning("sign_in_issuer_unreachable", kind=type(error).__name__)
            return _answer(request, AWAY, 503)
        except (OAuthError, JoseError, KeyError, ValueError, TypeError, RuntimeError) as error:
            log.warning("sign_in_refused", kind=type(error).__name__, claim=getattr(error, "claim", None))
            return _answer(request, REFUSED, 400)
        if ticket.valid_to and ticket.account_ended():
            raise AccountEnded(ticket.valid_to)
        try:
            await on_sign_in(request, ticket)
        except (SQLAlchemyError, OSError) as error:
            log.error("sign_in_not_recorded", kind=type(error).__name__)
            return _answer(request, NOT_KEPT, 503)
        response = RedirectResponse(safe_next(request.session.pop("next", "/")), status_code=303)
        response.headers.append("set-cookie", cookie_header(seal(ticket, settings)))
        response.headers.append("set-cookie", away_header(False))
        return response

    @router.get("/back", response_model=None)
    async def back(request: Request) -> Response:
        """Where a window ends that was opened to sign in again beside a form."""
        return render(request, "desk/signed_back.html", {})

    @router.post("/lock", response_model=None)
    async def lock(request: Request) -> Response:
        """席を外す。サインインは続くが、だれが座っているかを確かめ直すまで、どの窓口も何も見せない。"""
        if not await _reachable(settings):  # whoever is locked out by an outage cannot work on
            return _answer(request, NO_LOCK, 503)
        request.state.staff = None
        response = render(request, "desk/locked.html", {})
        response.headers.append("set-cookie", away_header(True))
        return response

    @router.post("/logout", response_model=None)
    async def logout(request: Request) -> Response:
        ticket: Ticket | None = request.state.ticket
        told = await _sign_out(request, ticket) if ticket else True
        request.session.clear()
        request.state.staff = None
        response = render(request, "desk/signed_out.html", {"told": told})
        response.headers.append("set-cookie", cookie_header("", max_age=0))
        response.headers.append("set-cookie", away_header(True))
        return response

    return router


def login_session(settings: Settings) -> dict[str, Any]:
    """Arguments of SessionMiddleware: it only carries the state of a sign-in under way, under a key of its own."""
    secure = settings.profile is Profile.PRODUCTION
    key = hmac.new(settings.sealing_keys()[0], b"desk_login", hashlib.sha256).hexdigest()
    return {"secret_key": key, "session_cookie": "desk_login", "path": "/auth", "max_age": 600, "https_only": secure, "same_site": "lax"}


__all__ = ["OnSignIn", "SessionMiddleware", "login_session", "sign_in_routes"]
