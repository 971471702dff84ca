"""Sign-in routes under /auth: OpenID Connect, code flow with PKCE, by Authlib. One unit mounts them (intake by default)."""

import secrets
import time
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from httpx2 import HTTPError
from starlette.middleware.sessions import SessionMiddleware

from shared.desk import render
from shared.runtime.auth import Ticket, cookie_header, safe_next, seal
from shared.runtime.settings import Profile, Settings
from shared.runtime.telemetry import log


def _client(settings: Settings) -> Any:
    oauth = OAuth()
    oauth.register(
        "desk",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value(),
        server_metadata_url=settings.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"},
    )
    return oauth.desk


def _ticket(claims: dict[str, Any]) -> Ticket:
    now = int(time.time())
    return Ticket(
        sub=str(claims["sub"]),
        name=str(claims.get("name") or claims["sub"]),
        roles=tuple(claims.get("roles") or ()),
        domains=tuple(claims.get("domains") or ()),
        team=str(claims.get("team") or ""),
        sid=secrets.token_urlsafe(12),
        auth_time=now,
        idle=now,
    )


def sign_in_routes(settings: Settings) -> APIRouter:
    router = APIRouter(prefix="/auth", include_in_schema=False)
    client = _client(settings)

    def unavailable(request: Request, sentence: str) -> HTMLResponse:
        return render(request, "desk/problem.html", {"title": "サインインできません", "sentence": sentence, "retry": "/auth/login"}, status=503)

    @router.get("/login", response_model=None)
    async def login(request: Request, next: str = "/") -> Response:
        request.session["next"] = safe_next(next)
        try:
            response: Response = await client.authorize_redirect(request, settings.public_url + "/auth/callback")
        except (HTTPError, OAuthError) as error:
            log.warning("sign_in_issuer_unreachable", kind=type(error).__name__)
            return unavailable(request, "職員認証につながりません。少し待って、もう一度お試しください。続くときはシステム担当へ連絡してください。")
        return response

    @router.get("/callback", response_model=None)
    async def callback(request: Request) -> Response:
        try:
            token = await client.authorize_access_token(request)
            claims = dict(token.get("userinfo") or {})
            if "roles" not in claims:
                claims |= dict(await client.userinfo(token=token))
            ticket = _ticket(claims)
        except (HTTPError, OAuthError, KeyError, ValueError) as error:
            log.warning("sign_in_refused", kind=type(error).__name__)
            return unavailable(request, "サインインを確かめられませんでした。もう一度はじめからサインインしてください。")
        response = RedirectResponse(safe_next(request.session.pop("next", "/")), status_code=303)
        response.headers.append("set-cookie", cookie_header(seal(ticket, settings)))
        return response

    @router.post("/logout", response_model=None)
    async def logout(request: Request) -> Response:
        request.session.clear()
        response = render(request, "desk/signed_out.html", {})
        response.headers.append("set-cookie", cookie_header("", max_age=0))
        return response

    return router


def login_session(settings: Settings) -> dict[str, Any]:
    """Arguments of SessionMiddleware: it only carries the state of a sign-in under way."""
    secure = settings.profile is Profile.PRODUCTION
    cookie = {"session_cookie": "desk_login", "path": "/auth", "max_age": 600, "https_only": secure, "same_site": "lax"}
    return {"secret_key": settings.sealing_keys()[0], **cookie}


__all__ = ["SessionMiddleware", "login_session", "sign_in_routes"]
