"""同意の取り直し: 支えの続くあいだ、同意の期間（一年）が終わる前に本人に聞き直す。聞きそびれた人は「同意の取り直し」の一覧に残る。"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random
from uuid import UUID

from deploy.city.commands import AcceptReferral, CloseCase, Command, LeaveHousehold, PlanWatch, ReceiveConsultation, Refer, RenewConsent
from deploy.city.diary import Diary, japan_day
from deploy.city.parameters import Parameters
from deploy.city.people import Household


def renewals(city: Parameters, rng: Random, household: Household, commands: Sequence[Command], until: datetime) -> list[RenewConsent]:
    """`rng` is its own, so that nothing else of the history depends on how often somebody was asked again."""
    support = _support(commands, until)
    diary, share = Diary(household, rng, until), 1.0 if household.demo else city.raw["history"]["consent_renewed"]
    return [
        one
        for asked in commands
        if isinstance(asked, ReceiveConsultation) and asked.consent == "given"
        for referral in asked.referrals
        if referral.id in support
        for one in _renewed(diary, asked, referral, min(support[referral.id], _ends(commands, asked)), share)
    ]


def _support(commands: Sequence[Command], until: datetime) -> dict[UUID, datetime]:
    """受理されたつなぎと、それによる支えがいつまで続いたか（いまも続いていれば `until`）。"""
    closed = {command.case: command.at for command in commands if isinstance(command, CloseCase)}
    cases = {command.referral.id: closed.get(command.case, until) for command in commands if isinstance(command, AcceptReferral)}
    return cases | {command.referral.id: until for command in commands if isinstance(command, PlanWatch)}


def _ends(commands: Sequence[Command], asked: ReceiveConsultation) -> datetime:
    """その人がいなくなるか、あとで断った時刻。"""
    who, late = asked.members[0], datetime.max.replace(tzinfo=asked.at.tzinfo)
    gone = (c.at for c in commands if isinstance(c, LeaveHousehold) and c.member == who)
    refused = (c.at for c in commands if isinstance(c, ReceiveConsultation) and c.members[0] == who and c.consent == "refused" and c.at > asked.at)
    return min((*gone, *refused), default=late)


def _renewed(diary: Diary, asked: ReceiveConsultation, referral: Refer, ends: datetime, share: float) -> Iterator[RenewConsent]:
    day = japan_day(asked.at)
    for nth in count(1):
        day += timedelta(days=diary.rng.randint(330, 355))
        at = diary.office_hour(day)
        if at >= ends or diary.rng.random() >= share:
            return
        yield RenewConsent(at, asked.household, UUID(int=referral.id.int ^ nth), asked.members[0], referral.to)
