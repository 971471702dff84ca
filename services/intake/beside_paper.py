"""口頭の「同意あり」は、続いている同意を狭めない: 同意書で言った目的と、除くと言った項目は、撤回するまで生きている (domain.md §1.4)。

広げもしない: 目的は、相手のだれに対しても前から言われていたものだけを足す。
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from services.intake.consent import Consent, Consents, Source
from shared.contracts.consent import Purpose
from shared.contracts.consent_uses import use_of, wanted
from shared.contracts.event import UnitCode

#: 「同意あり」とだけ聞いたときの目的
PURPOSES = frozenset({Purpose.CONSULTATION, Purpose.OUTREACH})


def beside(known: Consents, spoken: Consent, on: date) -> Consent:
    """いま続いている同意 `known` のそばで言われた言葉。同意書だけで足りる相手は、同意書のままにする（`recipients` から除く）。"""
    standing = {unit: one for unit in spoken.recipients if (one := known.standing(spoken.member_id, unit, on)) and one.id != spoken.id}
    left = spoken.recipients - {unit for unit, one in standing.items() if _is_enough(one, unit, on)}
    carried = [standing[unit] for unit in sorted(left) if unit in standing]
    kept = frozenset.intersection(*(one.purposes for one in carried)) if carried and len(carried) == len(left) else frozenset()
    limits = [one.valid_to for one in carried] if kept - spoken.purposes else []
    return replace(
        spoken,
        recipients=left,
        purposes=spoken.purposes | kept,
        excluded=spoken.excluded.union(*(one.excluded for one in carried)),
        valid_to=min([spoken.valid_to, *limits]),
    )


def _is_enough(one: Consent, unit: UnitCode, on: date) -> bool:
    """その窓口が使うところに足りる同意書。"""
    return one.source is Source.FORM and wanted(use_of(unit, on), on).met_by(one.purposes)


def widened(known: Consents, spoken: Consent, units: Iterable[UnitCode], on: date) -> Consent:
    """同じ言葉の相手を増やす。一つの言葉の目的は一つなので、増える相手に言われていない目的は落ちる（要るときは、同意書で聞き直す）。"""
    more = beside(known, replace(spoken, recipients=frozenset(units) - spoken.recipients, purposes=PURPOSES), on)
    if not more.recipients:
        return spoken
    return replace(more, recipients=spoken.recipients | more.recipients, purposes=spoken.purposes & more.purposes)
