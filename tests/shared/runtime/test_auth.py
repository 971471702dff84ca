"""The ticket: forged, truncated, foreign or stale ones open nothing; `next` never leaves our origin."""

import base64
import time
from urllib.parse import urljoin, urlsplit
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


HEADERS = ["{}", "[]", "1", '"x"', "null", '{"alg":"dir"}', '{"alg":"none","enc":"none"}', '{"alg":"dir","enc":"A256GCM","crit":["x"]}',
           '{"alg":"RSA-OAEP","enc":"A256GCM"}', '{"alg":"dir","enc":"A256GCM","zip":"DEF"}', "[" * 3000, "{" * 3000, "\x00", "é"]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_a_hostile_header_opens_nothing_and_raises_nothing(header: str) -> None:
    body = seal(TICKET, settings(NEW)).split(".", 1)[1]
    assert unseal(base64.urlsafe_b64encode(header.encode()).decode().rstrip("=") + "." + body, settings(NEW)) is None


@given(st.one_of(st.text(max_size=300), st.from_regex(r"[A-Za-z0-9_-]{0,60}(\.[A-Za-z0-9_-]{0,60}){0,6}", fullmatch=True)))
def test_anything_else_opens_nothing(value: str) -> None:
    assert unseal(value, settings(NEW)) is None


def test_a_cookie_longer_than_any_of_ours_is_not_even_read() -> None:
    assert unseal(seal(TICKET.model_copy(update={"team": "課" * 5000}), settings(NEW)), settings(NEW), now=NOW) is None


@pytest.mark.parametrize("field", ["began", "auth_time", "idle"])
def test_a_ticket_from_the_future_opens_nothing(field: str) -> None:
    def opens(ahead: int) -> bool:
        return unseal(seal(TICKET.model_copy(update={field: NOW + ahead}), settings(NEW)), settings(NEW), now=NOW) is not None

    assert opens(30)
    assert not opens(3600)


def test_working_on_does_not_outlive_the_day() -> None:
    """The idle time starts again with every request, the ten hours do not; and neither does an earlier proof shorten them."""
    at = NOW + ABSOLUTE - 10
    busy = TICKET.model_copy(update={"idle": at})
    assert unseal(seal(busy, settings(NEW)), settings(NEW), now=at)
    assert unseal(seal(busy, settings(NEW)), settings(NEW), now=at + 20) is None
    asked_long_ago = TICKET.model_copy(update={"auth_time": NOW - 2 * ABSOLUTE})
    assert unseal(seal(asked_long_ago, settings(NEW)), settings(NEW), now=NOW)


@given(st.text(max_size=40).map(lambda rest: "/" + rest) | st.text(max_size=40))
def test_next_stays_on_our_origin_for_whatever_a_browser_makes_of_it(target: str) -> None:
    safe = safe_next(target)
    as_browsers_read = safe.replace("\\", "/").replace("\t", "").replace("\n", "").replace("\r", "")
    assert urlsplit(urljoin("https://desk.example/intake/", as_browsers_read)).netloc == "desk.example"
    assert safe.isprintable()
