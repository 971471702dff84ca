"""The realm for production says the same words as the program: roles, domains, claims; and closes what we do not use."""

import json
import re
import time
from typing import Any
from uuid import uuid4

import pytest

from shared.runtime.auth import ROLE_LABELS
from shared.runtime.claims import ClaimsUnreadable, ticket_from
from shared.runtime.ticket import ABSOLUTE, IDLE
from shared.runtime.unit import TREE, all_units

REALM: dict[str, Any] = json.loads((TREE / "deploy/keycloak/realm-welfare.json").read_text(encoding="utf-8"))
(DESK,) = REALM["clients"]
MAPPERS = {mapper["config"]["claim.name"]: mapper for mapper in DESK["protocolMappers"]}
PROFILE = json.loads(REALM["components"]["org.keycloak.userprofile.UserProfileProvider"][0]["config"]["kc.user.profile.config"][0])
ATTRIBUTES = {attribute["name"]: attribute for attribute in PROFILE["attributes"]}


def test_its_roles_are_ours() -> None:
    assert {role["name"]: role["description"] for role in REALM["roles"]["realm"]} == ROLE_LABELS


def test_its_groups_are_the_domains_of_the_units() -> None:
    (domain,) = REALM["groups"]
    assert {group["path"] for group in domain["subGroups"]} == {f"/domain/{unit.welfare_domain}" for unit in all_units() if unit.welfare_domain}


def test_the_client_takes_the_code_flow_with_pkce_and_nothing_else() -> None:
    assert DESK["clientId"] == "desk"
    assert DESK["attributes"]["pkce.code.challenge.method"] == "S256"
    assert DESK["standardFlowEnabled"]
    assert not any(DESK[flow] for flow in ("publicClient", "implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled"))
    assert all(uri.startswith("https://") and uri.endswith("/auth/callback") and "*" not in uri for uri in DESK["redirectUris"])
    assert "secret" not in DESK


def test_a_second_factor_is_set_up_by_everybody() -> None:
    (otp,) = [action for action in REALM["requiredActions"] if action["alias"] == "CONFIGURE_TOTP"]
    assert otp["enabled"]
    assert otp["defaultAction"]
    assert not REALM["registrationAllowed"]
    assert REALM["bruteForceProtected"]


def test_its_sessions_are_as_long_as_ours() -> None:
    assert (REALM["ssoSessionIdleTimeout"], REALM["ssoSessionMaxLifespan"]) == (IDLE, ABSOLUTE)


def test_what_it_would_send_becomes_a_ticket() -> None:
    """The claims as its mappers shape them: roles as a list, groups with their path, attributes as text."""
    told = {"roles": ["caseworker", "default-roles-welfare"], "domains": ["/domain/elderly"], "display_name": "見本 いちろう", "team": "地域包括",
            "staff_id": "koreisha-1", "valid_to": "2027-03-31"}  # fmt: skip
    assert set(told) == set(MAPPERS)
    assert all(mapper["config"]["id.token.claim"] == "true" for mapper in MAPPERS.values())
    assert MAPPERS["domains"]["config"]["full.path"] == "true"
    ticket = ticket_from({"sub": str(uuid4()), "name": "いちろう 見本", **told}, sid=uuid4(), now=time.time())
    assert (ticket.sub, ticket.name, ticket.roles, ticket.domains) == ("koreisha-1", "見本 いちろう", ("caseworker",), ("elderly",))
    assert str(ticket.valid_to) == "2027-03-31"


@pytest.mark.parametrize("name", ["display_name", "staff_id", "team", "valid_to"])
def test_what_the_rights_rest_on_is_written_by_administrators_only(name: str) -> None:
    """Who could change the own staff_id would be somebody else."""
    assert ATTRIBUTES[name]["permissions"]["edit"] == ["admin"]
    assert "unmanagedAttributePolicy" not in PROFILE


def test_every_account_has_a_number_and_a_last_day_that_we_can_read() -> None:
    for name, good, bad in (("staff_id", "koreisha-1", "見本 いちろう"), ("valid_to", "2027-03-31", "2027/3/31")):
        assert ATTRIBUTES[name]["required"]
        pattern = re.compile(ATTRIBUTES[name]["validations"]["pattern"]["pattern"])
        assert pattern.match(good)
        assert not pattern.match(bad)
        with pytest.raises(ClaimsUnreadable):
            ticket_from({"sub": "s", name: bad}, sid=uuid4(), now=time.time())
