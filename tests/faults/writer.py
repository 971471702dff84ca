"""The writer: several tasks that commit business rows and their events on the same few households, and abort now and then.

What the database acknowledged is written to a ledger outside it: a commit that was acknowledged and is gone is a finding.
"""

import asyncio
import json
import logging
import os
import random
from typing import TextIO
from uuid import UUID, uuid4, uuid5

from shared.contracts.event import Event, HouseholdId, LegalBasis
from shared.runtime.database import Database
from tests.faults import business, markers
from tests.faults.controls import Controls
from tests.faults.town import event

log = logging.getLogger("tsunagari.faults")

TASKS = 4
HOUSEHOLDS = tuple(uuid5(UUID(int=0), f"household {number}") for number in range(48))
ABORTS = 0.08
#: a writer that takes its locks out of order now and then: a deadlock is an aborted transaction and nothing else
UNSORTED = 0.02

Said = tuple[UUID, str, list[UUID]]


class Aborted(Exception):
    """The person changed their mind before the commit."""


async def write(db: Database, controls: Controls, ledger: TextIO, stop: asyncio.Event, *, rate: float) -> None:
    """About `rate` events a second until `stop`."""
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(_again_and_again(db, controls, ledger, stop, rate / TASKS))


async def _again_and_again(db: Database, controls: Controls, ledger: TextIO, stop: asyncio.Event, rate: float) -> None:
    while not stop.is_set():
        if controls.wishes.quiet:
            await asyncio.sleep(0.1)
            continue
        said = _something_to_say()
        try:
            await _commit(db, said)
            ledger.write(json.dumps([[str(household), channel, [str(mark) for mark in marks]] for household, channel, marks in said]) + "\n")
        except Aborted:
            pass
        except Exception as error:  # the database died, refused or rolled back: nothing was promised to anybody
            log.warning("not_written error=%s", type(error).__name__)
            await asyncio.sleep(0.3)
        await asyncio.sleep(sum(len(marks) for *_, marks in said) / rate * random.uniform(0.6, 1.4))


def _something_to_say() -> list[Said]:
    homes = random.sample(HOUSEHOLDS, random.choice((1, 1, 2, 3)))
    said = [(home, random.choice(("household", "fact")), [uuid4() for _ in range(random.randint(1, 5))]) for home in homes]
    return said if random.random() < UNSORTED else sorted(said)


async def _commit(db: Database, said: list[Said]) -> None:
    async with db.transaction() as tx:
        for household, channel, marks in said:
            await business.write(tx, household, channel, marks)
            tx.publish(*(_event(channel, household, mark) for mark in marks))
        if random.random() < ABORTS:
            raise Aborted(markers.PERSON["name"])


def _event(channel: str, household: UUID, mark: UUID) -> Event:
    if channel == "fact" and os.environ.get("FAULTS_FUTURE") and random.random() < 0.3:
        from tests.faults.future import KINDS

        kind = random.choice(KINDS)
        return kind(household_id=HouseholdId(household), legal_basis=LegalBasis.CONSENT, fact_id=mark)
    return event(channel, household, mark)
