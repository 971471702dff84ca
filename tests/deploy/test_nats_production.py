"""What deploy/nats/ says is true: keys instead of passwords, and a configuration that the real server takes."""

import json
import re
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import nats
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from nats.errors import Error as NatsError

from deploy.nats.accounts import text
from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.home import ROOT
from shared.messaging import Handlers, Worker
from shared.messaging.keeper import Keeper, KeeperSettings, connected
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from shared.runtime.testing import eventually
from shared.runtime.unit import Unit, all_units
from tests.conftest import start_nats


def test_everybody_has_a_key_of_his_own_and_keeps_it(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = text(keys)
    assert text(keys) == first
    assert len(set(re.findall(r"nkey: (U[A-Z2-7]{55})", first))) == len(all_units()) + 3
    assert "password" not in first
    assert {file.stat().st_mode & 0o777 for file in keys.iterdir()} == {0o600}
    assert not [file for file in keys.iterdir() if file.read_text() in first]


Told = Callable[..., Settings]
Databases = Callable[..., Awaitable[Database]]


async def test_a_unit_and_the_keeper_sign_in_with_their_keys(tmp_path: Path, databases: Databases, test_settings: Told) -> None:
    server = start_nats(tmp_path / "nats", text(tmp_path / "keys"))
    try:
        await work(server.url, tmp_path / "keys", databases, test_settings)
        await refused(server)
    finally:
        server.stop()


async def test_and_over_tls_with_the_city_s_own_certificate(
    tmp_path: Path, databases: Databases, test_settings: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path)
    tls = f"tls {{ cert_file: {json.dumps(str(certificate))}, key_file: {json.dumps(str(key))} }}"
    server = start_nats(tmp_path / "nats", f"{text(tmp_path / 'keys')}\n{tls}")
    url = server.url.replace("nats://", "tls://")
    try:
        with pytest.raises(ssl.SSLCertVerificationError):  # without knowing the certificate nobody sends anything
            await nats.connect(url, allow_reconnect=False, connect_timeout=2, error_cb=quiet)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await work(url, tmp_path / "keys", databases, test_settings)
    finally:
        server.stop()


async def work(url: str, keys: Path, databases: Databases, test_settings: Told) -> None:
    """The keeper provisions and notify's worker finds its consumers, each with its own key."""
    seeds = {file.stem: file.read_text() for file in keys.iterdir()}
    client = await connected(KeeperSettings(nats_url=url, nats_nkey_seed=seeds["provisioner"]))
    await Keeper(KeeperSettings(nats_url=url, stream_bytes=1 << 24).wanted).look(client)
    await client.close()
    notify, db = Unit.load("services.notify"), await databases("notify")
    worker = Worker(notify, test_settings(notify, database=db, nats_url=url, nats_nkey_seed=seeds["notify"]), db, Handlers())
    try:
        await worker.start()
        await eventually(lambda: len(worker.consumers) >= 7, 20)
        assert worker.link.denied == 0
    finally:
        await worker.stop()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")]), datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (certificate := folder / "broker.pem").write_bytes(built.public_bytes(Encoding.PEM))
    (private := folder / "broker.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, private


async def quiet(_: Exception) -> None:
    return


async def refused(server: EmbeddedNats) -> None:
    """A public key is no password."""
    with pytest.raises(NatsError, match=r"(?i)authorization violation"):
        await nats.connect(server.url, allow_reconnect=False, error_cb=quiet, connect_timeout=2)


def test_the_written_configuration_is_taken_by_the_real_server(tmp_path: Path) -> None:
    given = (ROOT / "deploy/nats/nats-server.conf").read_text()
    here = given.replace("/var/lib/nats", str(tmp_path)).replace("/etc/nats", str(tmp_path))
    (tmp_path / "accounts.conf").write_text(text(tmp_path / "keys"))
    without_tls = re.sub(r"(?s)# begin TLS.*?# end TLS\n", "", here)
    server = EmbeddedNats(tmp_path, 1, 1)
    server.config.write_text(without_tls.replace("$NODE_NAME", "n1"))
    assert server.check().startswith("sha256:")
