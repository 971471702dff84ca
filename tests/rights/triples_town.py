"""A town of every unit for the triples: households of random standing, told by the units' own forms and heard through their own handlers."""

import importlib
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from sqlalchemy import text

from services.cases.casework import identity as desk_identity
from services.intake.handlers import disclose
from services.outreach import identity as outreach_identity
from shared.contracts.codes import fact_kinds
from shared.contracts.conference import ConferenceConvened, Forum
from shared.contracts.disclosure import Disclosure, DisclosureRequest
from shared.contracts.event import CATALOGUE, HouseholdId, LegalBasis, ReferralId
from shared.contracts.household import Area
from shared.messaging import Envelope, Handlers, WorkerContext
from shared.runtime import rights
from shared.runtime.auth import Staff
from shared.runtime.policies import Level, OfFact, Standing, may, may_fact
from shared.runtime.rights import place_of, reader_of
from shared.runtime.settings import Profile, Settings
from shared.runtime.ticket import japan_day
from shared.runtime.unit import TREE, Unit, all_units
from tests.conftest import TICKET_KEY, Templates
from tests.intake.papers import pdf
from tests.rights.canary_clues import Canary
from tests.rights.town import Answer, Place

DOMAINS = ("elderly", "disability", "children", "poverty")
#: whoever writes the town down; reads nothing, so that no page begins with what they did last
CLERK = Staff("clerk", "記録 係", frozenset({"reception"}))
WARDEN = Staff("warden", "保護 係", frozenset({"dv_officer"}))
CHIEF = Staff("chief", "長 係", frozenset({"manager"}))
HELPER = Staff("helper", "見守 係", frozenset({"outreach"}))
LEAD = Staff("lead", "中核 係", frozenset({"coordinator"}))
READERS = (
    Staff("r1", "読む 受付", frozenset({"reception"})), Staff("r2", "読む 隣席", frozenset({"reception"})),
    Staff("c1", "読む 調整", frozenset({"coordinator"})), Staff("c2", "読む 中央", frozenset({"coordinator"})),
    Staff("m1", "読む 管理", frozenset({"manager"})), Staff("h1", "読む 保護", frozenset({"dv_officer"})),
    Staff("a1", "読む 監査", frozenset({"auditor"})), Staff("o1", "読む 運用", frozenset({"operator"})),
    Staff("v1", "読む 訪問", frozenset({"outreach"})), Staff("v2", "読む 見守", frozenset({"outreach"})),
    Staff("rc", "読む 兼務", frozenset({"reception", "caseworker"}), frozenset({"elderly"})),
    *(Staff(f"{domain[0]}{n}", f"読む {domain}{n}", frozenset({"caseworker"}), frozenset({domain})) for domain in DOMAINS for n in (1, 2)),
)  # fmt: skip
BY_SUB = {one.sub: one for one in READERS}
_KANJI = "鸞鸚鵡鶺鴒鼈齷齪龕龠黐黔黜黝黴鼇鼕麝麒麟鹹鷓鴣鶻鵲鵺驪驩驥騾騫饕餮饂飩霹靂靄鑿鑢鐫鏖釁醴邂逅轢躑躅贔屓"
_KANA = "ヌネヘホムメモヤユヨラリルレロワヲソチツテト"
#: what is free text, and to whom it is open: FULL, unless it is written to be shared
FREE = ("told", "visitor", "own view", "evidence", "memo")
SHARED = ("shared note",)
#: 支援会議で知ったこと: 窓口で書いた職員と、その会議の出席者だけ
HEARD = ("heard",)
#: 保護担当だけ
GUARDED = ("guarded note",)


@dataclass(frozen=True)
class Wanted:
    """How a household stands. `against`, `glasses` are staff; `worker` takes the case at `domain`'s desk, nobody while it waits, and writes
    there what was said in the conference, if among those who attend it."""

    domain: str = ""
    worker: str = ""
    center: bool = False
    outreach: str = ""
    protected: str = ""
    against: tuple[str, ...] = ()
    glasses: tuple[str, ...] = ()
    withdrawn: bool = False
    moved_out: bool = False
    attend: tuple[str, ...] = ()


