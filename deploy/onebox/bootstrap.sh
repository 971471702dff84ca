#!/bin/sh
# .venv をロックファイルのとおりに用意する。要るのは Python 3.11 以上だけ。二度目からは印を比べるだけで終わる。
# Prepares .venv exactly as requirements.lock says. Needs Python 3.11 or newer, nothing else.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd)
venv=$root/.venv
lock=$root/requirements.lock
stamp=$venv/.lock-stamp

say() { printf '%s\n' "$*" >&2; }
fail() { say ""; say "$1"; say "$2"; exit 1; }

# The operators' command of this checkout; an installed wheel brings its own.
operators_command() {
    [ -x "$venv/bin/tsunagari" ] && return 0
    printf '%s\n' '#!/bin/sh' 'exec "$(dirname "$0")/python" -m shared.messaging.commands "$@"' > "$venv/bin/tsunagari"
    chmod +x "$venv/bin/tsunagari"
}

wanted="$(cksum < "$lock") $root"
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then operators_command; exit 0; fi

# ── a Python that is new enough ──────────────────────────────────────────────
find_python() {
    for candidate in "${PYTHON:-}" python3.14 python3.13 python3.12 python3.11 python3; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}
python=$(find_python) || fail \
    "Python 3.11 以上が見つかりません。Debian/Ubuntu なら: apt-get install python3 python3-venv（別の場所にあるなら PYTHON=/path/to/python3 make up）" \
    "Python 3.11 or newer was not found. On Debian/Ubuntu: apt-get install python3 python3-venv (or name it: PYTHON=/path/to/python3 make up)"

# ── an environment of its own ────────────────────────────────────────────────
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
            say "▸ $package をインストールする / installing $package"
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package"; } >&2 ||
                fail "$package をインストールできませんでした。" "Could not install $package."
        else
            fail "Python の venv がありません。管理者に頼んでください: apt-get install $package" \
                "Python's venv is missing. Ask an administrator: apt-get install $package"
        fi
    fi
    say "▸ Python の環境を作る / creating .venv ($("$python" --version 2>&1))"
    "$python" -m venv --clear "$venv" || fail "$venv を作れませんでした（ディスクの空きと書き込み権限を確かめてください）。" \
        "Could not create $venv (check free space and write permission)."
fi

# ── the packages of the lock, every one checked against its hash ─────────────
# uv never fetches a Python by itself: that address is dead on a closed network.
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS="${UV_NO_PROGRESS-}" PIP_DISABLE_PIP_VERSION_CHECK=1
[ -n "$UV_NO_PROGRESS" ] || unset UV_NO_PROGRESS
# uv does not read pip's settings: what the house has set for pip (its own index, its own certificate) holds for uv as well.
if [ -z "${UV_DEFAULT_INDEX:-}" ]; then
    index=${PIP_INDEX_URL:-$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
fi
if [ -z "${SSL_CERT_FILE:-}" ] && [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE="$PIP_CERT"; fi

say "▸ 部品を取得する（初回は数分） / fetching the packages of requirements.lock (some minutes the first time)"
only_uv=$(mktemp)
trap 'rm -f "$only_uv"' EXIT
awk '/^uv==/ { on = 1 } /^[a-zA-Z0-9]/ && !/^uv==/ { on = 0 } on' "$lock" > "$only_uv"
"$venv/bin/python" -m pip install --quiet --require-hashes --no-deps -r "$only_uv" >&2 || fail \
    "部品を取得できませんでした。ネットワーク（プロキシ、社内のパッケージ置き場）を確かめて、もう一度 make up を実行してください。" \
    "Could not fetch packages. Check the network (proxy, your own index) and run \`make up\` again; it continues where it stopped."
"$venv/bin/uv" pip install --python "$venv/bin/python" --require-hashes -r "$lock" >&2 || fail \
    "部品を取得できませんでした（上の行を見てください）。もう一度 make up を実行すると続きから始めます。" \
    "Could not install the packages (see above). Run \`make up\` again: it continues where it stopped."

# ── the tree itself is the code: units run from here, and are installable wheels besides ──
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$root" > "$site/tsunagari.pth"
operators_command
printf '%s' "$wanted" > "$stamp"
