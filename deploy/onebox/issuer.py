"""サインイン（OpenID Connect の発行者）。職員を選ぶだけで入れるので、本番では起動しない。

部品は `oidc-provider-mock`。そのまま使わない理由: 画面が英語で CDN の CSS を読む、誰でも任意の権限の人を登録できる道（PUT /users）がある、
クライアントの秘密を確かめない、werkzeug のデバッガーが付いている、パス（/oidc）の下に住めない。ここで直す。
"""

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
from werkzeug.serving import WSGIRequestHandler, make_server

from deploy.onebox.staff import FILE, Roll

if TYPE_CHECKING:
    from collections.abc import Callable

# authlib.jose is deprecated in the version the provider uses; nothing we can change here.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from authlib import jose
    from oidc_provider_mock import init_app
    from oidc_provider_mock._storage import Client, ClientAllowAny, User, storage

PAGES = Path(__file__).with_name("pages")
OPEN = {"openid_config", "jwks", "authorize", "issue_token", "userinfo", "end_session", "end_session_confirm"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Request(flask.Request):
    """発行者の名前は、公開 URL のパスまで含めたもの（既定では host だけになり、発見文書の場所と食い違う）。"""

    @property
    def host_url(self) -> str:
        return self.root_url


def create_app(client_id: str, client_secret: str, callback: str, key_file: Path, staff_file: Path = FILE) -> flask.Flask:
    """Flask アプリ。知っている職員と、知っているクライアントだけを相手にする。職員は、動かしたまま足せる。"""
    roll = Roll(staff_file)
    app = flask.Flask(__name__, template_folder=str(PAGES), static_folder=str(PAGES), static_url_path="/pages")
    app.request_class = Request
    app.secret_key = os.urandom(16)
    init_app(app, require_client_registration=True, user_claims=[User(sub=one.sub, claims=one.claims()) for one in roll.now()])
    _without_debugger(app)
    with app.test_request_context():
        app.preprocess_request()
        storage.jwk = signing_key(key_file)
        storage.store_client(
            Client(
                id=client_id,
                secret=client_secret,
                redirect_uris=[callback],
                allowed_scopes=Client.SCOPES_SUPPORTED,
                token_endpoint_auth_method=ClientAllowAny(),
            )
        )
    _only_known_doors(app, roll)
    app.context_processor(lambda: {"staff": roll.now()})
    return app


def _without_debugger(app: flask.Flask) -> None:
    app.debug = False
    app.wsgi_app = app.wsgi_app.app  # type: ignore[method-assign,attr-defined]


def _only_known_doors(app: flask.Flask, roll: Roll) -> None:
    @app.before_request
    def refuse_the_rest() -> None:
        endpoint = (flask.request.endpoint or "").rpartition(".")[2]
        if endpoint not in OPEN | {"static"}:
            flask.abort(404)
        if endpoint == "authorize" and flask.request.method == "POST" and flask.request.form.get("action") != "deny":
            person = next((one for one in roll.now() if one.sub == flask.request.form.get("sub")), None)
            if person is None:
                flask.abort(400)
            storage.store_user(User(sub=person.sub, claims=person.claims()))

    @app.after_request
    def headers(response: flask.Response) -> flask.Response:
        response.headers.update(HEADERS)
        return response


def signing_key(file: Path) -> Any:
    """署名鍵。ファイルに残すので、発行者が再起動してもユニットの覚えた公開鍵が古くならない。"""
    if not file.exists():
        made = jose.RSAKey.generate_key(is_private=True)
        file.touch(mode=0o600)
        file.write_bytes(made.as_pem(is_private=True))
    return jose.RSAKey.import_key(file.read_bytes())


def under(path: str, app: "Callable[..., Any]") -> "Callable[..., Any]":
    """`path` の下に住む WSGI アプリ（入口は同じ一つの URL）。"""

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = path
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(path)
        return app(environ, start_response)

    return mounted


class Quiet(WSGIRequestHandler):
    """要求の行を書かない（state や code が残るだけで、役に立たない）。"""

    def log_request(self, *_: object) -> None:
        return


def main() -> None:
    if os.environ.get("PROFILE") == "production":
        sys.exit("職員を選ぶだけのサインインは本番（PROFILE=production）では使えません。 / The pick-a-person issuer refuses to run in production.")
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain http on loopback
    given = os.environ
    callback = given["PUBLIC_URL"] + "/auth/callback"
    client = (given["OIDC_CLIENT_ID"], given["OIDC_CLIENT_SECRET"])
    app = create_app(*client, callback, Path(given["ISSUER_KEY_FILE"]), Path(given.get("STAFF_FILE") or FILE))
    make_server("127.0.0.1", int(given["LISTEN_PORT"]), under("/oidc", app), threaded=True, request_handler=Quiet).serve_forever()


if __name__ == "__main__":
    main()