@dataclass
class Home:
    number: int
    wanted: Wanted
    who: Canary
    child: Canary
    marks: dict[str, str]
    #: unit → the name a path gives an id → the id
    ids: dict[str, dict[str, UUID]] = field(default_factory=dict)
    receipt_no: str = ""
    glasses: set[str] = field(default_factory=set)
    clues: list[tuple[str, str]] = field(default_factory=list)

    @property
    def id(self) -> HouseholdId:
        return HouseholdId(self.ids["intake"]["household_id"])

    def all_ids(self, unit: str) -> dict[str, UUID]:
        return {**self.ids["intake"], **self.ids.get(unit, {})}

    def standing(self, staff: Staff, unit: Unit) -> Standing:
        want, attends = self.wanted, staff.sub in self.wanted.attend
        cared_for, glass = self.cared_for_by(staff, unit), staff.sub in self.glasses
        return Standing(bool(want.protected), staff.sub in want.against, cared_for, glass, attends, attends)

    def cared_for_by(self, staff: Staff, unit: Unit) -> bool:
        want = self.wanted
        if unit.code == f"cases-{want.domain}":
            return want.worker in ("", staff.sub)
        return bool(want.outreach) and unit.code == "outreach"

    def level(self, staff: Staff, unit: Unit, level: Level) -> bool:
        """What the policies say, and nobody else."""
        return may(reader_of(staff), place_of(unit), level, self.standing(staff, unit))

    def hears(self, staff: Staff, unit: Unit) -> bool:
        """What was written of the conference at this unit: again what the policies say."""
        state = {"own": True, "consented": False, "told": True, "attending": staff.sub in self.wanted.attend, "glass": staff.sub in self.glasses}
        return self.level(staff, unit, Level.FULL) and all(
            may_fact(reader_of(staff), place_of(unit), action, LegalBasis.ART106_6, japan_day(), **state)
            for action in (OfFact.READ, OfFact.READ_NOTE)
        )


_SIGNED = text(
    """
    with signed as (update consent set form = 'written' where household_id = :h returning id, household_id, member_id),
      asked as (
        insert into consent_scan_removal (id, scan_id, consent_id, household_id, member_id, sha256, reason, state, asked_at, asked_by, asked_by_name)
        select gen_random_uuid(), gen_random_uuid(), id, household_id, member_id, 'x', 'wrong_person', 'waiting', now(), 'r1', '試験 受付'
        from signed)
    insert into consent_scan (id, consent_id, household_id, member_id, media_type, content, sha256, bytes, added_at, added_by, added_by_name)
    select gen_random_uuid(), id, household_id, member_id, 'application/pdf', cast(:paper as bytea), 'x', 1, now(), 'r1', '試験 受付' from signed
    returning id, consent_id
    """
)


def _word(dice: random.Random, letters: str, length: int) -> str:
    return "".join(dice.sample(letters, length))


def canary(dice: random.Random, number: int) -> Canary:
    """Nobody has the name, the telephone or the birthday of anybody else. No one letter tells: a name is four of them."""
    tail = chr(0x3400 + number * 7)  # an extension-A kanji per person: no two names are alike
    return Canary(
        _word(dice, _KANJI, 2) + tail, _word(dice, _KANJI, 2) + tail, _word(dice, _KANA, 5) + _KANA[number % 20], _word(dice, _KANA, 6),
        f"{_word(dice, _KANJI, 3)}{tail}町", f"0000-{10 + number % 80}-{1000 + number * 61 % 9000}", date(1934, 1, 3) + timedelta(days=number * 31),
        _word(dice, _KANJI, 3) + tail, f"0001-{10 + number % 80}-{1000 + number * 67 % 9000}", f"ふみ{_word(dice, _KANJI, 4)}{tail}",
    )  # fmt: skip


