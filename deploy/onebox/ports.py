"""空いているポートを選ぶ。"""

import random
import socket
from contextlib import closing

# Below Linux' ephemeral range (32768–60999): a port picked here is not taken by somebody's outgoing connection before we bind it.
LOWEST, HIGHEST = 20000, 32000


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """そのポートで待ち受けられるか。PermissionError は、番号が root だけのもの（1024 未満）のとき。"""
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise
        except OSError:
            return False
        return True


def free_port(taken: frozenset[int] | set[int] = frozenset()) -> int:
    """いま空いているループバックのポート。`taken` は既に誰かに約束した番号。"""
    for _ in range(1000):
        port = random.randint(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    raise RuntimeError("空いているポートが見つかりません。 / No free loopback port found.")
