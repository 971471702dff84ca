"""同意書の写しを付ける・見る。中身は、世帯のすべてを見てよい人にだけ、ファイルとして渡す。"""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from services.intake import consent_scan, consent_scan_store, consent_store, household_store, scan_removal_store
from services.intake.access import Desk, OnDay, Today
from services.intake.consent import Consent
from services.intake.consent_scan import MB, Media, NothingSigned, ScanRefused
from services.intake.household import Household
from services.intake.scan_removal import RemovalReason
from shared.contracts.event import LegalBasis
from shared.desk import redirect, render
from shared.desk.wareki import moment
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Rd, Read, Tx
from shared.runtime.policies import Level
from shared.runtime.problems import NotFound, Refusal, refusals

router = APIRouter()
SCANS = "/households/{household_id}/consents/{consent_id}/scans"
#: 一度に送れる全部。日付のある基準値にはできない: 入口（Caddy）も枠（web.py）も、だれの・いつのものかを読む前に、届くバイトを数えて断る。
#: unit.toml の large_bodies（根拠 [D] もそこ）と同じであることは tests/rights/test_matrix.py が見る
AT_ONCE = 20 * MB
NO_CONSENT = "この同意は見つかりません。世帯の「同意」から開き直してください。"
NO_SCAN = "この写しは見つかりません。世帯の「同意」から開き直してください。"
#: ブラウザーは保存するだけで、開かない。開く人がいても、この場所の権限では何も動かない
AS_A_FILE = {"Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'", "Cache-Control": "no-store"}


class Unreadable(Refusal):
    status = 400
    code = "upload_cut_off"
    sentence = "送られた内容が途中で切れていて、写しは保存していません。画面を開き直して、もう一度送ってください。"


class _InMemory(MultiPartParser):
    """署名のある紙を、一時ファイルとしてディスクに残さない。`ended` は、最後の区切りまで届いたか。"""

    spool_max_size = AT_ONCE + MB
    ended = False

    def on_end(self) -> None:
        self.ended = True


async def _sent(request: Request, staff: Desk) -> list[bytes]:
    """送られたファイルの中身。名前はここで捨てる。取引の前に受け取る: 遅い回線が、データベースの接続を持ち続けないように。"""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return []
    try:
        async with aclosing(request.stream()) as stream:
            parser = _InMemory(request.headers, stream, max_files=50, max_fields=20)
            form = await parser.parse()
    except (MultiPartException, ClientDisconnect) as broken:
        raise Unreadable from broken
    if not parser.ended:
        raise Unreadable
    files = [await one.read() for one in form.getlist("scan") if isinstance(one, UploadFile) and one.filename]
    await form.close()
    return files


Sent = Annotated[list[bytes], Depends(_sent)]


@dataclass(frozen=True)
class Signed:
    """書面の同意一つと、その世帯。"""

    home: Household
    consent: Consent


async def signed(handle: Read, household_id: UUID, consent_id: UUID, level: Level) -> Signed:
    """`level` まで見てよい世帯の、書面の同意。Raises NotFound（隠された世帯も）, NotAllowed, NothingSigned.

    書くときは世帯の行を押さえる: 数の決まりも、同時の消去も、一人ずつ。"""
    home = await household_store.load(handle, household_id, lock=level is Level.WRITE)
    if handle.rights:
        handle.rights.check(level, home.id)
    known = await consent_store.of_household(handle, home.id)
    found = next((one for one in known.given if one.id == consent_id), None)
    if found is None:
        raise NotFound(NO_CONSENT)
    consent_scan.must_be_signed(found)
    return Signed(home, found)


async def screen(request: Request, handle: Read, on: Signed, today: Today, block: str | None = None, **more: Any) -> Response:
    """`block`: 直してもらう様式（422）。"""
    limits, kept = today.parameters.scans, (await consent_scan_store.of_household(handle, on.home.id)).get(on.consent.id, [])
    removals = await scan_removal_store.of_consent(handle, on.consent.id)
    waits = {one.scan_id: one for one in removals if one.waits}
    values = {
        "home": on.home,
        "name": on.home.member(on.consent.member_id).display_name,
        "consent": on.consent,
        "scans": kept,
        "waits": waits,
        "settled": [one for one in removals if not one.waits],
        "removable": [
            (str(one.id), f"{moment(one.added_at)} {one.added_by}（{one.media.label}、{one.kilobytes:,} KB）") for one in kept if one.id not in waits
        ],
        "reasons": [(one.value, one.label) for one in RemovalReason],
        "removal": {"scan_id": "", "reason": ""},
        "limits": {"one": f"{min(limits.bytes, AT_ONCE) / MB:.3g}", "files": limits.files, "at_once": AT_ONCE // MB},
        "accept": ",".join(Media),
        "writes": handle.rights is None or handle.rights.may(Level.WRITE, on.home.id),
        "errors": {},
        "removal_errors": {},
    }
    return render(request, "consent_scans.html", values | more, block=block, status=422 if block else 200)


@router.get(SCANS, responses=refusals(NothingSigned))
async def show(request: Request, household_id: UUID, consent_id: UUID, rd: Rd, staff: Desk, today: OnDay) -> Response:
    on = await signed(rd, household_id, consent_id, Level.FULL)
    await note(rd, staff, "view", "consent", consent_id, on)
    return await screen(request, rd, on, today)


@router.post(SCANS, max_body_size=AT_ONCE, responses=refusals(ScanRefused, Unreadable))
async def add(request: Request, household_id: UUID, consent_id: UUID, staff: Desk, sent: Sent, tx: Tx, today: OnDay) -> Response:
    """写しを付ける。二度押し、同じファイルは一つの写しになる。"""
    on = await signed(tx, household_id, consent_id, Level.WRITE)
    kept = (await consent_scan_store.of_household(tx, on.home.id)).get(consent_id, [])
    try:
        scans = consent_scan.read(sent, today.parameters.scans)
        new = consent_scan.new_ones(scans, [one.sha256 for one in kept], today.parameters.scans)
    except ScanRefused as refused:
        return await screen(request, tx, on, today, "add_form", errors=refused.fields)
    for scan_id in await consent_scan_store.add(tx, on.consent, new, staff):
        await note(tx, staff, "create", "consent_scan", scan_id, on)
    return redirect(request, f"/intake/households/{on.home.id}/consents/{consent_id}/scans")


@router.get(SCANS + "/{scan_id}", response_class=Response, responses=refusals(NotFound))
async def read(household_id: UUID, consent_id: UUID, scan_id: UUID, rd: Rd, staff: Desk) -> Response:
    """写しの中身。ファイルの名前にも、だれのものかは出さない。"""
    on = await signed(rd, household_id, consent_id, Level.FULL)
    found = await consent_scan_store.content(rd, consent_id, scan_id)
    if found is None:
        raise NotFound(NO_SCAN)
    await note(rd, staff, "view", "consent_scan", scan_id, on)
    return as_a_file(scan_id, *found)


def as_a_file(scan_id: UUID, media: Media, content: bytes) -> Response:
    named = {"Content-Disposition": f'attachment; filename="consent-{scan_id.hex[:8]}.{media.ending}"', "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=media.value, headers=AS_A_FILE | named)


async def note(handle: Read, staff: Staff, action: str, kind: str, about: UUID, on: Signed, purpose: str = "consent") -> None:
    returned = ("name", "consent") if action == "view" else ()
    basis = None if action == "view" else LegalBasis.CONSENT
    await audit.record(handle, staff, action, kind, about, household_id=on.home.id, returned=returned, purpose=purpose, legal_basis=basis)