class Town:
    def __init__(self, places: dict[str, Place], dice: random.Random) -> None:
        self.places, self.dice = places, dice
        self.homes: list[Home] = []
        self.handlers: dict[str, Handlers] = {}
        self.read: dict[str, int] = {}
        for code, place in places.items():
            if code != "console":
                made = importlib.import_module(f"{place.unit.package}.worker").create_worker(place.settings, place.db)
                self.handlers[code] = made.handlers

    # ── asking

    async def ask(self, code: str, method: str, target: str, staff: Staff, form: dict[str, Any] | None = None) -> Answer:
        place = self.places[code]
        headers, body = place.signed(staff), b""
        if form is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded"}
            body = urlencode(form, doseq=True).encode()
        return await place.ask(method, target, headers, body)

    async def send(self, code: str, path: str, staff: Staff, expect: tuple[int, ...] = (200, 201, 303), /, **form: Any) -> Answer:
        answer = await self.ask(code, "POST", path, staff, {key.replace("__", "-"): value for key, value in form.items()})
        assert answer.status in expect, (code, path, staff.sub, answer.status, answer.body[-1500:])
        return answer

    async def rows(self, code: str, sql: str, **values: Any) -> list[Any]:
        async with self.places[code].db.read() as rd:
            return list(await rd.rows(text(sql), values))

    # ── the broker of this town: every unit hears what every other said, in order

    async def carry(self) -> None:
        kinds = {kind.type_name(): kind for kind in CATALOGUE.values()}
        said = True
        while said:  # what was heard makes somebody say something
            said = False
            for source in self.handlers:
                rows = await self.rows(
                    source, "select pos, type, payload from outbox where pos > :after order by pos", after=self.read.get(source, 0)
                )
                for row in rows:
                    self.read[source], said = row.pos, True
                    await self._heard(source, kinds[row.type].model_validate_json(row.payload), row.pos)

    async def _heard(self, source: str, event: Any, pos: int) -> None:
        now = datetime.now(UTC)
        envelope = Envelope(uuid4(), event.type_name(), source, event.household_id, now, now, event.channel, pos, uuid4())
        for code, handlers in self.handlers.items():
            heard = handlers.events.get(event.type_name()) if code != source else None
            if heard:
                async with self.places[code].db.transaction() as tx:
                    for handler in heard:
                        await handler(tx, event, envelope)

    # ── a household

    async def plant(self, want: Wanted, who: Canary | None = None) -> Home:
        """`who`: somebody who lives in another household already."""
        number = len(self.homes) + 1
        who, child = who or canary(self.dice, number * 2), canary(self.dice, number * 2 + 1)
        marks = {kind: f"{kind[:2]}{chr(0x3400 + number * 7)}{_word(self.dice, _KANJI, 4)}" for kind in (*FREE, *SHARED, *HEARD, *GUARDED, "send to")}
        home = Home(number, want, who, child, marks)
        await self._consulted(home)
        if want.protected == "first":
            await self._protected(home)
            await self.carry()
        await self._convened(home)
        await self._at_the_desks(home)
        if want.withdrawn:
            member = home.ids["intake"]["member_id"]
            form = {"withdrawal_id": uuid4(), "member_id": member, "scope": "all", "reason": "person_asked"}
            await self.send("intake", f"/intake/households/{home.id}/consents/withdraw", WARDEN, (303,), **form)
        if want.moved_out:
            form = {"reason": "separated", "effective_on": "今日"}
            await self.send("intake", f"/intake/households/{home.id}/members/{home.ids['intake']['child_id']}/leave", WARDEN, (303,), **form)
        if want.protected == "later":
            await self._protected(home)
        await self._guarded(home)
        await self.carry()
        home.clues = list(_clues(home))
        self.homes.append(home)
        return home

    async def _consulted(self, home: Home) -> None:
        who, child, want, key = home.who, home.child, home.wanted, uuid4()
        to = [f"cases-{want.domain}"] * bool(want.domain) + ["cases-center"] * want.center + ["outreach"] * bool(want.outreach)
        area = Area.TOI if want.protected else Area.SHUZENJI
        form = {
            "form_key": key, "route": "3", "role": "head", "name": who.name, "kana": who.kana, "birth": who.born, "area": area, "town": who.town,
            "phone": who.phone, "text": f"{home.marks['told']}と話した。", "topics": ["12", "13"], "urgency": "C", "consent": "given",
            "visitor_name": home.marks["visitor"], "visitor_phone": who.visitor_phone, "refer_to": to, "member-0-role": "child",
            "member-0-name": child.name, "member-0-kana": child.kana, "member-0-birth": child.born,
        }  # fmt: skip
        await self.send("intake", "/intake/new", CLERK, **form)
        (row,) = await self.rows("intake", "select id, household_id, subject_id, receipt_no from consultation where form_key = :key", key=key)
        (young,) = await self.rows("intake", "select id from member where household_id = :h and id <> :s", h=row.household_id, s=row.subject_id)
        home.receipt_no = row.receipt_no
        home.ids["intake"] = {"household_id": row.household_id, "consultation_id": row.id, "saved": row.id, "member_id": row.subject_id}
        home.ids["intake"] |= {"household": row.household_id, "child_id": young.id}
        await self._signed(home)
        await self.carry()

    async def _signed(self, home: Home) -> None:
        """What was said at the reception was also signed: the paper holds what was told."""
        async with self.places["intake"].db.transaction() as tx:
            for row in await tx.rows(_SIGNED, {"h": home.id, "paper": pdf(home.marks["told"])}):
                home.ids["intake"] |= {"consent_id": row.consent_id, "scan_id": row.id}

    async def _at_the_desks(self, home: Home) -> None:
        for row in await self.rows("intake", "select id, to_unit from referral where household_id = :h order by to_unit", h=home.id):
            home.ids[row.to_unit] = {"referral_id": row.id}
            await self._told_who(home, row.to_unit, row.id)
        want = home.wanted
        if want.worker:
            await self._case(home, f"cases-{want.domain}", BY_SUB[want.worker])
        if want.center:
            await self._case(home, "cases-center", LEAD)
        if want.outreach == "watched":
            await self._watched(home)

    async def _convened(self, home: Home) -> None:
        """The center has convened a 支援会議, and every unit has heard of it."""
        if not home.wanted.attend:
            return
        first, last = japan_day(), japan_day() + timedelta(days=9)
        event = ConferenceConvened(
            household_id=home.id, legal_basis=LegalBasis.ART106_6, conference_id=uuid4(), forum=Forum.CONFIDENTIAL, staff=home.wanted.attend,
            convened_on=first, ends_on=last, readable_until=last,
        )  # fmt: skip
        async with self.places["cases-center"].db.transaction() as tx:
            await rights.keep(tx, event)
            tx.publish(event)
        await self.carry()

    async def _told_who(self, home: Home, code: str, referral: UUID) -> None:
        """What intake answers, kept as the desk keeps it."""
        basis = LegalBasis.CONSENT if home.wanted.withdrawn else LegalBasis.INTERNAL_69_2_2
        asked = DisclosureRequest(asker=code, household_id=home.id, purpose="referral", legal_basis=basis, referral_id=ReferralId(referral))
        context = WorkerContext(self.places["intake"].db, None, None)  # type: ignore[arg-type]
        answer = Disclosure.model_validate_json(await disclose(asked.model_dump_json().encode(), context, code))
        async with self.places[code].db.transaction() as tx:
            await (outreach_identity if code == "outreach" else desk_identity).COPIES.keep(tx, ReferralId(referral), answer)

    async def _case(self, home: Home, code: str, worker: Staff) -> None:
        base, member = self.places[code].unit.base, home.ids["intake"]["member_id"]
        answer = await self.send(code, f"{base}/referrals/{home.ids[code]['referral_id']}/accept", worker, (303,), version=1)
        path, note = answer.headers["location"], uuid4()
        home.ids[code] |= {"case_id": UUID(path.rsplit("/", 1)[1]), "correct": note}
        written = {"shared": f"{home.marks['shared note']}を伝えた。", "private": f"{home.marks['own view']}と見る。"}
        await self.send(code, f"{path}/notes", worker, note_id=note, method="phone", **written)
        form = {"as_of": "今日", "confidence": "confirmed", "legal_basis": "INTERNAL_69_2_2", "evidence": f"{home.marks['evidence']}の控え"}
        await self.send(code, f"{path}/facts", worker, (303, 422), fact_id=uuid4(), kind="care_level", value="care2", member_id=member, **form)
        await self.send(code, f"{path}/facts", worker, (303, 422), fact_id=uuid4(), kind="child_concern", value="yes", member_id="household", **form)
        if worker.sub in home.wanted.attend:
            await self._in_conference(home, code, path, worker)

    async def _in_conference(self, home: Home, code: str, path: str, worker: Staff) -> None:
        """A fact and a note of the conference, which are the number that others try to correct."""
        note, word = uuid4(), home.marks["heard"]
        home.ids[code]["correct"] = note
        written = {"shared": f"{word}と聞いた。", "private": f"{word}と見る。", "partner": word, "next_action": word, "next_due": "+3"}
        await self.send(code, f"{path}/notes", worker, (303,), note_id=note, method="conference", told="1", **written)
        fact = {"kind": "issue", "value": next(iter(fact_kinds()["issue"].values)), "member_id": home.ids["intake"]["member_id"]}
        fact |= {"as_of": "今日", "confidence": "reported", "legal_basis": "ART106_6", "evidence": f"{word}から"}
        await self.send(code, f"{path}/facts", worker, (303,), fact_id=uuid4(), **fact)

    async def _watched(self, home: Home) -> None:
        form = {"version": 1, "plan_id": uuid4(), "member_id": home.ids["intake"]["member_id"], "tier": "B"}
        answer = await self.send("outreach", f"/outreach/referrals/{home.ids['outreach']['referral_id']}/accept", HELPER, (303,), **form)
        path = answer.headers["location"]
        home.ids["outreach"]["plan_id"] = UUID(path.rsplit("/", 1)[1])
        seen = {"check_in_id": uuid4(), "outcome": "met", "memo": f"{home.marks['memo']}の様子。", "version": 1}
        await self.send("outreach", f"{path}/check-ins", HELPER, (303,), **seen)

    async def _protected(self, home: Home) -> None:
        form = {"member_id": home.ids["intake"]["member_id"], "kind": "shien_sochi", "since": "今日", "send_to": f"{home.marks['send to']}気付"}
        form |= {"restrictions": ["no_phone"], "note": f"{home.marks['guarded note']}のこと"}
        await self.send("intake", f"/intake/households/{home.id}/protection", WARDEN, (303,), **form)

    async def _guarded(self, home: Home) -> None:
        for sub in home.wanted.glasses:
            form = {"number": str(home.id), "reason": "life", "note": "いま読まなければならない事情がある。"}
            await self.send("intake", "/intake/glass", BY_SUB[sub], (303,), **form)
            for row in await self.rows("intake", "select access_id from glass_request where state = 'waiting'"):
                await self.send("intake", f"/intake/glass/{row.access_id}/witness", WARDEN, (303, 409))
        home.glasses = {row.staff for row in await self.rows("intake", "select staff from break_glass where household_id = :h", h=home.id)}
        for sub in home.wanted.against:
            form = {"staff": sub, "kind": "neighbour"}
            await self.send("intake", f"/intake/households/{home.id}/conflicts", WARDEN, (303,), **form)

    async def find_ids(self) -> None:
        """What the units made of it by themselves: alerts and drafts of conferences."""
        for home in self.homes:
            for row in await self.rows("notify", "select id from alert where household_id = :h limit 1", h=home.id):
                home.ids.setdefault("notify", {})["alert_id"] = row.id
            for row in await self.rows("cases-center", "select conference_id from conference_draft where household_id = :h limit 1", h=home.id):
                home.ids.setdefault("cases-center", {})["conference_id"] = row.conference_id


