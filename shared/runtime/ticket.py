"""The sealed session ticket: a JWE (dir, A256GCM) in the cookie `__Host-desk`. No session table, every unit reads it with the same keys."""

import time
from datetime import date, datetime
from uuid import UUID

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.desk.wareki import JST
from shared.runtime.settings import Settings

COOKIE = "__Host-desk"
#: somebody left this browser (locked the screen, signed out): nothing is shown until a person has proved at the issuer who they are
AWAY_COOKIE = "__Host-desk-away"
#: seconds; desk.md §3.2 (project default): 30 min idle, 10 h absolute, re-sealed at most once a minute
IDLE, ABSOLUTE, RENEW = 30 * 60, 10 * 3600, 60
#: seconds; longer than any session an issuer keeps open by itself
AWAY = 30 * 86_400
#: seconds by which the clocks of two of our own machines may differ
SKEW = 60
#: what a browser keeps in one cookie; anything longer was not sealed by us
LONGEST = 4096

_ALGORITHMS = ["dir", "A256GCM"]
#: whatever a hostile cookie can make a parser raise (a deeply nested header: RecursionError)
_UNREADABLE = (JoseError, ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Ticket(BaseModel):
    """`began` is when this session was opened, `auth_time` when the person last proved who they are (the issuer may know that it was
    earlier), `idle` when it was last sealed: seconds since 1970. `valid_to` is the account's last day, Japan time."""

    model_config = ConfigDict(frozen=True)

    sub: str
    name: str
    roles: tuple[str, ...]
    domains: tuple[str, ...] = ()
    team: str = ""
    sid: UUID
    began: float
    auth_time: int
    idle: int
    valid_to: date | None = None

    def account_ended(self, now: float | None = None) -> bool:
        return self.valid_to is not None and japan_day(now) > self.valid_to


def japan_day(now: float | None = None) -> date:
    return datetime.fromtimestamp(now or time.time(), JST).date()


def seal(ticket: Ticket, settings: Settings) -> str:
    key = OctKey.import_key(settings.sealing_keys()[0])
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, ticket.model_dump_json().encode(), key, algorithms=_ALGORITHMS)


def unseal(value: str, settings: Settings, now: float | None = None) -> Ticket | None:
    """None for anything forged, truncated, foreign, expired or from the future. Never raises."""
    now = now or time.time()
    if len(value) > LONGEST:
        return None
    opened = (_opened(value, key) for key in settings.sealing_keys())
    ticket = next((ticket for ticket in opened if ticket), None)
    return ticket if ticket and _fresh(ticket, now) else None


def _opened(value: str, key: bytes) -> Ticket | None:
    try:
        content = jwe.decrypt_compact(value, OctKey.import_key(key), algorithms=_ALGORITHMS).plaintext
        return Ticket.model_validate_json(content or b"")
    except _UNREADABLE:
        return None


def _fresh(ticket: Ticket, now: float) -> bool:
    newest = max(ticket.began, ticket.auth_time, ticket.idle)
    return now - ticket.idle <= IDLE and now - ticket.began <= ABSOLUTE and newest <= now + SKEW


def renewed(ticket: Ticket, settings: Settings, now: float | None = None) -> str | None:
    """A newly sealed ticket when the last seal is older than a minute."""
    now = now or time.time()
    return seal(ticket.model_copy(update={"idle": int(now)}), settings) if now - ticket.idle > RENEW else None


def cookie_header(value: str, max_age: int = ABSOLUTE) -> str:
    return f"{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}"


def away_header(away: bool) -> str:
    return f"{AWAY_COOKIE}={'1' if away else ''}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={AWAY if away else 0}"
