"""読む人に開いている気づきだけを、データベースが返す。何が開くかは policies/facts.cedar が、読む人ごとに一度だけ決める。

The SQL says the same as `notice.seen` and `grounds.agreed_with`, for lists and counts (tests/rights/test_alert_readers.py compares them).
"""

from sqlalchemy import ColumnElement, and_, text

from services.notify.grounds import Eyes, eyes_of, purposes_for
from services.notify.tables import alert
from shared.desk.wareki import japan_day
from shared.runtime.database import Read
from shared.runtime.policies import Gate, Level, Reader
from shared.runtime.rights import Rights

_SAID = """jsonb_to_recordset(household.facts -> 'said')
  {0}(id uuid, member_id uuid, given boolean, recipients text[], since date, until date, said_at timestamptz,
    purposes text[])"""
#: その窓口への、いちばん新しい言葉（grounds._agrees）
_AGREES = f"""coalesce((
  select c.given and (c.until is null or c.until >= :today) and (c.purposes is null or c.purposes && cast(:purposes as text[]))
  from {_SAID.format("c")}
  where c.member_id = m.id and c.since <= :today and case when c.recipients is not null then c.recipients && cast(:units as text[])
    else not c.given or not exists (select from {_SAID.format("r")}
      where r.member_id = m.id and not r.given and r.since <= :today and (r.since, r.said_at, r.id) > (c.since, c.said_at, c.id)) end
  order by c.since desc, c.said_at desc, c.id desc limit 1), false)"""  # noqa: S608 — the pieces are our own constants
_AGREED = f"coalesce(cardinality(g.whose), 0) > 0 and not exists (select from unnest(g.whose) m(id) where not {_AGREES})"
_WORD = f"g.basis || case when g.basis = 'CONSENT' and {_AGREED} then '+c' else '' end"
#: すべての要る根拠が開いている。ふつうは一つめの比較で済む
_SEES = f"""(
  alert.bases <@ cast(:plain as text[]) or alert.household_id = any(cast(:glasses as uuid[]))
  or (jsonb_array_length(coalesce(alert.body -> 'needed', '[]')) > 0 and not exists (
    select from jsonb_to_recordset(alert.body -> 'needed') g(source text, basis text, whose uuid[])
    where not case when g.basis is null then g.source = any(cast(:units as text[]))
      else {_WORD} = any(case when g.source = any(cast(:units as text[])) then cast(:own as text[]) else cast(:others as text[]) end) end))
)"""


def eyes(handle: Read) -> Eyes:
    """この取引で読む人の目。だれでもなければ、何も見えない。"""
    return eyes_with(handle.rights) if handle.rights else eyes_of(Reader(frozenset()), japan_day(handle.now))


def eyes_with(rights: Rights) -> Eyes:
    glasses = (one for one, standing in rights.special.items() if standing.glass and rights.may(Level.SUMMARY, one))
    return eyes_of(rights.reader, rights.today, glasses)


def oversees(handle: Read) -> bool:
    """センターと管理者の受信箱には、どの窓口あての気づきも入る。"""
    return handle.rights is not None and handle.rights.enters(Gate.OVERSEE_ALERTS)


def is_theirs(handle: Read, to: str) -> bool:
    """`to` あての気づきが、この読み手の受信箱に入るか。"""
    return oversees(handle) or to in eyes(handle).units


def in_inbox(handle: Read) -> ColumnElement[bool]:
    """A condition on `alert`, left joined with `household`: what the reader's inbox holds."""
    return sees(handle) if oversees(handle) else and_(alert.c.to_unit.in_(sorted(eyes(handle).units)), sees(handle))


def sees(handle: Read) -> ColumnElement[bool]:
    """A condition on `alert`, left joined with `household`."""
    reader = eyes(handle)
    plain = sorted(word for word in reader.own & reader.others if "+" not in word)
    return text(_SEES).bindparams(
        plain=plain,
        own=sorted(reader.own),
        others=sorted(reader.others),
        units=sorted(reader.units),
        glasses=list(reader.glasses),
        today=reader.on,
        purposes=sorted(purposes_for(reader.units, reader.on)),
    )  # type: ignore[return-value]
