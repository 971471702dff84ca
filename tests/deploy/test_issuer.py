"""Sign-in by picking a person: the whole code flow against the real issuer process, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from deploy.onebox import process
from deploy.onebox.ports import free_port
from deploy.onebox.probe import http_ok
from deploy.onebox.program import wait_until
from deploy.onebox.staff import FILE, people

CALLBACK = "http://localhost:8080/auth/callback"


class Issuer:
    def __init__(self, folder: Path, staff: Path = FILE) -> None:
        self.port = free_port()
        self.log = folder / "log"
        environment = {
            **os.environ, "PROFILE": "onebox", "OIDC_CLIENT_ID": "desk", "OIDC_CLIENT_SECRET": "secret", "PUBLIC_URL": "http://localhost:8080",
            "ISSUER_KEY_FILE": str(folder / "key.pem"), "LISTEN_PORT": str(self.port), "STAFF_FILE": str(staff),
        }  # fmt: skip
        self.process = process.spawn([sys.executable, "-m", "deploy.onebox.issuer"], log=self.log, env=environment)
        assert wait_until(lambda: http_ok(f"http://127.0.0.1:{self.port}/oidc/.well-known/openid-configuration"), 20), process.tail(self.log)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[HTTPResponse, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Host": "localhost:8080", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body=urlencode(form) if form else None, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def authorize(self, **given: str) -> str:
        query = {"response_type": "code", "client_id": "desk", "redirect_uri": CALLBACK, "scope": "openid profile", "state": "s", **given}
        return "/oidc/oauth2/authorize?" + urlencode(query)

    def token(self, code: str, secret: str = "secret") -> tuple[HTTPResponse, str]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": "desk", "client_secret": secret}
        return self.ask("POST", "/oidc/oauth2/token", form)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    issuer = Issuer(tmp_path_factory.mktemp("issuer"))
    yield issuer
    process.finish(issuer.process, signal.SIGKILL)


def test_its_name_is_the_address_it_is_found_under(issuer: Issuer) -> None:
    document = json.loads(issuer.ask("GET", "/oidc/.well-known/openid-configuration")[1])
    assert document["issuer"] == "http://localhost:8080/oidc"
    assert all(document[f"{door}_endpoint"].startswith("http://localhost:8080/oidc/") for door in ("authorization", "token", "userinfo"))


def test_the_page_lists_the_staff_in_japanese_and_loads_nothing_from_outside(issuer: Issuer) -> None:
    page = issuer.ask("GET", issuer.authorize())[1]
    assert "誰として入りますか" in page
    assert all(one.name in page for one in people())
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_a_picked_person_arrives_with_roles_and_domains(issuer: Issuer) -> None:
    picked, _ = issuer.ask("POST", issuer.authorize(), {"sub": "kodomo-1"})
    assert picked.status in (302, 303)
    code = parse_qs(urlsplit(picked.headers["Location"]).query)["code"][0]
    token = json.loads(issuer.token(code)[1])
    from joserfc import jwk, jwt

    keys = jwk.KeySet.import_key_set(json.loads(issuer.ask("GET", "/oidc/jwks")[1]))
    claims = jwt.decode(token["id_token"], keys).claims
    assert (claims["iss"], claims["roles"], claims["domains"]) == ("http://localhost:8080/oidc", ["caseworker"], ["children"])


def test_an_account_s_last_day_travels_as_a_claim(tmp_path: Path) -> None:
    staff = tmp_path / "staff.yaml"
    staff.write_text(
        "- {sub: taishoku-1, name: 見本 かこ, roles: [caseworker], domains: [elderly], team: 退職者, note: 異動した, valid_to: 2026-03-31}\n"
    )
    (gone,) = people(staff)
    assert gone.claims()["valid_to"] == "2026-03-31"
    assert all("valid_to" not in one.claims() for one in people())


def test_the_token_says_when_the_person_was_asked(issuer: Issuer) -> None:
    picked, _ = issuer.ask("POST", issuer.authorize(prompt="login", max_age="300"), {"sub": "kanri-1"})
    code = parse_qs(urlsplit(picked.headers["Location"]).query)["code"][0]
    from joserfc import jwk, jwt

    keys = jwk.KeySet.import_key_set(json.loads(issuer.ask("GET", "/oidc/jwks")[1]))
    claims = jwt.decode(json.loads(issuer.token(code)[1])["id_token"], keys).claims
    assert (claims["staff_id"], claims["auth_time"] <= claims["iat"]) == ("kanri-1", True)


def test_a_wrong_client_secret_gets_no_token(issuer: Issuer) -> None:
    picked, _ = issuer.ask("POST", issuer.authorize(), {"sub": "kodomo-1"})
    code = parse_qs(urlsplit(picked.headers["Location"]).query)["code"][0]
    assert issuer.token(code, secret="guessed")[0].status == 401


def test_a_code_is_sent_to_our_own_callback_only(issuer: Issuer) -> None:
    answer, page = issuer.ask("GET", issuer.authorize(redirect_uri="https://evil.example/"))
    assert (answer.status, answer.headers["Location"]) == (400, None), page


def test_nobody_makes_up_a_person(issuer: Issuer) -> None:
    assert issuer.ask("POST", issuer.authorize(), {"sub": "somebody-else"})[0].status == 400
    assert issuer.ask("PUT", "/oidc/users/kodomo-1", {"roles": "operator"})[0].status == 404
    assert issuer.ask("POST", "/oidc/oauth2/clients", {})[0].status == 404


def test_a_person_added_to_the_staff_signs_in_without_a_restart(tmp_path: Path) -> None:
    staff = tmp_path / "staff.yaml"
    staff.write_text(FILE.read_text())
    issuer = Issuer(tmp_path, staff)
    try:
        assert issuer.ask("POST", issuer.authorize(), {"sub": "migrants-1"})[0].status == 400
        added = "- {sub: migrants-1, name: 見本 みなと, roles: [caseworker], domains: [migrants], team: 国際課, note: 足された人}\n"
        staff.write_text(FILE.read_text() + added)
        assert "見本 みなと" in issuer.ask("GET", issuer.authorize())[1]
        assert issuer.ask("POST", issuer.authorize(), {"sub": "migrants-1"})[0].status in (302, 303)
        staff.write_text(FILE.read_text() + "- {sub: [half")
        assert "見本 みなと" in issuer.ask("GET", issuer.authorize())[1]
    finally:
        process.finish(issuer.process, signal.SIGKILL)


def test_it_refuses_to_start_in_production() -> None:
    done = subprocess.run([sys.executable, "-m", "deploy.onebox.issuer"], env={**os.environ, "PROFILE": "production"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "本番" in done.stderr
