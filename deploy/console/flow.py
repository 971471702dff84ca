"""Looks a flow up: by receipt number or by trace id, for the page and for the terminal."""

from deploy.console import store
from deploy.console.receipt import receipt_no, trace_id
from deploy.console.waterfall import Waterfall, waterfall
from shared.runtime.database import Read
from shared.runtime.problems import FormIncomplete, NotFound


class NumberUnreadable(FormIncomplete):
    code = "number_unreadable"
    sentence = "受付番号は R8-0001 のような形で、記録番号は 32 桁の英数字で入れてください。"


class FlowUnknown(NotFound):
    code = "flow_unknown"
    sentence = (
        "この番号の記録は届いていません。番号を確かめてください。受け付けたばかりなら、数秒おいてもう一度お試しください。"
        "保存期間を過ぎた記録は消えています。"
    )


async def flows(handle: Read, typed: str, *, statements: bool = False) -> list[Waterfall]:
    """What the number set off, in order of time: the request first, later steps of people after it.

    Raises NumberUnreadable for what is neither number, FlowUnknown when nothing (or nothing yet) is known.
    """
    traces = await _traces(handle, typed)
    found: list[Waterfall] = []
    told: set[str] = set()
    for trace in traces:
        if trace not in told:
            spans = await store.flow(handle, trace)
            drawn = waterfall(spans.values(), trace, statements=statements)
            found += [drawn] if drawn else []
            told |= {row.span.trace_id for row in drawn.rows if row.span} if drawn else set()
    if not found:
        raise FlowUnknown
    return found


async def _traces(handle: Read, typed: str) -> list[str]:
    if trace := trace_id(typed):
        return [trace]
    if receipt := receipt_no(typed):
        return await store.traces_of(handle, receipt)
    raise NumberUnreadable
