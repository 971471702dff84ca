"""一つの入口（Caddy）。ブラウザーから見える origin は http://localhost:PORT ひとつだけ。"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.onebox.trouble import Trouble

AWAY = (
    '<!doctype html><html lang="ja"><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>少しお待ちください</title>'
    "<h1>少しお待ちください</h1><p>この画面を受け持つサービスが、起動中か止まっています。5 秒後に自動で開き直します。</p></html>"
)
AWAY_JSON = '{"code":"try_later","sentence":"いまはつながりません。入力はこの画面に残っています。少し待って、もう一度押してください。"}'


def program() -> Path:
    beside = Path(sys.executable).with_name("caddy")
    found = beside if beside.exists() else shutil.which("caddy")
    if found is None:
        raise Trouble("caddy が見つかりません。make up をやり直してください。", "caddy not found: run `make up` again.")
    return Path(found)


def has_ipv6() -> bool:
    """::1 で待ち受けられるか（IPv6 のないコンテナでは、書いてあるだけで Caddy が起動しない）。"""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Route:
    """`base` の下は 127.0.0.1:`port` が受け持つ。`large` は、大きな内容を受ける入口と、その MB（unit.toml の large_bodies）。"""

    base: str
    port: int
    large: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Gateway:
    port: int
    routes: list[Route]
    static: Path
    storage: Path
    ipv6: bool = True

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def caddyfile(self) -> str:
        """設定の全文。長い base から順に並べ、`/` を持つユニットが残りすべてを受ける。"""
        routes = sorted(self.routes, key=lambda route: -len(route.base))
        bind = "bind 127.0.0.1 [::1]" if self.ipv6 else "bind 127.0.0.1"
        elsewhere = f"http://127.0.0.1:{self.port}" + (f", http://[::1]:{self.port}" if self.ipv6 else "")
        return "\n".join(
            [
                "# written by deploy.onebox at every start; edits are lost",
                "{", "\tadmin off", "\tauto_https off", "\tpersist_config off", "\tgrace_period 3s", f'\tstorage file_system "{self.storage}"',
                "\tlog {", "\t\toutput stderr", "\t\tlevel WARN", "\t}", "}", "",
                f"{self.url} {{", f"\t{bind}", "\troute {",
                "\t@inside path /livez /readyz /metrics */livez */readyz */metrics", "\thandle @inside {", "\t\trespond 404", "\t}",
                *self._static(), *[line for route in routes for line in _proxy(route)], "\t}", *_errors(), "}", "",
                # The sign-in cookie belongs to one name; people who type the number are led there.
                f"{elsewhere} {{", f"\t{bind}", f"\tredir {self.url}{{uri}} 302", "}", "",
                # Any other Host is somebody's rebound DNS name.
                f"http://:{self.port} {{", f"\t{bind}", "\trespond 421", "}", "",
            ]
        )  # fmt: skip

    def _static(self) -> list[str]:
        # A file asked for with its version (?v=…) never changes; without one it is asked for again after five minutes.
        return [
            "\thandle /static/desk/* {", "\t\troute {", "\t\turi strip_prefix /static/desk", f'\t\troot * "{self.static}"',
            "\t\t@versioned query v=*",
            '\t\theader Cache-Control "public, max-age=300"', '\t\theader @versioned Cache-Control "public, max-age=31536000, immutable"',
            "\t\theader X-Content-Type-Options nosniff", "\t\tencode zstd gzip", "\t\tfile_server", "\t\t}", "\t}",
        ]  # fmt: skip

    def check(self, file: Path) -> None:
        """`caddy validate`。"""
        done = subprocess.run(
            [program(), "validate", "--config", file, "--adapter", "caddyfile"], capture_output=True, text=True, env={"HOME": str(self.storage)}
        )
        if done.returncode:
            raise Trouble("入口（Caddy）の設定が正しくありません。", "Caddy refuses its configuration.", done.stderr[-2000:])


def _proxy(route: Route) -> list[str]:
    matcher = f"\t@{_name(route)} path {route.base} {route.base}/*" if route.base != "/" else None
    handle = f"\thandle @{_name(route)} {{" if matcher else "\thandle {"
    return [
        *([matcher] if matcher else []), handle, *_bodies(route),
        f"\t\treverse_proxy 127.0.0.1:{route.port} {{",
        "\t\t\tflush_interval -1",  # server-sent events leave at once
        # Retries only while nobody answers the connection: a unit that is being restarted is waited for, nothing is sent twice.
        "\t\t\tlb_try_duration 3s", "\t\t\tlb_try_interval 200ms", "\t\t}", "\t}",
    ]  # fmt: skip


def _bodies(route: Route) -> list[str]:
    """少し広めに通す: 大きすぎる内容には、ユニットが言葉で答える。"""
    if not route.large:
        return ["\t\trequest_body {", "\t\t\tmax_size 2MB", "\t\t}"]
    lines = [f"\t\t@ordinary not path {' '.join(route.large)}", "\t\trequest_body @ordinary {", "\t\t\tmax_size 2MB", "\t\t}"]
    for path, megabytes in route.large.items():
        lines += [f"\t\trequest_body {path} {{", f"\t\t\tmax_size {megabytes + 1}MiB", "\t\t}"]
    return lines


def _name(route: Route) -> str:
    return "at" + route.base.replace("/", "_")


def _errors() -> list[str]:
    return [
        "\thandle_errors 502 503 504 {", "\t\theader Retry-After 5", "\t\theader Cache-Control no-store",
        "\t\t@page {", "\t\t\theader Accept *text/html*", "\t\t\tnot header HX-Request true", "\t\t}",
        "\t\thandle @page {", '\t\t\theader Content-Type "text/html; charset=utf-8"', f"\t\t\trespond `{AWAY}` 503", "\t\t}",
        "\t\thandle {", "\t\t\theader Content-Type application/json", f"\t\t\trespond `{AWAY_JSON}` 503", "\t\t}", "\t}",
    ]  # fmt: skip
