"""Refusals: a business "no" is a class with a status and a Japanese sentence that says what to do."""

from typing import Any


class Refusal(Exception):
    """`sentence` is shown to the person at the desk; `fields` maps a form field to its own sentence; `retry_after` in seconds."""

    status: int = 409
    code: str = "refused"
    sentence: str = "この操作はできません。"

    def __init__(self, sentence: str | None = None, *, fields: dict[str, str] | None = None, retry_after: int | None = None) -> None:
        self.sentence = sentence or type(self).sentence
        self.fields = fields or {}
        self.retry_after = retry_after
        super().__init__(self.code)


class NotFound(Refusal):
    status = 404
    code = "not_found"
    sentence = "見つかりません。番号を確かめるか、一覧から開いてください。"


class FormIncomplete(Refusal):
    status = 422
    code = "form_incomplete"
    sentence = "入力を確かめてください。"


class ChangedMeanwhile(Refusal):
    """Optimistic lock: someone else saved first. `theirs` and `yours` are shown side by side."""

    status = 409
    code = "changed_meanwhile"
    sentence = "ほかの職員が先に更新しました。内容を見比べて、もう一度保存してください。"

    def __init__(self, sentence: str | None = None, *, theirs: dict[str, str] | None = None, yours: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.theirs = theirs or {}
        self.yours = yours or {}


class NotAllowed(Refusal):
    """`who_can` names the role that may grant it."""

    status = 403
    code = "not_allowed"
    sentence = "この画面を開く権限がありません。"

    def __init__(self, sentence: str | None = None, *, who_can: str = "所属の管理者") -> None:
        super().__init__(sentence)
        self.who_can = who_can


class TryLater(Refusal):
    status = 503
    code = "try_later"
    sentence = "いまは保存できません。入力はこの画面に残っています。少し待って、もう一度押してください。"


def refusals(*classes: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: the refusals it may answer with."""
    return {kind.status: {"description": kind.sentence} for kind in classes}
