"""Who may open which door: every route of every unit × every role × every kind of bad ticket, as matrix.yaml says."""

import base64
import re
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from shared.runtime.auth import ROLE_LABELS, Staff
from shared.runtime.testing import ticket_for
from shared.runtime.ticket import ABSOLUTE, AWAY_COOKIE, COOKIE, IDLE, japan_day, seal
from shared.runtime.web import MB
from tests.rights.town import CANARIES, WORDS, Place, guarded, matrix, people, person, routes, table

#: the first test of a run migrates nine databases
pytestmark = pytest.mark.timeout(600)

#: holds every role: only the ticket can be what is refused
EVERYBODY = Staff("test-all", "試験 全権", frozenset(ROLE_LABELS), frozenset({"elderly", "disability", "children", "poverty"}))
REVOKED = UUID("00000000-0000-4000-8000-00000000dead")
#: what cannot be taken back, and the pages on which it is decided: whoever sits there has just proved who they are
ONLY_JUST_SIGNED_IN = {
    "GET /auth/accounts/all",
    "POST /auth/accounts/all/end",
    "GET /intake/glass",
    "POST /intake/glass",
    "GET /intake/retention/households/{household_id}",
    "POST /intake/retention/households/{household_id}/erase",
    "GET /intake/scan-removals",
    "POST /intake/scan-removals/{removal_id}/confirm",
}


def sealed(place: Place, **changes: object) -> str:
    return seal(ticket_for(EVERYBODY).model_copy(update=changes), place.settings)


def foreign(place: Place) -> str:
    """Sealed by somebody who has all but the key."""
    return seal(ticket_for(EVERYBODY), place.settings.model_copy(update={"ticket_keys": SecretStr(base64.b64encode(b"k" * 32).decode())}))


def tampered(place: Place) -> str:
    ticket = sealed(place)
    at = len(ticket) // 2
    return ticket[:at] + ("A" if ticket[at] != "A" else "B") + ticket[at + 1 :]


BAD: dict[str, Callable[[Place], str]] = {
    "no ticket": lambda place: "",
    "garbage": lambda place: "a.b.c.d.e",
    "forged": foreign,
    "tampered": tampered,
    "truncated": lambda place: sealed(place)[:-30],
    "idle too long": lambda place: sealed(place, idle=int(time.time()) - IDLE - 60),
    "older than a day's work": lambda place: sealed(place, began=time.time() - ABSOLUTE - 60),
    "from the future": lambda place: sealed(place, idle=int(time.time()) + 3600),
    "revoked": lambda place: sealed(place, sid=REVOKED),
}


def test_the_table_says_it_in_known_words() -> None:
    for unit, rows in matrix().items():
        for door, who in rows.items():
            assert who in WORDS or (isinstance(who, list) and who and set(who) <= set(ROLE_LABELS)), f"{unit}: {door}"


def test_every_route_is_in_the_table_and_every_row_is_a_route(place: Place) -> None:
    """A new route fails here until somebody has said whose it is."""
    assert routes(place.app) == set(table(place.unit))


