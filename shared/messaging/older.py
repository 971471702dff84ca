"""The refusal of a database that was restored from an older copy: what it would write now, others have heard differently already."""

from shared.runtime.problems import Refusal


class DatabaseOlderThanStream(Refusal):
    """Passes when an operator has run `adopt-stream`."""

    status = 503
    code = "database_older_than_stream"
    sentence = "データベースが古い時点に戻っているため、いまは記録できません。入力はこの画面に残っています。システム担当へ知らせてください。"
