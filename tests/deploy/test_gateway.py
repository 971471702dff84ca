"""One origin in front of everybody, by the real Caddy."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import SIGTERM

import pytest

from deploy.onebox import process
from deploy.onebox.gateway import Gateway, Route, has_ipv6, program
from deploy.onebox.ports import free_port
from deploy.onebox.program import wait_until

MB = 1024 * 1024
PAPERS = "/d/children/cases/*/papers"


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


class Town:
    """Caddy before two stand-in units (/d/children, with a door for papers, and everything else); a third, /outreach, is down."""

    def __init__(self, folder: Path, upstreams: dict[str, int], port: int) -> None:
        self.static = folder / "static"
        self.static.mkdir()
        (self.static / "desk.css").write_text("body{}")
        self.port = port
        routes = [Route(base, number, {PAPERS: 5} if base == "/d/children" else {}) for base, number in upstreams.items()]
        self.gateway = Gateway(port, [*routes, Route("/outreach", free_port())], self.static, folder, ipv6=has_ipv6())
        self.file = folder / "Caddyfile"
        self.file.write_text(self.gateway.caddyfile())

    def get(self, path: str, host: str = "localhost", method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(
            method, path, body, headers={"Host": f"{host}:{self.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        )
        answer = connection.getresponse()
        got = Answer(answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()})
        connection.close()
        return got


def stand_in(name: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{name} {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            if len(self.rfile.read(length)) == length:  # the gateway hangs up on a body that is too large
                self.do_GET()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    children, notify = stand_in("children"), stand_in("notify")
    folder = tmp_path_factory.mktemp("gateway")
    town = Town(folder, {"/d/children": children.server_address[1], "/": notify.server_address[1]}, free_port())
    caddy = process.spawn([program(), "run", "--config", town.file, "--adapter", "caddyfile"], log=folder / "log", env={"HOME": str(folder)})

    def answers() -> bool:
        try:
            return town.get("/").status == 200
        except OSError:
            return False

    assert wait_until(answers, 15), (folder / "log").read_text()
    yield town
    process.finish(caddy, SIGTERM)
    for server in (children, notify):
        server.shutdown()
        server.server_close()


def test_caddy_accepts_the_configuration_and_has_nothing_to_tidy(town: Town) -> None:
    town.gateway.check(town.file)


@pytest.mark.parametrize("path", ["/d/children", "/d/children/", "/d/children/cases/1"])
def test_a_domains_path_reaches_the_domain(town: Town, path: str) -> None:
    assert town.get(path).text == f"children {path}"


@pytest.mark.parametrize("path", ["/", "/inbox", "/d/childrens"])
def test_everything_else_reaches_the_unit_that_owns_the_root(town: Town, path: str) -> None:
    assert town.get(path).text == f"notify {path}"


def test_a_unit_that_is_down_gives_a_sentence_in_the_form_that_was_asked_for(town: Town) -> None:
    page, fragment = town.get("/outreach/", Accept="text/html"), town.get("/outreach/", Accept="text/html", HX_Request="true")
    assert (page.status, fragment.status) == (503, 503)
    assert "少しお待ちください" in page.text
    assert fragment.text.startswith('{"code":"try_later"')


@pytest.mark.parametrize(
    "path",
    ["/readyz", "/d/children/readyz", "/metrics", "/d/children/metrics", "//metrics", "/%6detrics", "/d/../metrics", "/METRICS", "/d/children/livez"],
)
def test_probes_are_not_for_the_outside(town: Town, path: str) -> None:
    assert town.get(path).status == 404


def test_a_versioned_file_is_kept_for_ever_and_an_unversioned_one_is_not(town: Town) -> None:
    assert "immutable" in town.get("/static/desk/desk.css?v=1").headers["cache-control"]
    assert town.get("/static/desk/desk.css").headers["cache-control"] == "public, max-age=300"
    assert "admin off" not in town.get("/static/desk/..%2fCaddyfile").text


def test_a_foreign_host_name_is_refused_and_the_number_leads_to_the_name(town: Town) -> None:
    assert town.get("/", host="evil.example").status == 421
    assert town.get("/inbox", host="127.0.0.1").headers["location"] == f"http://localhost:{town.port}/inbox"


@pytest.mark.parametrize(
    ("path", "megabytes", "passes"),
    [
        ("/d/children/cases/1/papers", 5, True),
        ("/d/children/cases/1/papers", 7, False),
        ("/d/children/cases/1/notes", 1, True),
        ("/d/children/cases/1/notes", 5, False),
        ("/d/children/cases/1/2/papers", 5, False),
        ("/d/children/cases/1/papers/2", 5, False),
        ("/inbox", 5, False),
    ],
)
def test_one_door_takes_a_large_body_and_no_other_does(town: Town, path: str, megabytes: int, passes: bool) -> None:
    """A body that is refused may be answered, or cut off while it is still being sent."""
    try:
        status = town.get(path, method="POST", body=b"x" * megabytes * MB).status
    except (BrokenPipeError, ConnectionResetError):
        status = 413
    assert (status == 200) is passes, status
