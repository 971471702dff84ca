"""Network partitions: links cut without a word, half connections, nodes that cannot hear each other."""

import asyncio
from random import Random

from tests.faults.fault import Fault
from tests.faults.network import Network
from tests.faults.world import World


def _of(world: World) -> Network:
    assert world.network is not None, "this world has no network of its own"
    return world.network


class CutLink(Fault):
    """A node behind a cut cable: services and (in a cluster) the other nodes lose it, and nobody gets a reset."""

    name = "partition: node cut off"
    needs = frozenset({"netns"})
    weight = 7
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        network, number = _of(world), random.randrange(world.nodes)
        world.counts["partitions"] += 1
        network.cut(number)
        await asyncio.sleep(random.uniform(2, 9))
        network.mend(number)


class HalfOpen(Fault):
    """The node hears the services and they do not hear it: publishes arrive, acknowledgements and deliveries do not."""

    name = "partition: half-open, answers lost"
    needs = frozenset({"netns"})
    weight = 7
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        network, number = _of(world), random.randrange(world.nodes)
        world.counts["partitions"] += 1
        network.mute(number, None)
        await asyncio.sleep(random.uniform(2, 9))
        network.unmute(number, None)


class NodesApart(Fault):
    """Two nodes of the cluster cannot speak to each other, while the services reach both."""

    name = "partition: two nodes apart"
    needs = frozenset({"netns", "cluster"})
    weight = 7
    patience = 120.0

    async def apply(self, world: World, random: Random) -> None:
        network, (one, other) = _of(world), random.sample(range(world.nodes), 2)
        world.counts["partitions"] += 1
        network.mute(one, other)
        if random.random() < 0.5:  # else it is asymmetric
            network.mute(other, one)
        await asyncio.sleep(random.uniform(3, 12))
        network.unmute(one, other)
        network.unmute(other, one)


PARTITIONS = (CutLink, HalfOpen, NodesApart)
