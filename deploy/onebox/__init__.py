"""One box: 一台の機械で、すべてのユニットを本物の部品（PostgreSQL・NATS・Caddy）の上で動かす。

入口は `make up`（bootstrap.sh → `python -m deploy.onebox up`）。ここから services を import してはならない:
ユニットは別プロセスとして起動され、単体でも動く。
"""
