# つながり / Tsunagari — the same words for every team.   make help
PY := .venv/bin/python
export UV_PYTHON_DOWNLOADS := never
# Japanese in, Japanese out, whatever the machine's own locale says.
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help env up down status logs messaging city trace test test-slow test-faults check generate screens bench faults assets lock new-domain

help: ## この一覧 / this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env:
	@sh deploy/onebox/bootstrap.sh

up: env ## 立ち上げる（PORT=8080、ONLY=cases-children、NATS_NODES=3、WORKERS=2）/ start everything
	@$(PY) -m deploy.onebox up $(foreach unit,$(ONLY),--only $(unit))

down: env ## 止める。データは残る / stop, keeping the data
	@$(PY) -m deploy.onebox down

status: env ## 様子を見る / what is running
	@$(PY) -m deploy.onebox status || true

logs: env ## ログを見る（UNIT=intake）/ follow a unit's log
	@$(PY) -m deploy.onebox logs $(or $(UNIT),supervisor) --follow

messaging: env ## 便りの背骨を見る・直す（DO="held list"）/ look after the backbone (deploy/runbooks/messaging.md)
	@.venv/bin/tsunagari messaging $(or $(DO),status)

city: env ## 架空の市（28,012 人）を読み込む / load the whole fictional city
	@$(PY) -m deploy.city load

trace: env ## 受付番号から流れを追う（RECEIPT=R8-0001）/ print the trace of a consultation
	@test -n "$(RECEIPT)" || { echo '受付番号を指定してください: make trace RECEIPT=R8-0001 / name a receipt'; exit 2; }
	@$(PY) -m deploy.console trace "$(RECEIPT)"

test: check ## 検査とテスト（15分以内）/ checks and tests, in less than a quarter of an hour
	@$(PY) -m pytest -m "not slow and not browser" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: env ## ブラウザーと長いもの / the long ones and those in a browser
	@$(PY) -m shared.desk.assets --dev
	@$(PY) -m deploy.onebox.chromium
	@$(PY) -m pytest -m "slow or browser" --timeout 900 --ignore tests/faults

test-faults: env ## 障害を一つずつ / every fault as a row of its own
	@$(PY) -m pytest -m slow tests/faults --timeout 900

check: env ## 書式と import の取り決め / lint and import contracts
	@$(PY) -m shared.desk.assets --dev
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/mypy shared services deploy

generate: env ## 契約の図式と出来事の表を作り直す / rewrite schemas, AsyncAPI and the event map
	@$(PY) -m shared.contracts.generate

screens: env ## README の画面を撮り直す / take the README's screenshots again
	@$(PY) -m shared.desk.assets --dev
	@SCREENS=1 $(PY) -m pytest tests/browser

bench: env ## 性能を測る（PARTS="backbone growth"、WRITE=1 で RESULTS.md に）/ measure
	@$(PY) -m tests.benchmarks $(PARTS) $(if $(WHOLE),--whole) $(if $(WRITE),--write)

faults: env ## 壊しながら動かす（MINUTES=5 SEED=1 NODES=3）/ break it while it runs, then judge
	@$(PY) -m tests.faults --minutes $(or $(MINUTES),3) --nodes $(or $(NODES),1) $(if $(SEED),--seed $(SEED)) $(if $(RATE),--rate $(RATE)) $(if $(JSON),--json)

assets: env ## 画面の部品を取得する / fetch the front-end assets
	@$(PY) -m shared.desk.assets

lock: env ## requirements.lock を作り直す / resolve the lock again
	@.venv/bin/uv pip compile requirements.in --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -o requirements.lock

new-domain: env ## 分野を足す（NAME=housing TITLE=住まい）/ scaffold a welfare domain
	@$(PY) -m deploy.onebox.new_domain "$(NAME)" "$(TITLE)"
