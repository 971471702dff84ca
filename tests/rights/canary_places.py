"""Everywhere something could have been written down, as the pieces that a scan looks at."""

import base64
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import structlog
from httpx2 import Response
from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry.sdk.trace import ReadableSpan

from shared.runtime.logs import configure_logging
from tests.rights.canary_clues import Piece

# ── 便り


async def streams(client: Client) -> list[Piece]:
    """Subject, headers and payload of every message of every stream, as the broker gives them back."""
    pieces = []
    for stream in (await _api(client, "STREAM.NAMES"))["streams"] or []:
        state = (await _api(client, f"STREAM.INFO.{stream}"))["state"]
        for seq in range(state["first_seq"], state["last_seq"] + 1):
            found = (await _api(client, f"STREAM.MSG.GET.{stream}", {"seq": seq})).get("message")
            if found:
                parts = (found["subject"].encode(), *(base64.b64decode(found.get(part, "")) for part in ("hdrs", "data")))
                pieces.append(Piece("event", f"{stream}/{seq}", b"\n".join(parts)))
    return pieces


async def _api(client: Client, what: str, body: Any = None) -> dict[str, Any]:
    reply = await client.request(f"$JS.API.{what}", orjson.dumps(body) if body else b"", timeout=5)
    answer: dict[str, Any] = orjson.loads(reply.data)
    return answer


def stream_files(home: Path) -> list[Piece]:
    """The broker's disk as it lies there: blocks, indexes, the state of consumers."""
    return [Piece("stream file", str(path.relative_to(home)), path.read_bytes()) for path in sorted(home.rglob("*")) if path.is_file()]


@dataclass
class Tap:
    """Hears whatever goes over the broker. Of the replies to questions (`_INBOX`) only that to `disclose` may hold a person."""

    pieces: list[Piece] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    disclosing: set[str] = field(default_factory=set)

    async def hear(self, message: Msg) -> None:
        if message.subject.startswith("svc.intake.disclose."):
            self.disclosing.add(message.reply)
        if message.subject in self.disclosing:
            self.replies.append(message.data)
            return
        headers = repr(message.headers).encode()
        self.pieces.append(Piece("wire", message.subject, b"\n".join((message.subject.encode(), headers, message.data))))


# ── 表


@dataclass(frozen=True)
class Tables:
    """Every table of a unit's database, seen with a superuser's eyes: no row security hides anything from the scan."""

    unit: str
    dsn: str

    async def pieces(self) -> list[Piece]:
        connection = await asyncpg.connect(self.dsn)
        try:
            names = [row["oid"] for row in await connection.fetch(_TABLES)]
            return [piece for name in names for piece in self._cells(name, await connection.fetch(f"select * from {name}"))]
        finally:
            await connection.close()

    def _cells(self, table: str, rows: Iterable[Any]) -> Iterator[Piece]:
        for row in rows:
            for column, value in row.items():
                if value is not None:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    yield Piece("table", f"{self.unit}.{table.removeprefix('public.')}.{column}", data)


#: a partitioned table as a whole, not once more by its partitions
_TABLES = """
select format('%I.%I', nspname, relname) as oid from pg_class join pg_namespace n on n.oid = relnamespace
where relkind in ('r', 'p') and not relispartition and nspname not in ('pg_catalog', 'information_schema')
"""

# ── 記録


