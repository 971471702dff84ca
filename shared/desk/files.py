"""The desk's own files under /static/desk: addresses that change with the content, so that a browser may keep them for a year."""

import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
PREFIX = "/static/desk/"


@lru_cache(maxsize=256)
def _mark(path: Path, changed_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """`desk.css` → `/static/desk/desk.css?v=…`. A file that is not there keeps its plain address (and answers 404)."""
    path = STATIC / name
    try:
        return f"{PREFIX}{name}?v={_mark(path, path.stat().st_mtime_ns)}"
    except OSError:
        return PREFIX + name


class DeskFiles(StaticFiles):
    """Static files with a year of caching for marked addresses and revalidation for the plain ones."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        marked = scope.get("query_string", b"").startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if marked else "no-cache"
        return response
