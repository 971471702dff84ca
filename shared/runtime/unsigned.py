"""What a request gets whose person must sign in first, or once more: a page is led to the sign-in, a fragment or JSON is told."""

from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from shared.desk import render
from shared.runtime.auth import codes_only, safe_next

AGAIN = "この操作の前に、サインインし直してください。前のサインインから時間がたっています。"


def _htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def _page(request: Request) -> bool:
    return not _htmx(request) and "text/html" in request.headers.get("accept", "")


def _asked(request: Request) -> str:
    return codes_only(request.url.path, request.url.query)


def sent_from(request: Request) -> str:
    """The page whose form this was."""
    page = urlsplit(request.headers.get("referer", ""))
    return safe_next(codes_only(page.path, page.query)) if page.netloc == request.headers.get("host") else "/"


async def sign_in_needed(request: Request, error: Exception) -> Response:
    if not _page(request):
        return JSONResponse({"code": "sign_in_needed", "sentence": "サインインし直してください。入力はこの画面に残っています。"}, 401)
    target = _asked(request) if request.method == "GET" else "/"
    return RedirectResponse(f"/auth/login?next={quote(target)}", status_code=303)


async def sign_in_again(request: Request, error: Exception) -> Response:
    """A fragment's link opens a window of its own: what was typed stays, and the same button works afterwards."""
    if _htmx(request):
        return render(request, "desk/sign_in_again.html", {"sentence": AGAIN}, status=403)
    target = _asked(request) if request.method == "GET" else sent_from(request)
    link = f"/auth/login?again=1&next={quote(target)}"
    if not _page(request):
        return JSONResponse({"code": "sign_in_again", "sentence": AGAIN, "link": link}, 403)
    return RedirectResponse(link, status_code=303)