def _clues(home: Home) -> list[tuple[str, str]]:
    """(kind, how it may be written)."""
    found = [("id", str(one)) for ids in home.ids.values() for one in ids.values()]
    found += [("id", home.receipt_no)] if home.number > 1 else []  # R8-0001 is the example in the console's field
    for who in (home.who, home.child):
        for clue in ("family name", "given name", "family kana", "given kana", "birth"):
            found += [(clue, form) for form in who.clues[clue]]
    found += [("town", home.who.town), *(("phone", form) for form in home.who.clues["phone"])]
    found += [("visitor's phone", form) for form in home.who.clues["visitor's phone"]]
    found += [("area", Area.TOI.label)] if home.wanted.protected else []
    return found + list(home.marks.items())


def wanted(dice: random.Random) -> list[Wanted]:
    """Every standing once by hand, then by chance."""
    fixed = [
        Wanted(), Wanted("elderly", "e1", outreach="watched", attend=("e1",)), Wanted("elderly", "", outreach="waiting"),
        Wanted("poverty", "p1", center=True, attend=("p1", "e2")),
        Wanted("elderly", "e1", protected="first", outreach="watched"), Wanted("elderly", "e2", protected="later", outreach="watched", center=True),
        Wanted("children", "", protected="later"), Wanted("disability", "d1", protected="later", outreach="waiting"), Wanted(protected="later"),
        Wanted("elderly", "e2", against=("e1", "c1", "r1", "m1"), outreach="watched"), Wanted("elderly", "e1", against=("e1", "v1", "h1", "rc")),
        Wanted("poverty", "p2", withdrawn=True), Wanted("elderly", "e1", withdrawn=True, protected="later"),
        Wanted("children", "", glasses=("e1", "p2")),
        Wanted("elderly", "e1", protected="later", glasses=("r1", "e2", "m1", "p1"), outreach="watched",
               attend=("e1",)),
        Wanted("elderly", "e2", protected="first", glasses=("r2", "c1"), against=("c1",), center=True),
        Wanted("elderly", "e1", moved_out=True, against=("r2",), attend=("e1", "d1")),
        Wanted("disability", "d2", protected="first", against=("d1", "h1")),
    ]  # fmt: skip
    return fixed + [_by_chance(dice) for _ in range(10)]


