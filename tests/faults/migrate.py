"""`python -m tests.faults.migrate <database url> <unit>`: the tables as this tree's version knows them."""

import asyncio
import sys

from shared.runtime.migrate import upgrade
from tests.faults.town import BY_CODE

if __name__ == "__main__":
    asyncio.run(upgrade(sys.argv[1], BY_CODE[sys.argv[2]]))
