"""Names on the broker, made from unit codes in one place."""

#: what every unit that publishes answers: `svc.<unit>.repair.<asker>`
REPAIR = "repair"


def inbox_of(unit: str) -> str:
    """Prefix of the subjects on which only this unit hears answers."""
    return f"_INBOX_{unit}"


def stream_of(unit: str) -> str:
    """`cases-children` → `EVT_CASES_CHILDREN`."""
    return "EVT_" + unit.replace("-", "_").upper()


def consumer_name(unit: str, source: str) -> str:
    """One durable consumer per (unit, source); `p0` leaves room for partitions by shard."""
    return f"{unit}--{source}--p0"


def audit_name(unit: str) -> str:
    """The consumer with which a unit looks at its own stream."""
    return f"{unit}--audit"


def rebuild_name(unit: str, source: str) -> str:
    """The consumer with which a unit reads a source once more, made for one rebuild and taken away after it."""
    return f"{unit}--{source}--rebuild"


def source_in(consumer: str, unit: str) -> str | None:
    """The source in a consumer's name when the consumer is this unit's and serves its worker."""
    parts = consumer.split("--")
    return parts[1] if len(parts) == 3 and parts[0] == unit and parts[2].startswith("p") else None
