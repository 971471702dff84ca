"""Settings of a unit process, from its environment. Secrets come in the same way and are never printed."""

import base64
import os
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Profile(StrEnum):
    ONEBOX = "onebox"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Environment: PROFILE, DATABASE_URL, NATS_URL, NATS_NKEY_SEED, LISTEN_HOST, LISTEN_PORT, ROLES, PUBLIC_URL, TICKET_KEYS, OIDC_*,
    OTLP_ENDPOINT, CITY_PARAMETERS, DISK_FOLDER, ANCHORS, SCREEN_LOCK_MINUTES."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    profile: Profile = Profile.PRODUCTION
    #: postgresql+asyncpg://role:password@host:port/database
    database_url: SecretStr
    #: nats://user:password@host:port, several separated by commas
    nats_url: SecretStr = SecretStr("nats://127.0.0.1:4222")
    #: seed of this unit's NKey (SU…), instead of a password in NATS_URL
    nats_nkey_seed: SecretStr = SecretStr("")
    listen_host: str = "127.0.0.1"
    listen_port: int = 8000
    #: which parts this process runs: "web", "worker" or both
    roles: str = "web,worker"
    #: what people type in the browser, without a trailing slash
    public_url: str = "http://localhost:8080"
    #: base64 of 32 bytes each, the newest first: seals the session ticket
    ticket_keys: SecretStr = SecretStr("")
    oidc_issuer: str = ""
    oidc_client_id: str = "desk"
    oidc_client_secret: SecretStr = SecretStr("")
    otlp_endpoint: str = ""
    #: its disk is watched: the database's data when it is on this machine
    disk_folder: Path = Path(".")
    #: folder with the city's own parameters and code lists (dated, they win over ours)
    city_parameters: Path | None = None
    #: the heads of the audit's chain are left here once a day; best a folder that this process may only add to, kept by the auditor
    anchors: Path | None = None
    #: minutes without a key or a pointer until the screen is covered; 0 leaves that to the operating system. desk.md §3.2 (project default)
    screen_lock_minutes: int = Field(default=5, ge=0, le=60)
    instance: str = Field(default_factory=lambda: f"{os.uname().nodename}-{os.getpid()}")

    @property
    def runs_web(self) -> bool:
        return "web" in self.roles.split(",")

    @property
    def runs_worker(self) -> bool:
        return "worker" in self.roles.split(",")

    @property
    def nats_servers(self) -> list[str]:
        return [url.strip() for url in self.nats_url.get_secret_value().split(",")]

    def sealing_keys(self) -> list[bytes]:
        """32-byte keys, newest first. Raises ValueError when none is set."""
        keys = [base64.b64decode(key) for key in self.ticket_keys.get_secret_value().split(",") if key]
        if not keys or any(len(key) != 32 for key in keys):
            raise ValueError("TICKET_KEYS must hold at least one base64 key of 32 bytes")
        return keys

    @model_validator(mode="after")
    def _production_is_careful(self) -> Self:
        if self.profile is Profile.PRODUCTION and self.public_url.startswith("http://"):
            raise ValueError("PROFILE=production needs PUBLIC_URL with https://")
        return self
