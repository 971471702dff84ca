"""B2 受付簿と、一つの受付: 見る・訂正する・つなぐ・取り消す。"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.intake import amendment, consultation, drafts, household_store, lists, pages, record_form, spoken, store
from services.intake.access import Desk, Fields, OnDay, RecordReader, RegisterReader, Today, writable
from services.intake.consultation import AlreadyWithdrawn, Consultation, ConsultationIncomplete, StaffRef
from services.intake.lists import Entry, Filter, State
from shared.contracts.consultation import ConsentState
from shared.contracts.household import Area
from shared.desk import redirect, render
from shared.desk.wareki import DateUnreadable, parse_date
from shared.runtime import audit
from shared.runtime.announce import referral_targets, unit_titles
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.policies import Gate, Level
from shared.runtime.problems import ChangedMeanwhile, NotFound, refusals

router = APIRouter()
LONGEST = 366


@dataclass(frozen=True)
class Period:
    """受付簿の期間と状態（URL のとおり）。期間は和暦でも読み、空や読めない日は今日にする。"""

    since: str = ""
    until: str = ""
    state: State | None = None
    page: int = 1

    def read(self, today: date) -> tuple[Filter, dict[str, str]]:
        """しぼり込みと、読めなかった欄。長すぎる期間は一年に切る。"""
        days, errors = [], {}
        for name, text in (("since", self.since), ("until", self.until)):
            try:
                days.append(parse_date(text, today=today) if text.strip() else today)
            except DateUnreadable as unreadable:
                days.append(today)
                errors[name] = unreadable.sentence
        first, last = sorted(days)
        return Filter(max(first, last - timedelta(days=LONGEST)), last, self.state, max(self.page, 1)), errors


@router.get("/")
async def register(request: Request, rd: Rd, staff: RegisterReader, today: OnDay, fields: Fields, period: Annotated[Period, Depends()]) -> Response:
    """受付簿。初めは今日。見せた受付番号を記録する。"""
    wanted, errors = period.read(today.date)
    entries, counts = await lists.entries(rd, wanted, today.date)
    shown = [_as_seen(rd, entry) for entry in entries[(wanted.page - 1) * lists.PAGE : wanted.page * lists.PAGE]]
    if shown:
        receipts, homes = " ".join(entry.receipt_no for entry in shown), [entry.household_id for entry in shown]
        await audit.record(rd, staff, "list", "consultation", receipts, households=homes, returned=("name",), purpose="register")
    context = {
        "entries": shown,
        "found": len(entries),
        "counts": counts,
        "wanted": wanted,
        "period": period,
        "errors": errors,
        "titles": await unit_titles(rd),
        "drafts": await drafts.mine(rd, staff.sub, tuple(field.kind for field in fields.member)),
        "pages": -(-len(entries) // lists.PAGE),
        "periods": pages.periods(today.date),
    }
    return render(request, "register.html", context | pages.labels(today.date))


def _as_seen(handle: Read, entry: Entry) -> Entry:
    """保護された世帯の圏域は、所在を見てよい職員にだけ。"""
    return entry if handle.rights is None or handle.rights.sees_place(entry.household_id) else replace(entry, area=Area.UNKNOWN)


@dataclass(frozen=True)
class Record:
    """一つの受付の画面。"""

    request: Request
    handle: Read
    staff: Staff
    today: Today

    async def show(self, one: Consultation, *, status: int = 200, block: str | None = None, **more: Any) -> Response:
        household = pages.as_seen(self.handle, await household_store.load(self.handle, one.household_id))
        rights = self.handle.rights
        whole = rights is None or rights.may(Level.FULL, household.id)
        titles = await unit_titles(self.handle)
        sent = (await lists.referrals_of(self.handle, [one.id])).get(one.id, ())
        targets = [unit for unit in await referral_targets(self.handle) if unit.unit not in {s.to_unit for s in sent if s.status != "declined"}]
        context = {
            "one": one,
            "household": household,
            "subject": household.member(one.subject_id),
            "members": pages.member_lines(household, self.today.date),
            "facts": pages.fact_lines(await store.facts_of(self.handle, one.id), household),
            "sent": sent,
            "state": lists.state_of(one.withdrawn is not None, sent, self.today.date),
            "titles": titles,
            "targets": pages.target_options(targets),
            "whole": whole,
            "history": await store.history(self.handle, one.id) if whole else (),
            "typed": record_form.typed_from(one.content),
            "version": one.version,
            "errors": {},
            "conflict": None,
            "writes": bool(rights and rights.enters(Gate.RECEIVE) and rights.may(Level.WRITE, household.id)),
        }
        values = pages.choices(self.today.date) | pages.labels(self.today.date) | context | more
        return render(self.request, "record.html", values, block=block, status=status)


@router.get("/consultations/{consultation_id}")
async def record(request: Request, consultation_id: UUID, rd: Rd, staff: RecordReader, today: OnDay) -> Response:
    one = await store.load(rd, consultation_id)
    if rd.rights:
        if not rd.rights.may(Level.KNOW, one.household_id):  # somebody with a glass for another household: the words of a record that is not there
            raise NotFound(store.NOT_FOUND)
        rd.rights.check(Level.SUMMARY, one.household_id)
    whole = rd.rights is None or rd.rights.may(Level.FULL, one.household_id)
    given = pages.given(rd, one.household_id, *["consultation"] * whole)
    await audit.record(rd, staff, "view", "consultation", one.id, household_id=one.household_id, returned=given, purpose="intake")
    return await Record(request, rd, staff, today).show(one)


@router.post("/consultations/{consultation_id}/correct", responses=refusals(ChangedMeanwhile, ConsultationIncomplete, AlreadyWithdrawn))
async def correct(request: Request, consultation_id: UUID, tx: Tx, staff: Desk, today: OnDay, posted: record_form.Form) -> Response:
    """訂正する。ほかの職員が先に直していれば、両方を並べて、打った内容のまま見比べてもらう（409）。"""
    one = await store.load(tx, consultation_id, lock=True)
    writable(tx, one.household_id)
    screen = Record(request, tx, staff, today)
    try:
        content = record_form.content(posted, today.date)
        told, by = await store.consent_fact(tx, one.id), StaffRef(staff.sub, staff.name)
        outcome = amendment.correct(one, content, seen_version=posted.version, by=by, at=tx.now, new_id=uuid4, consent_fact=told)
    except ConsultationIncomplete as incomplete:
        return await screen.show(one, typed=posted, version=posted.version, errors=incomplete.fields, block="form", status=422)
    except ChangedMeanwhile as changed:
        return await screen.show(one, typed=posted, conflict=changed, block="form", status=409)
    await store.save_amendment(tx, one, outcome, today.parameters)
    await audit.record(tx, staff, "update", "consultation", one.id, household_id=one.household_id)
    return redirect(request, f"/intake/consultations/{one.id}")


@router.post("/consultations/{consultation_id}/withdraw", responses=refusals(AlreadyWithdrawn, ConsultationIncomplete))
async def withdraw(request: Request, consultation_id: UUID, tx: Tx, staff: Desk) -> Response:
    """取り消す。理由は区分、事情の文はこの窓口に残る。"""
    one = await store.load(tx, consultation_id, lock=True)
    writable(tx, one.household_id)
    reason, note = record_form.withdrawal(await request.form())
    facts = await store.live_facts(tx, one.id)
    outcome = amendment.withdraw(one, reason, note, facts=facts, by=StaffRef(staff.sub, staff.name), at=tx.now)
    await store.save_amendment(tx, one, outcome)
    await audit.record(tx, staff, "withdraw", "consultation", one.id, household_id=one.household_id)
    return redirect(request, f"/intake/consultations/{one.id}")


@router.post("/consultations/{consultation_id}/referrals", responses=refusals(AlreadyWithdrawn, ConsultationIncomplete))
async def refer(request: Request, consultation_id: UUID, tx: Tx, staff: Desk, today: OnDay) -> Response:
    """あとからつなぐ。"""
    one = await store.load(tx, consultation_id, lock=True)
    writable(tx, one.household_id)
    targets = frozenset(unit.unit for unit in await referral_targets(tx))
    to = record_form.targets(await request.form())
    members = tuple(dict.fromkeys([one.subject_id, *await store.members_with_facts(tx, one.id)]))
    later = await spoken.states_for(tx, one, to, tx.now)
    made = consultation.refer(one, to, members, at=tx.now, reply_due=today.parameters.reply_due, targets=targets, new_id=uuid4, consents=later)
    await store.save_referrals(tx, made)
    agreed = [referral.to for referral in made if referral.consent is ConsentState.GIVEN]
    await spoken.more_recipients(tx, one, await store.consent_fact(tx, one.id), agreed)
    tx.publish(*made)
    await audit.record(tx, staff, "refer", "consultation", one.id, household_id=one.household_id)
    return redirect(request, f"/intake/consultations/{one.id}")
