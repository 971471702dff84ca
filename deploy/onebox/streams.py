"""ブローカーの利用者・権限・ストリーム・コンシューマー。中身は各ユニットの unit.toml から `shared.messaging.provision` が決める。"""

import asyncio
from collections.abc import Sequence

import nats
from nats.errors import Error as NatsError

from deploy.onebox.trouble import Trouble
from shared.messaging import provision
from shared.runtime.unit import Unit


def accounts(units: Sequence[Unit], passwords: dict[str, str]) -> str:
    """nats-server の accounts{} の文。"""
    return provision.accounts_conf(units, passwords)


async def prepare(url: str, units: Sequence[Unit], stream_bytes: int, replicas: int = 1) -> list[str]:
    """ストリームとコンシューマーを今の unit.toml に合わせ、変えたものを返す。何度呼んでもよい。"""
    try:
        servers = url.split(",")
        client = await asyncio.wait_for(nats.connect(servers, inbox_prefix=b"_INBOX_provisioner", allow_reconnect=False, connect_timeout=10), 15)
    except (OSError, TimeoutError, NatsError) as error:
        raise Trouble(
            "NATS につながりません。NATS_URL の宛先・ユーザー・パスワードを確かめてください。",
            "Cannot connect to NATS. Check NATS_URL.", f"{type(error).__name__}: {error}",
        ) from error  # fmt: skip
    try:
        return [str(change) for change in await provision.apply(client, provision.desired(units, replicas=replicas, max_bytes=stream_bytes))]
    finally:
        await client.close()
