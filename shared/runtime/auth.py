"""Who is asking, and what a route may demand of a person. The sealed ticket is in ticket.py, the sign-in routes in sign_in.py."""

import re
import time
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Depends, Request

from shared.desk.wareki import to_wareki
from shared.runtime.problems import NotAllowed
from shared.runtime.ticket import Ticket

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
#: who looks after accounts and roles
KEEPER = "所属の管理者（職員と権限の担当）"
#: what a `next` may be at most; it travels in a cookie
LONGEST_NEXT = 512
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PART = re.compile(rf"{_ID}|[0-9]{{1,4}}|[A-Za-z_][A-Za-z0-9_-]{{0,39}}|")
_NAME = re.compile(r"[a-z_]{1,32}")
_CODE = re.compile(rf"{_ID}|[0-9]{{1,4}}|true|false")


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


def staff_of(ticket: Ticket) -> Staff:
    return Staff(ticket.sub, ticket.name, frozenset(ticket.roles), frozenset(ticket.domains), ticket.team)


class SignInNeeded(Exception):
    """No valid ticket: pages go to the sign-in, fragments and JSON get 401."""


class SignInAgain(Exception):
    """Signed in, but too long ago for this step, or the screen was locked since: pages go to the sign-in and prove once more
    who sits there, fragments and JSON get a link."""


class AccountEnded(NotAllowed):
    """アカウントの利用期限が過ぎた（異動・退職・委託の終わり）。"""

    code = "account_ended"

    def __init__(self, valid_to: date) -> None:
        sentence = f"このアカウントの利用期限は {to_wareki(valid_to)} で終わりました。続けて使うときは、{KEEPER}に期限の延長を頼んでください。"
        super().__init__(sentence, who_can=KEEPER)


def safe_next(target: str | None) -> str:
    """Only a path on our own origin; anything else leads home (no open redirect, no header injection)."""
    if not target or len(target) > LONGEST_NEXT or not target.startswith("/") or target.startswith("//"):
        return "/"
    if "\\" in target or not target.isprintable():  # a browser reads \ as /, and drops tabs and line ends
        return "/"
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else "/"


def codes_only(path: str, query: str = "") -> str:
    """The address without anything that somebody may have typed: it travels on, and ends in logs and histories that nobody meant for names.

    A path is kept when each of its parts is an id or a word of ours; of the query, ids, numbers and yes-or-no. Else the way leads home.
    """
    if not all(_PART.fullmatch(part) for part in path.split("/")[1:]):
        return "/"
    kept = [(name, value) for name, value in parse_qsl(query) if _NAME.fullmatch(name) and _CODE.fullmatch(value)]
    return f"{path}?{urlencode(kept)}" if kept else path


def signed_in(request: Request) -> Staff:
    staff: Staff | None = getattr(request.state, "staff", None)
    ticket: Ticket | None = getattr(request.state, "ticket", None)
    if staff is None and ticket and ticket.valid_to and ticket.account_ended():
        raise AccountEnded(ticket.valid_to)
    if staff is None and ticket and getattr(request.state, "away", False):
        raise SignInAgain
    if staff is None:
        raise SignInNeeded
    return staff


Signed = Annotated[Staff, Depends(signed_in)]


def recently(minutes: int = 5) -> Any:
    """`Depends` that gives the Staff who proved within `minutes` who they are, else SignInAgain. For what cannot be taken back: an export,
    a merge, break-glass, a changed rule, an erasure. Put it on the page with the form as well, so that nothing is typed in vain."""

    def check(request: Request, staff: Signed) -> Staff:
        if time.time() - request.state.ticket.auth_time > minutes * 60:
            raise SignInAgain
        return staff

    return Depends(check)


Recent = Annotated[Staff, recently()]
