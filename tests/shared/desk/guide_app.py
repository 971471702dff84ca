"""A small Starlette app that serves the style guide and mock-ups of B1, C2 and D1, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.desk import DeskFiles, redirect, render, say

HERE = Path(__file__).parent
CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
DAY, NOW = date(2026, 11, 20), datetime(2026, 11, 23, 1, 12, tzinfo=UTC)
EMPTY = {
    "way": "phone",
    "caller": "",
    "relation": "",
    "name": "",
    "kana": "",
    "birth": "",
    "phone": "",
    "story": "",
    "topics": [],
    "urgency": "",
    "consent": "not_asked",
}


@dataclass
class Heard:
    """What the browser asked for, and how the app is to answer next."""

    candidates: list[dict[str, str]] = field(default_factory=list)
    drafts: list[dict[str, str]] = field(default_factory=list)
    saves: list[dict[str, str]] = field(default_factory=list)
    answer: str = "saved"
    slot_status: int = 200
    drafts_wait: bool = False
    locks: int = 0
    lock_status: int = 200
    streams: list["asyncio.Queue[str]"] = field(default_factory=list)
    last_event_ids: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, word: str) -> None:
        """A number raises that alert on every open page; "end" closes the streams."""
        for queue in self.streams:
            queue.put_nowait(word)


class Frame:
    """The headers of shared/runtime/web.py and a signed-in person."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", CSP.encode())]
            await send(message)

        if scope["type"] == "http":
            scope.setdefault("state", {})["staff"] = SimpleNamespace(
                sub="uketsuke-1", name="佐藤 花子", roles=frozenset({"reception"}), role_label="受付"
            )
        await self.app(scope, receive, with_headers)


def entry(label: str, href: str, order: int) -> Any:
    return SimpleNamespace(label=label, href=href, roles=(), order=order)


NAVIGATION = [
    entry("今日", "/", 5),
    entry("受付", "/b1", 10),
    entry("担当ケース", "/c2", 30),
    entry("アラート", "/d1", 60),
    entry("見守り", "/outreach/watch", 70),
]


def guide_context() -> dict[str, Any]:
    receipts = [
        {"number": f"R8-000{n}", "time": f"1{n}:12", "name": "高橋 文子", "area": "修善寺", "urgency": "B 3日以内", "tone": "warning", "count": n}
        for n in (1, 2)
    ]
    return {"birth": date(1943, 4, 1), "age": 83, "day": DAY, "now": NOW, "members": [{"name": "高橋 一郎", "relation": "son"}], "receipts": receipts}


CANDIDATES: list[dict[str, Any]] = [
    {
        "name": "髙橋 文子",
        "kana": "タカハシ フミコ",
        "lines": ["修善寺 柏久保552", "83歳・長男と二人暮らし・高齢"],
        "why": [("フリガナ", True), ("生年月日", True), ("電話", False)],
        "score": 98,
    },
    {
        "name": "高橋 史子",
        "kana": "タカハシ フミコ",
        "lines": ["土肥 小土肥121", "45歳・母子・こども"],
        "why": [("フリガナ", True), ("生年月日", False)],
        "score": 61,
    },
]
ALERTS: list[dict[str, Any]] = [
    {
        "id": "alert-1",
        "severity": "S1",
        "title": "80代の親と50代の子の世帯で、介護認定の更新月に滞納が重なっています",
        "household": "高橋 文子さんの世帯",
        "area": "修善寺",
        "evidence": [
            ("高齢", "要介護2、11月に更新", DAY),
            ("生活困窮", "住民税の滞納 3か月", DAY),
            ("総合相談", "8年ほど外に出ていない（聞き取り）", NOW),
        ],
        "due": "期限まで 2時間",
        "tone": "danger",
        "status": "未対応",
        "taken": "",
    },
    {
        "id": "alert-2",
        "severity": "S2",
        "title": "同じ世帯に三つの窓口が別々に関わっています",
        "household": "土屋 進さんの世帯",
        "area": "中伊豆",
        "evidence": [("障害", "ケース開始", DAY), ("こども", "ケース開始", DAY), ("生活困窮", "ケース開始", NOW)],
        "due": "残り 2日",
        "tone": "warning",
        "status": "未対応",
        "taken": "",
    },
    {
        "id": "alert-3",
        "severity": "S3",
        "title": "見守りの確認が35日途絶えています",
        "household": "山口 ハルさんの世帯",
        "area": "土肥",
        "evidence": [("訪問", "最終確認 令和8年10月19日", DAY)],
        "due": "残り 9日",
        "tone": "",
        "status": "受け持ち中",
        "taken": "鈴木 一郎",
    },
]


def alert_html(request: Request, number: int) -> str:
    alert = {**ALERTS[1], "id": f"new-{number}", "title": f"新しい知らせ {number}"}
    body = render(request, "d1.html", {"alerts": [alert], "now": NOW, "a": alert}, block="row").body
    return bytes(body).decode()


