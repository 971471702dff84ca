"""What each unit may say and hear on NATS, and the text of nats-server's `accounts` block. Pure; everything else is denied.

Ack subjects are granted in both formats: the server announced the longer one as its next default.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.messaging.names import REPAIR, audit_name, consumer_name, rebuild_name
from shared.runtime.unit import Unit

ACCOUNT = "TSUNAGARI"
_NKEY = re.compile(r"U[A-Z2-7]{55}")


@dataclass(frozen=True)
class UserPermissions:
    user: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    publish_deny: tuple[str, ...] = field(default=())
    answers: bool = False


#: Lets a worker find the consumers made for it: names of units, nothing of households.
NAMES = ("$JS.API.STREAM.NAMES", "$JS.API.CONSUMER.NAMES.*")


def permissions_of(unit: Unit, sources: Sequence[Unit]) -> UserPermissions:
    """Least for a unit: its own subjects and messages, its own consumers, its own inbox, a repair asked of those it hears."""
    own = [f"evt.{unit.code}.>", f"$JS.API.STREAM.MSG.GET.{unit.stream}", *_pulling(unit.stream, audit_name(unit.code))] if unit.publishes else []
    heard = [subject for source in sources for subject in consumer_subjects(unit, source)]
    asked = [f"svc.{name}.{unit.code}" for name in (*unit.asks, *(f"{source.code}.{REPAIR}" for source in sources))]
    served = [f"svc.{unit.code}.{name}.*" for name in (*unit.serves, *((REPAIR,) if unit.publishes else ()))]
    return UserPermissions(unit.code, (*own, *NAMES, *heard, *asked), (f"_INBOX_{unit.code}.>", *served), answers=bool(served))


def consumer_subjects(unit: Unit, source: Unit) -> list[str]:
    """No CREATE, no DELETE, no other unit's consumer."""
    names = (consumer_name(unit.code, source.code), rebuild_name(unit.code, source.code))
    return list(dict.fromkeys(subject for name in names for subject in _pulling(source.stream, name)))


def _pulling(stream: str, consumer: str) -> list[str]:
    at = f"{stream}.{consumer}"
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.CONSUMER.INFO.{at}",
        f"$JS.API.CONSUMER.MSG.NEXT.{at}",
        f"$JS.API.CONSUMER.RESET.{at}",
        f"$JS.ACK.{at}.>",
        f"$JS.ACK.*.*.{at}.>",
    ]


PROVISIONER = UserPermissions(
    "provisioner",
    ("$JS.API.>",),
    # The keeper hears at once that something was taken away: names of streams and consumers, nothing of households.
    (
        "_INBOX_provisioner.>",
        "$JS.EVENT.ADVISORY.STREAM.DELETED.>",
        "$JS.EVENT.ADVISORY.STREAM.UPDATED.>",
        "$JS.EVENT.ADVISORY.CONSUMER.DELETED.>",
    ),
    publish_deny=("$JS.API.STREAM.MSG.GET.>", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.MSG.NEXT.>"),
)
#: the operators' console: names, configurations and counts, never a message
OBSERVER = UserPermissions(
    "observer",
    (
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.CONSUMER.INFO.*.*",
        "$JS.API.CONSUMER.NAMES.*",
        "$JS.API.CONSUMER.LIST.*",
    ),
    ("_INBOX_observer.>", "$JS.EVENT.ADVISORY.>"),
)


def accounts_text(units: Sequence[UserPermissions], passwords: Mapping[str, str]) -> str:
    """`passwords` by user. A public NKey (U…) in a password's place lets in whoever holds its seed: the server then knows no secret."""
    users = "\n".join(_user(user, passwords[user.user]) for user in (*units, PROVISIONER, OBSERVER))
    return (
        "system_account: SYS\n"
        "accounts {\n"
        f"  SYS {{ users: [ {{ {_who('sys', passwords['sys'])} }} ] }}\n"
        f"  {ACCOUNT} {{\n"
        "    jetstream: enabled\n"
        f"    users: [\n{users}\n    ]\n"
        "  }\n"
        "}\n"
    )


def _user(user: UserPermissions, password: str) -> str:
    deny = f", deny: {_list(user.publish_deny)}" if user.publish_deny else ""
    answers = ', allow_responses: { max: 1, expires: "1m" }' if user.answers else ""
    return (
        f"      {{ {_who(user.user, password)}, permissions: {{\n"
        f"        publish: {{ allow: {_list(user.publish)}{deny} }},\n"
        f"        subscribe: {{ allow: {_list(user.subscribe)} }}{answers}\n"
        "      } }"
    )


def _who(user: str, password: str) -> str:
    if _NKEY.fullmatch(password):
        return f"nkey: {password}"
    return f"user: {json.dumps(user)}, password: {json.dumps(password)}"


def _list(subjects: Sequence[str]) -> str:
    return json.dumps(list(subjects))
