"""An issuer of the test's own, on a real socket, that says whatever the test wants it to say: skewed clocks, foreign keys, missing claims."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwk, jwt

PERSON = {"sub": "kc-2f6c", "staff_id": "uketsuke-1", "name": "見本 はな", "roles": ["reception"], "domains": [], "team": "総合相談窓口"}


@dataclass
class Issuer:
    """`claims` are laid over an honest id token (None takes one away); `userinfo` is what the userinfo door says; `key` signs."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    userinfo: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    key: jwk.RSAKey = field(default_factory=lambda: jwk.RSAKey.generate_key(2048, {"kid": "one"}))
    published: list[jwk.RSAKey] = field(default_factory=list)
    nonce: str | None = None
    algorithm: str = "RS256"
    redeemed: int = 0

    def metadata(self) -> dict[str, Any]:
        doors = {f"{name}_endpoint": f"{self.url}/{name}" for name in ("authorization", "token", "userinfo")}
        return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", "id_token_signing_alg_values_supported": ["RS256"], **doors}

    def id_token(self) -> str:
        now = int(time.time())
        honest = {"iss": self.url, "aud": "desk", "iat": now, "exp": now + 300, "nonce": self.nonce}
        said = {name: value for name, value in (honest | self.claims).items() if value is not None}
        if self.algorithm != "RS256":
            return self._attacked(said)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, said, self.key)

    def _attacked(self, said: dict[str, Any]) -> str:
        """The two old attacks, by hand, as no library makes them any more: no signature, and the public key taken for a shared secret."""
        parts = [json.dumps(part).encode() for part in ({"alg": self.algorithm, "kid": self.key.kid}, said)]
        signing = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        digest = hmac.new(self.key.as_pem(private=False), signing, hashlib.sha256).digest() if self.algorithm == "HS256" else b""
        return (signing + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()

    def answer(self, path: str) -> dict[str, Any]:
        match path.partition("?")[0]:
            case "/.well-known/openid-configuration":
                return self.metadata()
            case "/jwks":
                return {"keys": [key.as_dict(private=False) for key in self.published or [self.key]]}
            case "/token":
                self.redeemed += 1
                return {"access_token": "at", "token_type": "Bearer", "expires_in": 300, "id_token": self.id_token()}
            case "/userinfo":
                return self.userinfo
        return {"error": "unknown"}


@contextmanager
def issuing() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
