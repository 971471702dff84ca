"""On which grounds an alert stands; a reader to whom one of them is not open does not see it. One rule may speak to two desks.

Alerts raised before have no grounds yet: their title is read by whom the lane they were raised in is open to (`Alert.declared`), none of their
evidence. Once the projection "knowledge" is made again (`rebuild --doubted`) the review gives them their grounds, and tells nobody anew.
"""

from alembic import op

revision = "notify_0003"
down_revision = "notify_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table alert add column bases text[] not null default '{unknown}'")
    op.execute("update alert set bases = '{INTERNAL_69_2_2}' where body ->> 'lane' = 'internal'")
    op.execute("update alert set bases = '{ART106_6}' where body ->> 'lane' = 'art106_6'")
    op.execute("alter table alert drop constraint alert_household_id_rule_id_version_key")
    op.execute("alter table alert add constraint alert_version unique (household_id, rule_id, to_unit, version)")
    op.execute("drop index alert_once")
    op.execute("create unique index alert_once on alert (household_id, rule_id, to_unit) where is_open")
