"""Log lines that name no person: JSON on stdout with the trace they belong to, ids and counts, exceptions by type and place."""

import logging
import re
import sys
import traceback
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from opentelemetry import trace

from shared.runtime.unit import TREE

WITHHELD = "(withheld)"

log: structlog.stdlib.BoundLogger = structlog.get_logger("tsunagari")

_WARNING_AT = re.compile(r"^(.+?:\d+: \w+): ")


def harmless(value: Any) -> Any:
    """What a log line may show of a value: numbers, ids, times, ASCII words. Japanese text could be a name; an exception's text, a row."""
    match value:
        case None | bool() | int() | float():
            return value
        case UUID() | date():
            return str(value)
        case str():
            return value[:200] if value.isascii() else WITHHELD
        case BaseException():
            return type(value).__name__
        case dict():
            return {str(harmless(key)): harmless(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [harmless(inner) for inner in value]
    return type(value).__name__


def _one(error: BaseException) -> dict[str, Any]:
    facts = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    for name in ("sqlstate", "constraint_name"):  # asyncpg: what broke, in words of the schema
        if isinstance(word := getattr(error, name, None), str) and word.isascii():
            facts[name] = word
    return facts


def _place(frame: traceback.FrameSummary) -> str:
    path = frame.filename.removeprefix(f"{TREE}/")
    return f"{path.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"


def without_message(error: BaseException) -> dict[str, Any]:
    """An exception by types and places. Messages are left out: PostgreSQL's DETAIL holds row values, pydantic's holds what was typed."""
    chain: list[dict[str, Any]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(chain) < 8:
        seen.add(id(current))
        chain.append(_one(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    members = [_one(inner) for inner in error.exceptions[:8]] if isinstance(error, BaseExceptionGroup) else []
    frames = traceback.extract_tb(error.__traceback__)
    places = [_place(frame) for frame in frames[:-2] if "site-packages" not in frame.filename][-10:] + [_place(frame) for frame in frames[-2:]]
    return {"chain": chain, "at": places, **({"members": members} if members else {})}


def _exception_of(info: Any) -> BaseException | None:
    if isinstance(info, tuple):
        info = info[1]
    elif info and not isinstance(info, BaseException):
        info = sys.exc_info()[1]
    return info if isinstance(info, BaseException) else None


def _line(service: str, domain: str | None) -> structlog.types.Processor:
    def process(_logger: Any, level: str, event: structlog.types.EventDict) -> str:
        error = _exception_of(event.pop("exc_info", None))
        context = trace.get_current_span().get_span_context()
        line = {"at": datetime.now(UTC).isoformat(), "level": level, "service": service, "domain": domain, "event": harmless(event.pop("event", ""))}
        if context.is_valid:
            line |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        line |= {key: harmless(value) for key, value in event.items()}
        if error is not None:
            line["error"] = without_message(error)
        return orjson.dumps({key: value for key, value in line.items() if value is not None}).decode()

    return process


class _Standard(logging.Handler):
    """Lines of the standard library's loggers: the template's first line; in other people's, only numbers are filled in."""

    def emit(self, record: logging.LogRecord) -> None:
        words = {"exc_info": record.exc_info} if record.exc_info else {}
        structlog.get_logger().log(record.levelno, _message(record), logger=record.name, **words)


_OURS = ("shared", "services", "deploy", "tsunagari")


def _filled(record: logging.LogRecord, value: Any) -> Any:
    if isinstance(value, int | float):
        return value
    return harmless(value) if record.name.partition(".")[0] in _OURS else "?"


def _message(record: logging.LogRecord) -> str:
    template = str(record.msg).partition("\n")[0]
    if record.name == "py.warnings":
        found = _WARNING_AT.match(template)
        return found[1] if found else "warning"
    if not record.args:
        return template
    try:
        if isinstance(record.args, dict):
            return template % {key: _filled(record, value) for key, value in record.args.items()}
        return template % tuple(_filled(record, value) for value in record.args)
    except (TypeError, ValueError, KeyError):
        return template


def configure_logging(service: str, domain: str | None = None) -> None:
    """JSON lines on stdout for our log and for third parties. uvicorn's access log is off: it prints query strings."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _line(service, domain)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, _Standard)] + [_Standard()]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)  # at INFO it prints parameters
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # at INFO it prints addresses with their query
    logging.captureWarnings(True)