@dataclass(eq=False)
class Listening:
    """Log lines as they leave the process, all levels; and what our own code handed to the log, before anything was withheld."""

    lines: list[str] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)

    def pieces(self) -> list[Piece]:
        lines = [Piece("log", line[:80], line.encode()) for line in self.lines]
        return lines + [Piece("handed to the log", line[:80], line.encode()) for line in self.handed]

    def write(self, text: str) -> int:
        self.lines.append(text)
        return len(text)

    def flush(self) -> None: ...

    def note(self, _logger: Any, _level: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        self.handed.append(repr(dict(event)))
        return event


class _Handed(logging.Handler):
    def __init__(self, listening: Listening) -> None:
        super().__init__()
        self.listening = listening

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in ("shared", "services", "deploy", "tsunagari"):
            self.listening.handed.append(f"{record.getMessage()} {record.exc_info!r}")


@contextmanager
def listening() -> Iterator[Listening]:
    """The units' own logging (`configure_logging`), opened to DEBUG and turned to memory."""
    heard, root = Listening(), logging.getLogger()
    before, level, levels = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in _LOUD}
    for handler in before:  # pytest's: it would keep and format every line once more
        handler.setLevel(logging.CRITICAL)
    configure_logging("canary")
    processors = [heard.note, *structlog.get_config()["processors"]]
    factory = structlog.WriteLoggerFactory(heard)  # type: ignore[arg-type]
    structlog.configure(processors=processors, logger_factory=factory, wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    root.addHandler(_Handed(heard))
    root.setLevel(logging.DEBUG)
    for name, wanted in _LOUD.items():
        logging.getLogger(name).setLevel(wanted)
    try:
        yield heard
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before
        for handler in before:
            handler.setLevel(logging.NOTSET)
        root.setLevel(level)
        for name, was in levels.items():
            logging.getLogger(name).setLevel(was)
        structlog.reset_defaults()


#: what production turns down is turned up here: statements, addresses, parsed forms
_LOUD = {name: logging.DEBUG for name in ("httpx2", "uvicorn.access", "uvicorn.error", "python_multipart", "nats", "asyncio", "tsunagari")}
_LOUD["sqlalchemy.engine"] = logging.INFO  # every statement; its rows, at DEBUG, are arguments of "Row %r", and arguments are never filled in

# ── 足あと


def spans(finished: Iterable[ReadableSpan], wire: bytes) -> list[Piece]:
    """Every span as it left, in words and as it goes to a collector."""
    pieces = [Piece("span", span.name, span.to_json(indent=None).encode()) for span in finished]
    return [*pieces, Piece("span", "otlp", wire)]


# ── 画面


@dataclass(frozen=True)
class Seen:
    """One answer of a unit. `typed`: the address held what somebody typed by hand, and the page may say it back. `own`: so may a form."""

    unit: str
    response: Response
    typed: bool
    own: bool

    @property
    def where(self) -> str:
        request = self.response.request
        return f"{request.method} {self.unit} {request.url.path} → {self.response.status_code}"


#: may show the person to whoever has the right; every other unit's pages are scanned as a whole
SHOWING = frozenset({"intake", "cases-elderly", "cases-poverty", "cases-center", "outreach"})
_ADDRESS = re.compile(r"""\b(?:href|src|action|formaction|hx-(?:get|post|put|delete|patch|push-url|replace-url|vals))\s*=\s*("[^"]*"|'[^']*')""")
_GET_FORM = re.compile(r"<form(?![^>]*method=.?post)(?![^>]*hx-post)[^>]*>.*?</form>", re.S | re.I)


def _addresses(page: str) -> Iterator[str]:
    """What a browser would ask a server for next. A number to ring (`tel:`) is asked of nobody."""
    found = (unescape(quoted)[1:-1] for quoted in _ADDRESS.findall(page))
    return (address for address in found if not address.startswith("tel:"))


def answers(seen: Iterable[Seen]) -> Iterator[Piece]:
    for one in seen:
        response, request = one.response, one.response.request
        if not one.typed:
            yield Piece("url", one.where, str(request.url).encode())
            yield Piece("answer header", one.where, "\n".join(f"{name}: {value}" for name, value in response.headers.multi_items()).encode())
            yield from (Piece("url", f"on {one.where}", address.encode()) for address in _addresses(response.text))
            yield from (Piece("url", f"form on {one.where}", unescape(found).encode()) for found in _GET_FORM.findall(response.text))
        if one.typed and "text/html" in response.headers.get("content-type", ""):
            continue
        if one.unit not in SHOWING or not (one.own or response.status_code < 300):
            yield Piece("answer", one.where, unescape(response.text).encode())


def metrics(unit: str, text: str) -> Piece:
    return Piece("metric", unit, text.encode())
