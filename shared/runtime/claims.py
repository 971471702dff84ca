"""What the issuer says of a person, read into a ticket. Whatever is not in the form we know is refused, never guessed."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from shared.contracts.event import StaffId
from shared.runtime.auth import ROLE_LABELS
from shared.runtime.ticket import Ticket

_STAFF_ID: TypeAdapter[str] = TypeAdapter(StaffId)
#: Keycloak gives a group with its path
DOMAIN_GROUP = "/domain/"
MOST_DOMAINS = 32


class ClaimsUnreadable(ValueError):
    """A claim we must understand is missing or has another form: `claim` names it, its value is never shown or logged."""

    def __init__(self, claim: str) -> None:
        self.claim = claim
        super().__init__(claim)


def ticket_from(claims: Mapping[str, Any], *, sid: UUID, now: float) -> Ticket:
    """`staff_id` is the office's own key and comes before the issuer's `sub`, so that audit rows can be read; `display_name` before
    `name`, which an issuer puts together given name first. Unknown roles are left out.

    Raises ClaimsUnreadable.
    """
    sub = _staff_id(claims)
    return Ticket(
        sub=sub,
        name=_short(claims.get("display_name")) or _short(claims.get("name")) or sub,
        roles=tuple(role for role in _words(claims.get("roles")) if role in ROLE_LABELS),
        domains=tuple(_domains(claims.get("domains")))[:MOST_DOMAINS],
        team=_short(claims.get("team")),
        sid=sid,
        began=now,
        auth_time=_auth_time(claims.get("auth_time"), now),
        idle=int(now),
        valid_to=_last_day(claims.get("valid_to")),
    )


def _staff_id(claims: Mapping[str, Any]) -> str:
    try:
        return _STAFF_ID.validate_python(claims.get("staff_id") or claims.get("sub"), strict=True)
    except ValidationError:
        raise ClaimsUnreadable("staff_id") from None


def _words(value: Any) -> list[str]:
    """An issuer sends a list of one as the one, if its mapper says so."""
    found = value if isinstance(value, list | tuple) else [value]
    return [word for word in found if isinstance(word, str) and word]


def _domains(value: Any) -> list[str]:
    named = [word.removeprefix(DOMAIN_GROUP) for word in _words(value)]
    return [name for name in named if len(name) <= 32 and name.isascii() and name.replace("-", "").isalnum()]


def _short(value: Any) -> str:
    return "".join(letter for letter in value if letter.isprintable())[:60] if isinstance(value, str) else ""


def _auth_time(value: Any, now: float) -> int:
    """An issuer that does not say it has asked the person just now; one whose clock is ahead does not make anybody recent for longer."""
    if value is None:
        return int(now)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClaimsUnreadable("auth_time")
    return int(min(max(value, 0), now))


def _last_day(value: Any) -> date | None:
    if value in (None, "", []):
        return None
    try:
        return date.fromisoformat(_words(value)[0])
    except (ValueError, IndexError):
        raise ClaimsUnreadable("valid_to") from None
