"""A finished step of some unit, as the console keeps it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float | bool

_WRITES = re.compile(r"\b(insert\s+into|update(?!\s+set\b)|delete\s+from)\s+\"?([a-z_][a-z0-9_.]*)", re.IGNORECASE)
_READS = re.compile(r"\b(from|join)\s+\"?([a-z_][a-z0-9_.]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """Ids are hex (32 and 16 digits), times nanoseconds since 1970. `links` are keys of the spans that caused this one."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool = False
    attributes: Mapping[str, Value] = field(default_factory=dict)
    links: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.trace_id}:{self.span_id}"

    @property
    def parent_key(self) -> str | None:
        return f"{self.trace_id}:{self.parent_id}" if self.parent_id else None

    @property
    def is_database(self) -> bool:
        return "db.system.name" in self.attributes

    @property
    def sends(self) -> bool:
        return self.attributes.get("messaging.operation.type") == "send"

    @property
    def receives(self) -> bool:
        return self.attributes.get("messaging.operation.type") == "receive"

    @property
    def processes(self) -> bool:
        return self.attributes.get("messaging.operation.type") == "process"

    @property
    def writes_outbox(self) -> bool:
        statement = str(self.attributes.get("db.query.text", "")).lower()
        return self.is_database and "insert" in statement and "outbox" in statement

    @property
    def operation(self) -> str:
        """What to call it: for a statement its verb and table, otherwise its name."""
        if not self.is_database:
            return self.name
        statement = str(self.attributes.get("db.query.text", ""))
        if wrote := _WRITES.findall(statement):  # of several in one statement (with …) the last is its purpose
            return f"{wrote[-1][0].split()[0].upper()} {wrote[-1][1]}"
        read = _READS.search(statement)
        return f"{self.name.upper()} {read[2]}" if read else self.name.upper()