def _by_chance(dice: random.Random) -> Wanted:
    domain = dice.choice(("", *DOMAINS))
    workers = [one.sub for one in READERS if domain in one.domains and len(one.roles) == 1]
    subs = sorted(BY_SUB)
    askers = sorted(sub for sub, one in BY_SUB.items() if not one.roles & {"auditor", "operator"})
    return Wanted(
        domain, dice.choice(["", *workers]) if domain else "", dice.random() < 0.4, dice.choice(("", "waiting", "watched")),
        dice.choice(("", "", "first", "later", "later")), tuple(dice.sample(subs, dice.choice((0, 0, 2, 4)))),
        tuple(dice.sample(askers, dice.choice((0, 0, 1, 3)))), dice.random() < 0.2, dice.random() < 0.2,
    )  # fmt: skip


async def build(templates: Templates, dice: random.Random) -> AsyncIterator[Town]:
    places, names = {}, []
    async with AsyncExitStack() as stack:
        for unit in (*all_units(), Unit.read(TREE / "deploy/console/unit.toml")):
            name, url = await templates.clone(unit)
            names.append(name)
            settings = Settings(profile=Profile.TEST, database_url=url, ticket_keys=TICKET_KEY, public_url="http://testserver", roles="web")
            app = importlib.import_module(f"{unit.package}.app").create_app(settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            places[unit.code] = Place(unit, app, settings, app.state.db)
        town = Town(places, dice)
        await town.carry()
        for want in wanted(dice):
            await town.plant(want)
        await town.find_ids()
        yield town
    for name in names:
        await templates.drop(name)
