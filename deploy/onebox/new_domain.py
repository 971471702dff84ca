"""`make new-domain NAME=housing TITLE=住まいの窓口`: 分野のユニットを一つ、動く形で作る。

いちばん特例の少ない分野（くらしの窓口）の写しから始め、その分野だけの決まり（根拠法、聞くこと）を外す。
ほかのユニットは触らない: 新しい分野は DomainAnnounced で自分から名乗る。
"""

import re
import subprocess
import sys
from pathlib import Path

from deploy.onebox.home import ROOT

SOURCE, SOURCE_TITLES = "poverty", ("くらしの窓口（生活困窮者自立支援）", "くらしの窓口", "くらし", "社会福祉課")
NAME = re.compile(r"[a-z][a-z0-9]{1,19}")
PROFILE = '''"""{title}。"""

from pathlib import Path

from services.cases.casework.profile import Profile
from shared.contracts.event import LegalBasis

PROFILE = Profile(
    unit="cases-{name}",
    folder=Path(__file__).parent,
    welfare_domain="{name}",
    basis=LegalBasis.INTERNAL_69_2_2,
    bases=(LegalBasis.CONSENT, LegalBasis.INTERNAL_69_2_2, LegalBasis.LIFE_EMERGENCY),
)
'''
README = """# {title}（cases-{name}）

動かす: `make up ONLY=cases-{name}`　設定: `deploy/units/cases-{name}.env`　決まり: `parameters.yaml`

まだ決めていないこと: 使える法的根拠（`unit.toml` と `__init__.py`）、聞くこと（`parameters.yaml`）、見直しの間隔。
"""
PARAMETERS = """# {title}の決まり。共通の決まり（casework/parameters.yaml）に勝つ。
asked:
  - from: 2024-04-01
    source: "[D] 分野を作ったときの最小の既定。この分野の様式に合わせて直す"
    value:
      - {{kind: issue, ask: "あてはまるものを一つずつ"}}
      - {{kind: key_person, ask: "困ったとき動いてくれる人がいるか"}}
      - {{kind: consent, ask: "どこまで知らせてよいかを本人に聞く"}}
"""


class CannotCreate(ValueError):
    """作れない理由。"""


def create(name: str, title: str, root: Path = ROOT) -> list[Path]:
    """作ったファイルと、書き足したファイルを返す。"""
    if not NAME.fullmatch(name):
        raise CannotCreate("NAME は英小文字で始まる英小文字と数字（2〜20 文字）にしてください。例: make new-domain NAME=housing TITLE=住まいの窓口")
    if not title.strip() or any(mark in title for mark in '"\\\n'):
        raise CannotCreate("TITLE に窓口の名前を書いてください。例: TITLE=住まいの窓口")
    target = root / "services" / "cases" / name
    if target.exists():
        raise CannotCreate(f"services/cases/{name} はもうあります。")
    source = root / "services" / "cases" / SOURCE
    copied = ("app.py", "worker.py", "__main__.py", "pyproject.toml")
    files = {target / file: _renamed((source / file).read_text(encoding="utf-8"), name, title) for file in copied}
    files[target / "unit.toml"] = _manifest((source / "unit.toml").read_text(encoding="utf-8"), name, title)
    for file, text in (("__init__.py", PROFILE), ("README.md", README), ("parameters.yaml", PARAMETERS)):
        files[target / file] = text.format(name=name, title=title)
    env = root / "deploy" / "units"
    files[env / f"cases-{name}.env"] = _renamed((env / f"cases-{SOURCE}.env").read_text(encoding="utf-8"), name, title)
    files[root / "pyproject.toml"] = _layer((root / "pyproject.toml").read_text(encoding="utf-8"), name)
    files[root / "deploy/onebox/staff.yaml"] = _staff((root / "deploy/onebox/staff.yaml").read_text(encoding="utf-8"), name, title)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


def _renamed(text: str, name: str, title: str) -> str:
    for words in SOURCE_TITLES:
        text = text.replace(words, title)
    return text.replace("生活困窮", title).replace(SOURCE, name)


def _manifest(text: str, name: str, title: str) -> str:
    text = _renamed(text, name, title).replace('"KONKYU_9", ', "")
    return re.sub(r"(?m)^order = \d+$", "order = 39", text)


def _layer(text: str, name: str) -> str:
    """import の取り決め: 新しい分野も、ほかの分野と並ぶ（互いに import しない）。"""
    return re.sub(r'(layers = \["elderly \|)([^"]*)\| center"', rf'\1\2| {name} | center"', text)


def _staff(text: str, name: str, title: str) -> str:
    return text + f"- {{sub: {name}-1, name: 見本 {name}, roles: [caseworker], domains: [{name}], team: {title}, note: {title}のケースを担当する}}\n"


def main() -> None:
    try:
        written = create(sys.argv[1], " ".join(sys.argv[2:]))
    except CannotCreate as refusal:
        sys.exit(str(refusal))
    for path in written:
        print(path.relative_to(ROOT))
    generate()
    print(f"次に: make up で動かし（ほかのプロセスは止まらない）、services/cases/{sys.argv[1]}/README.md の「まだ決めていないこと」を決める。")


def generate() -> None:
    """CODEOWNERS・AsyncAPI・出来事の表を作り直す。別のプロセスで: ここでは、もう古い一覧を読んでいるかもしれない。"""
    subprocess.run([sys.executable, "-m", "shared.contracts.generate"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
