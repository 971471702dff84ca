"""ユニットごとの役割（ロール）・パスワード・データベース。組み込みの PostgreSQL にも、与えられたものにも、同じ道を通る。"""

import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from asyncpg.exceptions import InsufficientPrivilegeError, PostgresError

from deploy.onebox.home import ROOT
from deploy.onebox.progress import Say
from deploy.onebox.trouble import Trouble
from shared.runtime.migrate import changes_the_audit, upgrade
from shared.runtime.unit import Unit


@dataclass(frozen=True)
class Server:
    """管理者の URL で表した PostgreSQL 一台。`owned` は自分たちだけのもの（組み込み）か。"""

    admin_url: str
    owned: bool

    @property
    def dsn(self) -> str:
        scheme, rest = self.admin_url.split("://", 1)
        return f"{scheme.partition('+')[0]}://{rest}"

    def dsn_of(self, database: str) -> str:
        """管理者として、そのデータベースへ。"""
        return urlunsplit(urlsplit(self.dsn)._replace(path=f"/{database}"))

    def url(self, unit: Unit, password: str) -> str:
        """そのユニットの DATABASE_URL。"""
        parts = urlsplit(self.dsn)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(("postgresql+asyncpg", f"{quote(role(unit))}:{quote(password, safe='')}@{host}", f"/{unit.database}", parts.query, ""))


def role(unit: Unit) -> str:
    return unit.database


async def _connect(server: Server) -> asyncpg.Connection:
    try:
        connection: asyncpg.Connection = await asyncpg.connect(server.dsn, timeout=15)
        return connection
    except (OSError, TimeoutError, PostgresError) as error:
        raise Trouble(
            "データベースに管理者としてつながりません。DATABASE_URL の宛先・ユーザー・パスワードを確かめてください。",
            "Cannot connect to the database as administrator. Check DATABASE_URL.",
            f"{type(error).__name__}: {error}",
        ) from error


async def prepare(server: Server, units: Sequence[Unit], passwords: dict[str, str]) -> None:
    """役割とデータベースを用意する。何度呼んでも同じ結果になり、既にある中身には触れない。"""
    admin = await _connect(server)
    try:
        version = admin.get_server_version().major
        if version < 17:
            raise Trouble(f"PostgreSQL 17 以上が必要です（接続先は {version}）。", f"PostgreSQL 17 or newer is needed (this is {version}).")
        for unit in units:
            await _role(admin, role(unit), passwords[unit.code])
            await _database(admin, unit, version)
        if server.owned:
            await admin.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    except InsufficientPrivilegeError as error:
        raise Trouble(
            "DATABASE_URL のユーザーに、ロールとデータベースを作る権限（CREATEROLE と CREATEDB）がありません。",
            "The user of DATABASE_URL may not create roles and databases (CREATEROLE, CREATEDB).", str(error),
        ) from error  # fmt: skip
    finally:
        await admin.close()


async def _role(admin: asyncpg.Connection, name: str, password: str) -> None:
    if not await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name):
        await admin.execute(f'CREATE ROLE "{name}" LOGIN')
        if not await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
            # Since PostgreSQL 16 whoever is not a superuser must be allowed to act as the owner it names.
            await admin.execute(f'GRANT "{name}" TO CURRENT_USER WITH SET TRUE')
    # One unit must not be able to use up everybody's connections.
    await admin.execute(f"ALTER ROLE \"{name}\" WITH LOGIN CONNECTION LIMIT 40 PASSWORD '{scram_verifier(password)}'")


def scram_verifier(password: str) -> str:
    """PostgreSQL が保存する形（SCRAM-SHA-256）。平文を SQL に書くと、相手のサーバーのログに残りうる。"""
    salt, rounds = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${rounds}:{b64encode(salt).decode()}${b64encode(stored).decode()}:{b64encode(server).decode()}"


async def _database(admin: asyncpg.Connection, unit: Unit, version: int) -> None:
    name = unit.database
    if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        locale = "PG_UNICODE_FAST" if version >= 18 else "C.UTF-8"
        await admin.execute(
            f'CREATE DATABASE "{name}" OWNER "{role(unit)}" TEMPLATE template0 ENCODING \'UTF8\' '
            f"LOCALE_PROVIDER builtin BUILTIN_LOCALE '{locale}' LOCALE 'C'"
        )
    await admin.execute(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{name}" FROM PUBLIC')


async def migrate(server: Server, units: Sequence[Unit], passwords: dict[str, str], say: Say) -> None:
    """すべてのユニットのデータベースを最新の形にし、監査の表を守る。一つずつ: alembic はプロセスに一つの文脈しか持てない。"""
    for number, unit in enumerate(units, 1):
        say(f"{number}/{len(units)} {unit.code}")
        url = server.url(unit, passwords[unit.code])
        if await changes_the_audit(url, unit):
            await run_script(server.dsn_of(unit.database), OPEN_AUDIT)
        try:
            await upgrade(url, unit)
        finally:
            await run_script(server.dsn_of(unit.database), KEEP_AUDIT)


#: what a production's own administrator runs with psql (deploy/postgres/README.md)
KEEP_AUDIT, OPEN_AUDIT = (ROOT / "deploy" / "postgres" / name for name in ("keep_audit.sql", "open_audit.sql"))


async def run_script(dsn: str, script: Path) -> None:
    """管理者として SQL のファイルを実行する。"""
    admin = await asyncpg.connect(dsn, timeout=15)
    try:
        await admin.execute(script.read_text(encoding="utf-8"))
    finally:
        await admin.close()
