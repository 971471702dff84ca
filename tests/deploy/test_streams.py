"""The broker as the one box configures it: accepted by the real server, provisioned, closed to strangers."""

from collections.abc import Iterator
from pathlib import Path

import nats as nats_client
import pytest
from nats.errors import Error as NatsError

from deploy.onebox import streams
from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.home import Home
from deploy.onebox.layout import PROVISIONER, Layout, known_units, speakers


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    home = Home(tmp_path_factory.mktemp("box"))
    home.create()
    layout = Layout(home, 1, [], known_units(), database_url="postgresql://unused")
    assert layout.broker is not None
    layout.broker.start()
    yield layout
    layout.broker.stop()


def broker(layout: Layout) -> EmbeddedNats:
    assert layout.broker is not None
    return layout.broker


def test_the_server_accepts_every_units_permissions_and_syncs_always(layout: Layout) -> None:
    broker(layout).check()
    assert "sync_interval: always" in broker(layout).text()
    assert 'listen: "127.0.0.1:' in broker(layout).text()


async def test_provisioning_twice_changes_nothing_the_second_time(layout: Layout) -> None:
    url, units = layout.broker_url(PROVISIONER), speakers(layout.everyone)
    first = await streams.prepare(url, units, 1 << 28)
    assert any(units[0].stream in change for change in first)
    assert await streams.prepare(url, units, 1 << 28) == []


async def test_nobody_enters_without_a_password(layout: Layout) -> None:
    with pytest.raises(NatsError):
        await nats_client.connect(broker(layout).url, allow_reconnect=False, error_cb=quiet)


async def test_every_unit_enters_with_its_own(layout: Layout) -> None:
    for unit in speakers(layout.everyone):
        client = await nats_client.connect(layout.broker_url(unit.code), allow_reconnect=False, inbox_prefix=f"_INBOX_{unit.code}".encode())
        await client.close()


async def quiet(_: Exception) -> None:
    return


def test_secrets_of_the_broker_stay_in_a_private_file(layout: Layout) -> None:
    assert Path(broker(layout).config).stat().st_mode & 0o077 == 0
