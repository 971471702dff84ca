"""サインアウトの出来事。Owned by whoever mounts the sign-in: a session or all sessions of an account are over, everywhere."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event, StaffId


class SessionsRevoked(Event):
    """セッションを終わらせた。`sid` があればその一つ、なければ `staff` が `before` までに始めたすべて。"""

    channel: ClassVar[str] = "session"
    name: ClassVar[str] = "revoked"

    staff: StaffId
    sid: UUID | None = None
    before: datetime