def create(heard: Heard) -> Starlette:
    async def guide(request: Request) -> Response:
        return render(request, "desk/styleguide.html", guide_context())

    async def b1(request: Request) -> Response:
        candidates = CANDIDATES if "full" in request.query_params else []
        values = EMPTY
        if candidates:
            values = EMPTY | {
                "caller": "高橋 一郎",
                "relation": "child",
                "name": "髙橋 文子",
                "kana": "タカハシ フミコ",
                "birth": "S18.4.1",
                "phone": "0558-72-0000",
                "urgency": "B",
            }
            values |= {"story": "母（83歳）と同居。8年ほど外に出ていない。年金で暮らしている。", "topics": ["care", "withdrawn"], "consent": "given"}
        return render(
            request,
            "b1.html",
            {"errors": {}, "values": values, "members": [{"name": "高橋 一郎", "relation": "son"}] if candidates else [], "candidates": candidates},
        )

    async def save(request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        heard.saves.append(form)
        match heard.answer:
            case "saved":
                return redirect(request, "/guide")
            case "slow":
                await heard.gate.wait()
                return redirect(request, "/guide")
            case "errors" | "slow errors":
                if heard.answer == "slow errors":
                    await heard.gate.wait()
                errors = {"name": "氏名を入れてください。"}
                values = EMPTY | {key: value for key, value in form.items() if key in EMPTY and key != "topics"}
                return render(request, "b1.html", {"errors": errors, "values": values, "members": [], "candidates": []}, block="form", status=422)
            case "conflict":
                texts = {"theirs": {"相談の内容": "先に保存された文"}, "yours": {"相談の内容": form.get("story", "")}}
                return render(request, "desk/conflict.html", {"sentence": "見比べて、もう一度保存してください。", **texts}, status=409)
            case "signed off":
                return Response('{"code":"sign_in_needed"}', 401, media_type="application/json")
            case _:
                return render(request, "desk/problem.html", {"title": "少しお待ちください", "sentence": "いまは保存できません。"}, status=503)

    async def candidates(request: Request) -> Response:
        heard.candidates.append({key: str(value) for key, value in (await request.form()).items()})
        return render(request, "b1.html", {"candidates": CANDIDATES}, block="near")

    async def draft(request: Request) -> Response:
        heard.drafts.append({key: str(value) for key, value in (await request.form()).items()})
        if heard.drafts_wait:
            await heard.gate.wait()
        return say(Response(status_code=204), "下書き保存 10:12")

    async def c2(request: Request) -> Response:
        facts = [
            ("要介護度", "要介護2", "確認済", "success"),
            ("ひきこもり", "8年", "聞き取り", "info"),
            ("就労", "していない", "聞き取り", "info"),
            ("家計", "滞納のおそれ", "疑い", "warning"),
        ]
        return render(request, "c2.html", {"birth": date(1943, 4, 1), "now": NOW, "day": DAY, "facts": facts})

    async def d1(request: Request) -> Response:
        return render(request, "d1.html", {"alerts": ALERTS, "now": NOW})

    async def slot(request: Request) -> Response:
        if heard.slot_status != 200:
            return Response(status_code=heard.slot_status)
        return Response(SLOT, media_type="text/html")

    async def stream(request: Request) -> Response:
        heard.last_event_ids.append(request.headers.get("last-event-id", ""))

        queue: asyncio.Queue[str] = asyncio.Queue()
        heard.streams.append(queue)

        async def events() -> AsyncIterator[str]:
            yield ": open\n\n"
            try:
                while (word := await queue.get()) != "end":
                    data = "\n".join("data: " + line for line in alert_html(request, int(word)).splitlines())
                    yield f"id: {word}\n{data}\n\n"
            finally:
                heard.streams.remove(queue)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def problem(request: Request) -> Response:
        match request.path_params["kind"]:
            case "not_allowed":
                return render(
                    request,
                    "desk/not_allowed.html",
                    {"sentence": "こどもの窓口の職員だけが開けます。", "who_can": "こども家庭課の管理者"},
                    status=403,
                )
            case "conflict":
                values = {"theirs": {"相談の内容": "母の件、電話あり。", "緊急度": "B"}, "yours": {"相談の内容": "母の件、来所。", "緊急度": "B"}}
                return render(
                    request,
                    "desk/conflict.html",
                    {"title": "先に更新されています", "sentence": "見比べて、もう一度保存してください。", **values},
                    status=409,
                )
            case "signed_out":
                return render(request, "desk/signed_out.html", {})
            case _:
                return render(
                    request, "desk/problem.html", {"title": "見つかりません", "sentence": "番号を確かめるか、一覧から開いてください。"}, status=404
                )

    async def lock(request: Request) -> Response:
        heard.locks += 1
        return Response(status_code=heard.lock_status)

    async def back(request: Request) -> Response:
        """Whoever signed in again: `?as=` another person."""
        request.state.staff.sub = request.query_params.get("as", request.state.staff.sub)
        return render(request, "desk/signed_back.html", {})

    async def livez(request: Request) -> Response:
        return Response(status_code=200)

    app = Starlette(
        routes=[
            Route("/guide", guide),
            Route("/guide", save, methods=["POST"]),
            Route("/b1", b1),
            Route("/b1", save, methods=["POST"]),
            Route("/c2", c2),
            Route("/d1", d1),
            Route("/candidates", candidates, methods=["POST"]),
            Route("/draft", draft, methods=["POST"]),
            Route("/slot", slot),
            Route("/stream", stream),
            Route("/problem/{kind}", problem),
            Route("/auth/lock", lock, methods=["POST"]),
            Route("/auth/back", back),
            Route("/livez", livez),
            Mount("/static/desk", DeskFiles()),
        ],
        middleware=[Middleware(Frame)],
    )
    app.state.unit = SimpleNamespace(root=HERE, migrations=())
    app.state.navigation = NAVIGATION
    app.state.settings = SimpleNamespace(screen_lock_minutes=5)
    return app


SLOT = """<h2 class="slot-title">世帯の動き</h2>
<ol class="timeline">
<li class="timeline-item"><p class="timeline-when">令和8年11月20日</p><p class="timeline-title">訪問（不在）</p></li>
<li class="timeline-item"><p class="timeline-when">令和8年11月18日</p><p class="timeline-title">民生委員から見守り情報</p></li>
</ol>"""