def test_a_door_for_large_bodies_is_one_to_the_gateway_too(place: Place) -> None:
    """The gateway reads the manifest, the unit its own routes; no other door takes more than the frame allows."""
    said = {door.path.pattern: door.limit // MB for door in place.app.state.large_doors}
    paths = {path.replace("*", "{id}"): megabytes for path, megabytes in place.unit.large_bodies.items()}
    assert [re.sub(r"\(\?P<\w+>[^)]*\)", "{id}", pattern).strip("^$") for pattern in said] == list(paths)
    assert list(said.values()) == list(paths.values())


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_ticket_opens_no_door(place: Place, kind: str) -> None:
    async with place.db.transaction() as tx:
        await tx.execute(
            text("insert into revoked_session (staff, sid, before) values ('test-all', :sid, now()) on conflict do nothing"), {"sid": REVOKED}
        )
    place.app.state.sessions.look_again()
    value = BAD[kind](place)
    cookie = {"cookie": f"{COOKIE}={value}"} if value else {}
    for method, path, _ in guarded(place.unit):
        target = place.path(path, real=method == "GET")
        as_page, as_json = await place.ask(method, target, cookie), await place.ask(method, target, cookie | {"accept": "application/json"})
        assert as_page.led_to_sign_in or as_page.status == 401, f"{method} {path}: {as_page.status}"
        assert as_json.status == 401, f"{method} {path}: {as_json.status}"
        assert not [word for word in CANARIES if word in as_page.body + as_json.body], f"{method} {path}"


async def test_a_locked_screen_opens_no_door(place: Place) -> None:
    left = {"cookie": f"{COOKIE}={sealed(place)}; {AWAY_COOKIE}=1"}
    for method, path, _ in guarded(place.unit):
        answer = await place.ask(method, place.path(path, real=method == "GET"), left | {"accept": "application/json"})
        assert (answer.status, "サインインし直して" in answer.body) == (403, True), f"{method} {path}: {answer.status}"
        assert not [word for word in CANARIES if word in answer.body], f"{method} {path}"


async def test_what_cannot_be_taken_back_asks_who_sits_there_and_nothing_else_does(place: Place) -> None:
    an_hour_ago = place.signed(EVERYBODY, ticket_for(EVERYBODY).model_copy(update={"auth_time": int(time.time()) - 3600})) | {
        "accept": "application/json"
    }
    asked = set()
    for method, path, _ in guarded(place.unit):
        answer = await place.ask(method, place.path(path, real=method == "GET"), an_hour_ago)
        if answer.status == 403 and "サインインし直して" in answer.body:
            asked.add(f"{method} {path}")
    assert asked == (ONLY_JUST_SIGNED_IN if place.unit.code == "intake" else set())


async def test_an_account_past_its_last_day_opens_no_door(place: Place) -> None:
    ended = place.signed(EVERYBODY, ticket_for(EVERYBODY, valid_to=japan_day().replace(year=japan_day().year - 1, day=1)))
    for method, path, _ in guarded(place.unit):
        answer = await place.ask(method, place.path(path, real=method == "GET"), ended)
        assert answer.status == 403, f"{method} {path}: {answer.status}"
        assert "利用期限" in answer.body
        assert not [word for word in CANARIES if word in answer.body]


async def test_each_role_opens_its_own_doors_and_no_other(place: Place) -> None:
    wrong = []
    for staff in people(place.unit):
        (role,) = staff.roles
        for method, path, who in guarded(place.unit):
            answer = await place.ask(method, place.path(path, real=method == "GET"), place.signed(staff))
            assert answer.status < 500, f"{role}: {method} {path}"
            if answer.let_in is not (who == "anyone" or role in who):
                wrong.append(f"{role}: {method} {path} answered {answer.status}")
            if not answer.let_in:
                assert answer.status == 403, f"{role}: {method} {path} answered {answer.status}"
                assert not [word for word in CANARIES if word in answer.body], f"{role}: {method} {path}"
    assert wrong == []


async def test_a_caseworker_of_another_domain_is_a_stranger_here(place: Place) -> None:
    if place.unit.welfare_domain is None:
        return
    neighbour = Staff("test-neighbour", "試験 隣", frozenset({"caseworker"}), frozenset({"another-domain"}))
    for method, path, who in guarded(place.unit):
        answer = await place.ask(method, place.path(path, real=method == "GET"), place.signed(neighbour))
        assert answer.status == 403 or who == "anyone", f"{method} {path}: {answer.status}"


@pytest.mark.parametrize("roles", [frozenset(), frozenset({"admin"})], ids=["no role", "a role nobody knows"])
async def test_a_person_without_a_role_sees_nothing(place: Place, roles: frozenset[str]) -> None:
    nobody = Staff("test-nobody", "試験 なし", roles)
    for method, path, who in guarded(place.unit):
        answer = await place.ask(method, place.path(path, real=method == "GET"), place.signed(nobody))
        assert answer.status == 403 or who == "anyone", f"{method} {path}: {answer.status}"
        assert not [word for word in CANARIES if word in answer.body], f"{method} {path}"


async def test_what_is_public_tells_nothing_of_anybody(place: Place) -> None:
    for door, who in table(place.unit).items():
        method, _, path = door.partition(" ")
        if who in ("public", "this_machine"):
            answer = await place.ask(method, place.path(path))
            assert not [word for word in CANARIES if word in answer.body], door
        if who == "this_machine":
            assert answer.status == 403, door


async def test_the_planted_secrets_are_really_there(places: dict[str, Place]) -> None:
    """Otherwise none of the above would find anything."""
    doors = {
        "intake": ("/intake/", "reception", 0),
        "cases-elderly": ("/d/elderly/", "caseworker", 4),
        "outreach": ("/outreach/watch", "outreach", 6),
    }
    for code, (path, role, canary) in doors.items():
        place = places[code]
        assert CANARIES[canary] in (await place.ask("GET", path, place.signed(person(role, place.unit)))).body, code
