"""What a unit keeps only because others told it, declared so that it can be made again from their events (rebuild.py).

told = handlers.projection("households", Kept("household"), Kept("member"))

@handlers.on(MemberLeft)          # live
@told.fed_by(MemberLeft)          # and again in a rebuild: nothing but these tables, no event, no timer, no intent
async def member_left(tx, event, envelope): ...
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from shared.contracts.event import Event
from shared.messaging.envelope import Envelope

if TYPE_CHECKING:
    from shared.runtime.database import Transaction

OnEvent = Callable[["Transaction", Any, Envelope], Awaitable[None]]
#: many at once, in order: for a projection whose rebuild must take minutes and not hours
OnEvents = Callable[["Transaction", Sequence[tuple[Any, Envelope]]], Awaitable[None]]
Feed = TypeVar("Feed", bound=OnEvent)
Feeds = TypeVar("Feeds", bound=OnEvents)


@dataclass(frozen=True, slots=True)
class Kept:
    """A table with a primary key. `beside`: columns that are not made from events (when it was heard here); they stay as they are.
    `goes_last`: of an erased household it goes with the last record that is kept, not before (erasure.py)."""

    table: str
    beside: tuple[str, ...] = ()
    goes_last: bool = False


@dataclass
class Projection:
    """`own`: what the unit says itself belongs into it as well; those events are read from its own outbox, after all others.
    `doubted`: a statement that is true when the tables lack what this version keeps of events heard before it (`rebuild --doubted`)."""

    name: str
    tables: tuple[Kept, ...]
    own: bool = False
    doubted: str = ""
    feeds: dict[str, list[OnEvent]] = field(default_factory=dict)
    many: dict[str, OnEvents] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)

    def fed_by(self, *kinds: type[Event]) -> Callable[[Feed], Feed]:
        """The function writes these tables and has no other effect: a rebuild refuses it any."""

        def register(feed: Feed) -> Feed:
            for kind in self._channels_of(kinds):
                self.feeds.setdefault(kind.type_name(), []).append(feed)
            return feed

        return register

    def fed_in_batches_by(self, *kinds: type[Event]) -> Callable[[Feeds], Feeds]:
        """Instead of `fed_by`, for these kinds: the function gets every run of such events at once."""

        def register(feed: Feeds) -> Feeds:
            for kind in self._channels_of(kinds):
                self.many[kind.type_name()] = feed
            return feed

        return register

    def _channels_of(self, kinds: tuple[type[Event], ...]) -> tuple[type[Event], ...]:
        self.channels |= {kind.channel for kind in kinds}
        return kinds

    def hears(self, type_name: str) -> bool:
        return type_name in self.many or type_name in self.feeds
