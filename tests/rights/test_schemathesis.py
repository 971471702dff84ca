"""Whatever the schema allows, and what a hostile form sends beside it: no crash, no traceback, no secret to whoever is not let in.

schemathesis generates the requests from each unit's OpenAPI; forms are read by hand in our routes and so are not in it: their fields come
from the pages. The sending is ours, in the apps' own loop. Always the same examples (derandomized).
"""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from shared.desk import templates_for
from shared.runtime.auth import Staff
from tests.rights.test_matrix import EVERYBODY
from tests.rights.town import CANARIES, Answer, Place, people, table

EXAMPLES = 3
#: the first test of a run migrates nine databases
pytestmark = pytest.mark.timeout(600)
FIELD = re.compile(r"""name="([a-z_0-9-]+)"|\bf\.\w+\('([a-z_0-9-]+)'""")
HOSTILE = (
    "", " ", "0", "-1", "1", "99999999999999999999", "9" * 5000, "true", "2026-02-30", "令和99年13月1日", "S18.4.1",
    "<script>alert(1)</script>", "' or 1=1 --", "{{7*7}}", "%00", "a\x00b", "\u202e逆", "髙﨑𠮷", "\U0001f600" * 300,
    "\r\nSet-Cookie: x=1", "../../etc/passwd", "null", "NaN", "00000000-0000-4000-8000-000000000000", "A", "C", "phone", "not_asked", "head",
)  # fmt: skip
#: what all fields get at once: each has crashed somebody's parser
EVERYWHERE = ("-1", "99999999999999999999", "令和99年13月1日", "a\x00b", "\u202e逆", "\r\nSet-Cookie: x=1", "00000000-0000-4000-8000-000000000000")
#: desks with the same code as cases-elderly: one example of each is enough
ALIKE = ("cases-children", "cases-disability", "cases-poverty")


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


def drawn(strategy: st.SearchStrategy[Any], examples: int) -> list[Any]:
    """The same examples every time."""
    found: list[Any] = []

    @settings(max_examples=examples, derandomize=True, database=None, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(example: Any) -> None:
        found.append(example)

    draw()
    return found


def generated(place: Place) -> Iterator[Sent]:
    with warnings.catch_warnings():  # a desk's own page in the place of a common one has the same operation id
        warnings.simplefilter("ignore", UserWarning)
        schema = schemathesis.openapi.from_dict(place.app.openapi())
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for case in drawn(operation.as_strategy(), 1 if place.unit.code in ALIKE else EXAMPLES):
            yield from _requests(place, case)
        if operation.method == "post":
            for form in hostile_forms(place):
                yield _form(place, operation.path, form)


def hostile_forms(place: Place) -> list[dict[str, str]]:
    """Every field the same strange thing, for each of them; and mixtures."""
    fields = form_fields(place)
    if place.unit.code in ALIKE:
        return [dict.fromkeys(fields, EVERYWHERE[0])]
    return [dict.fromkeys(fields, value) for value in EVERYWHERE] + drawn(
        st.dictionaries(st.sampled_from(fields), st.sampled_from(HOSTILE), max_size=25), EXAMPLES
    )


def _requests(place: Place, case: Any) -> Iterator[Sent]:
    """As generated, and the same with the ids of what is really there."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    wanted = {name: str(value) for name, value in prepared.headers.items() if name.lower() not in ("content-length", "user-agent", "cookie")}
    headers = {name.lower(): value for name, value in wanted.items() if value.isascii() and value.isprintable()}
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    query = prepared.path_url.partition("?")[2]
    for path in dict.fromkeys((prepared.path_url.partition("?")[0], place.path(case.operation.path, real=True))):
        yield Sent(case.method.upper(), case.operation.path, f"{path}?{query}" if query else path, headers, body)


def _form(place: Place, path: str, form: dict[str, str]) -> Sent:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Sent("POST", path, place.path(path, real=True), headers, urlencode(form).encode())


def form_fields(place: Place) -> list[str]:
    """Every name that a form of this unit's pages uses."""
    environment = templates_for(place.unit)
    loader = environment.loader
    assert loader
    names = [name for name in loader.list_templates() if not name.startswith("desk/")]
    texts = (loader.get_source(environment, name)[0] for name in names)
    return sorted({a or b for text in texts for a, b in FIELD.findall(text)} | {"version", "form_key", "revision", "place"})


async def send(place: Place, sent: Sent, staff: Staff | None) -> Answer:
    signed = place.signed(staff) if staff else {}
    return await place.ask(sent.method, sent.target, {**sent.headers, "accept": "text/html", **signed}, sent.body)


def judge(answer: Answer, sent: Sent, who: str) -> list[str]:
    said = f"{who}: {sent.method} {sent.target[:200]} {sent.body[:300]!r} answered {answer.status}"
    crashed = answer.status >= 500 or "Traceback (most recent call last)" in answer.body or "sqlalchemy" in answer.body.lower()
    split = any("\r" in value or "\n" in value for value in answer.headers.values()) or "x=1" in answer.headers.get("set-cookie", "")
    told = not answer.let_in and any(word in answer.body for word in CANARIES)
    return [said] if crashed or split or told else []


@pytest.fixture
def sendings(place: Place) -> list[Sent]:
    return list(generated(place))


async def test_nothing_a_signed_in_person_sends_crashes_a_unit(place: Place, sendings: list[Sent]) -> None:
    """As somebody who may do everything: every branch behind the doors."""
    found = [line for sent in sendings for line in judge(await send(place, sent, EVERYBODY), sent, "everybody")]
    assert found == []


async def test_each_role_and_nobody_is_answered_without_a_crash_or_a_secret(place: Place, sendings: list[Sent]) -> None:
    """One sending for each door; the doors of a role were judged by the matrix."""
    doors = list({(sent.method, sent.path): sent for sent in sendings}.values())
    asked: Callable[[Sent], Any] = lambda sent: table(place.unit)[f"{sent.method} {sent.path}"]  # noqa: E731
    found = []
    for staff in (None, *people(place.unit)):
        who = next(iter(staff.roles)) if staff else "nobody"
        for sent in doors:
            answer = await send(place, sent, staff)
            found += judge(answer, sent, who)
            if staff is None and asked(sent) not in ("public", "this_machine") and answer.let_in:
                found.append(f"{who} was let in: {sent.method} {sent.path} answered {answer.status}")
    assert found == []
