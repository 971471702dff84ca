"""`python -m deploy.nats.accounts KEYS > accounts.conf`: one NKey per unit, and the accounts block that lets them in.

KEYS is a folder, mode 0700. A user that has no key yet gets one: `<user>.nk` holds its seed (mode 0600, NATS_NKEY_SEED of that unit).
The printed text holds public keys only. Running it again after `make new-domain` adds the newcomer and changes nobody's key.
"""

import os
import sys
from pathlib import Path

import nkeys  # type: ignore[import-untyped]

from shared.messaging.provision import accounts_conf
from shared.runtime.unit import all_units

OTHERS = ("provisioner", "observer", "sys")


def seed(file: Path) -> bytes:
    """The seed in the file; made when there is none."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    return file.read_bytes().strip()


def public(file: Path) -> str:
    return str(nkeys.from_seed(bytearray(seed(file))).public_key.decode())


def text(keys: Path) -> str:
    """The accounts block for the units of this tree."""
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = [*(unit.code for unit in all_units()), *OTHERS]
    return accounts_conf(all_units(), {user: public(keys / f"{user}.nk") for user in users})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.nats.accounts KEYS > accounts.conf")
    print(text(Path(sys.argv[1])))
