"""Who is asking: the sealed session ticket, the sign-in routes, and what a route may demand of a person.

The ticket is a JWE (dir, A256GCM) in the cookie `__Host-desk`: no session table, every unit reads it with the same keys.
"""

import time
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.runtime.problems import NotAllowed
from shared.runtime.settings import Settings

COOKIE = "__Host-desk"
#: seconds; desk.md §3.2 (project default): 30 min idle, 10 h absolute, re-sealed at most once a minute
IDLE, ABSOLUTE, RENEW = 30 * 60, 10 * 3600, 60

ROLE_LABELS = {
    "reception": "受付",
    "caseworker": "ケース担当",
    "coordinator": "センター",
    "outreach": "訪問・見守り",
    "manager": "管理者",
    "operator": "システム運用",
    "dv_officer": "保護担当",
    "auditor": "監査",
}


@dataclass(frozen=True)
class Staff:
    """A signed-in person. `domains` are unit codes' welfare domains ("elderly", …)."""

    sub: str
    name: str
    roles: frozenset[str]
    domains: frozenset[str] = frozenset()
    team: str = ""

    @property
    def role_label(self) -> str:
        return "・".join(label for role, label in ROLE_LABELS.items() if role in self.roles)


class Ticket(BaseModel):
    model_config = ConfigDict(frozen=True)

    sub: str
    name: str
    roles: tuple[str, ...]
    domains: tuple[str, ...] = ()
    team: str = ""
    sid: str
    auth_time: int
    idle: int

    @property
    def staff(self) -> Staff:
        return Staff(self.sub, self.name, frozenset(self.roles), frozenset(self.domains), self.team)


class SignInNeeded(Exception):
    """No valid ticket: pages go to the sign-in, fragments and JSON get 401."""


def seal(ticket: Ticket, settings: Settings) -> str:
    key = OctKey.import_key(settings.sealing_keys()[0])
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, ticket.model_dump_json().encode(), key)


def unseal(value: str, settings: Settings, now: float | None = None) -> Ticket | None:
    """None for anything forged, truncated, foreign or expired. Never raises."""
    now = now or time.time()
    for key in settings.sealing_keys():
        try:
            ticket = Ticket.model_validate_json(jwe.decrypt_compact(value, OctKey.import_key(key)).plaintext or b"")
        except (JoseError, ValidationError, ValueError, TypeError, KeyError):
            continue
        fresh = now - ticket.idle <= IDLE and now - ticket.auth_time <= ABSOLUTE and ticket.idle <= now + 60
        return ticket if fresh else None
    return None


def renewed(ticket: Ticket, settings: Settings, now: float | None = None) -> str | None:
    """A newly sealed ticket when the last seal is older than a minute."""
    now = now or time.time()
    return seal(ticket.model_copy(update={"idle": int(now)}), settings) if now - ticket.idle > RENEW else None


def cookie_header(value: str, max_age: int = ABSOLUTE) -> str:
    return f"{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}"


def safe_next(target: str | None) -> str:
    """Only a path on our own origin; anything else leads home (no open redirect)."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or any(ord(c) < 32 for c in target):
        return "/"
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else "/"


def signed_in(request: Request) -> Staff:
    staff: Staff | None = getattr(request.state, "staff", None)
    if staff is None:
        raise SignInNeeded
    return staff


Signed = Annotated[Staff, Depends(signed_in)]


def requires(*roles: str, domain: str | None = None) -> Any:
    """`Depends` that gives the Staff who holds one of `roles` (and, for caseworkers, works in `domain`), else NotAllowed."""

    def check(staff: Signed) -> Staff:
        held = staff.roles & frozenset(roles)
        if held and (domain is None or domain in staff.domains or held - {"caseworker"}):
            return staff
        wanted = "・".join(ROLE_LABELS[role] for role in roles)
        raise NotAllowed(f"この画面は「{wanted}」の担当者のための画面です。", who_can="所属の管理者（職員と権限の担当）")

    return Depends(check)
