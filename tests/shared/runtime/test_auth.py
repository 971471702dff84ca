"""The ticket: forged, truncated, foreign or stale ones open nothing; `next` never leaves our origin."""

import base64
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.auth import safe_next
from shared.runtime.settings import Profile, Settings
from shared.runtime.ticket import ABSOLUTE, IDLE, Ticket, renewed, seal, unseal


def settings(*keys: bytes) -> Settings:
    sealed = ",".join(base64.b64encode(key).decode() for key in keys)
    return Settings(profile=Profile.TEST, database_url="postgresql+asyncpg://x@127.0.0.1/x", ticket_keys=sealed)


OLD, NEW = b"o" * 32, b"n" * 32
NOW = int(time.time())
TICKET = Ticket(sub="s1", name="見本 花子", roles=("reception",), sid=UUID(int=7), began=NOW, auth_time=NOW, idle=NOW)


def test_a_ticket_opens_with_the_key_that_sealed_it() -> None:
    assert unseal(seal(TICKET, settings(NEW)), settings(NEW), now=NOW) == TICKET


def test_an_old_key_still_opens_during_rotation_and_a_foreign_one_never() -> None:
    sealed = seal(TICKET, settings(OLD))
    assert unseal(sealed, settings(NEW, OLD), now=NOW) == TICKET
    assert unseal(sealed, settings(NEW), now=NOW) is None


def test_the_name_cannot_be_read_from_the_cookie() -> None:
    assert "見本" not in seal(TICKET, settings(NEW))
    assert base64.b64encode("見本".encode()).decode()[:6] not in seal(TICKET, settings(NEW))


@pytest.mark.parametrize(("idle", "absolute", "open_"), [(IDLE - 5, 0, True), (IDLE + 5, 0, False), (0, ABSOLUTE + 5, False), (-3600, 0, False)])
def test_a_ticket_ends_by_idleness_and_by_age(idle: int, absolute: int, open_: bool) -> None:
    ticket = TICKET.model_copy(update={"idle": NOW - idle, "began": NOW - absolute})
    assert (unseal(seal(ticket, settings(NEW)), settings(NEW), now=NOW) is not None) is open_


@given(st.data())
def test_a_changed_ticket_opens_nothing(data: st.DataObject) -> None:
    sealed = seal(TICKET, settings(NEW))
    at = data.draw(st.integers(0, len(sealed) - 2))
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    assert unseal(changed, settings(NEW)) in (None, TICKET)
    assert unseal(changed[: data.draw(st.integers(0, len(sealed) - 20))], settings(NEW)) is None


def test_a_ticket_is_resealed_once_a_minute() -> None:
    assert renewed(TICKET, settings(NEW), now=NOW + 5) is None
    fresh = renewed(TICKET, settings(NEW), now=NOW + 61)
    assert fresh is not None
    assert unseal(fresh, settings(NEW), now=NOW + 61).idle == NOW + 61


@pytest.mark.parametrize(
    "hostile", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", None, "/a\r\nSet-Cookie: x=1"]
)
def test_next_never_leaves_our_origin(hostile: str | None) -> None:
    assert safe_next(hostile) == "/"


def test_production_refuses_plain_http() -> None:
    with pytest.raises(ValueError, match="https"):
        Settings(profile=Profile.PRODUCTION, database_url="postgresql+asyncpg://x@127.0.0.1/x", public_url="http://desk.example")
