"""tables.py says what migrations/ built, and the vocabulary of concerns is in the contract."""

from pathlib import Path

import yaml
from sqlalchemy import Connection, inspect

from services.intake import tables
from services.intake.concerns import concern_fields
from services.intake.parameters import parameters_on
from services.intake.receipt_number import local_day
from shared.contracts.codes import fact_kinds
from tests.intake.conftest import Desk


async def test_the_tables_are_what_the_migration_built(desk: Desk) -> None:
    def built(connection: Connection) -> dict[str, dict[str, bool]]:
        look = inspect(connection)
        return {name: {column["name"]: column["nullable"] for column in look.get_columns(name)} for name in tables.metadata.tables}

    async with desk.db.engine.connect() as connection:
        found = await connection.run_sync(built)
    said = {name: {column.name: bool(column.nullable) for column in table.columns} for name, table in tables.metadata.tables.items()}
    assert found == said


def test_every_concern_is_a_fact_of_the_contract() -> None:
    fields, kinds = concern_fields(), fact_kinds()
    for scope, concerns in (("member", fields.member), ("household", fields.household)):
        for concern in concerns:
            assert kinds[concern.kind].scope in (scope, "either")
            assert set(dict(concern.options)) <= set(kinds[concern.kind].values)


def test_the_city_replaces_a_threshold_from_a_day_on(tmp_path: Path) -> None:
    city = {"matching.propose": [{"value": 90, "from": "2027-04-01", "source": "架空市 要綱"}]}
    (tmp_path / "intake.yaml").write_text(yaml.safe_dump(city, allow_unicode=True).replace("'2027-04-01'", "2027-04-01"), encoding="utf-8")
    from datetime import UTC, datetime

    before, after = (local_day(datetime(2027, month, 2, tzinfo=UTC)) for month in (3, 4))
    assert parameters_on(before, tmp_path).weights.propose == 85
    assert parameters_on(after, tmp_path).weights.propose == 90


def test_the_city_may_ask_its_own_concerns(tmp_path: Path) -> None:
    own = {"member": [{"kind": "dementia", "label": "もの忘れ", "values": ["suspected"]}], "household": []}
    (tmp_path / "intake_concerns.yaml").write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    (field,) = concern_fields(tmp_path).member
    assert field.is_check
    assert field.label == "もの忘れ"
