"""`python -m deploy.onebox up|down|status|logs|supervise`。普段は make から呼ばれる。"""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from deploy.onebox.home import Home, read_json
from deploy.onebox.progress import Steps
from deploy.onebox.trouble import Trouble, explained

SUGGESTED = {"uketsuke-1": "reception desk", "koreisha-1": "caseworker, elderly", "center-1": "integration center", "unyo-1": "operator"}

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="つながり — 一台で動かす / the one box")


@app.command()
def up(only: Annotated[list[str] | None, typer.Option(help="このユニットだけ（サインインのため intake も動く）")] = None) -> None:
    """立ち上げる。もう一度実行してもデータは残る。"""
    from deploy.onebox.up import Up

    home, steps = Home.current(), Steps()
    run = Up(home, only or [], steps)
    complete = run.run()
    for name, log in run.troubled.items():
        steps.console.print(f"\n[red]✗ {name} が動いていません / is not running[/red]\n{escape(log)}\n→ make logs UNIT={name}", soft_wrap=True)
    _greet(home, steps.console)
    if not complete:
        raise typer.Exit(1)


@app.command()
def down() -> None:
    """止める。データは残る。"""
    from deploy.onebox.down import down as stop

    stop(Home.current(), Steps())


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="機械が読む形")] = False) -> None:
    """様子を見る。すべて準備ができていれば終了コード 0。"""
    from deploy.onebox import status as state

    content = state.report(Home.current())
    if as_json:
        print(json.dumps(content, ensure_ascii=False, indent=1))
    else:
        state.show(content, Console(highlight=False, soft_wrap=True))
    if not content["up"]:
        raise typer.Exit(1)


@app.command()
def logs(unit: str, lines: int = 50, follow: Annotated[bool, typer.Option("--follow", "-f")] = False) -> None:
    """ログを見る。"""
    from deploy.onebox import logs as files

    files.show(Home.current(), unit, lines, follow)


@app.command()
def accounts() -> None:
    """与えられた nats-server に読ませる accounts の設定を書き出す（パスワードを含む。NATS_ACCOUNTS_MANAGED=1 とともに使う）。"""
    from deploy.onebox import streams
    from deploy.onebox.layout import Layout, known_units, speakers

    home = Home.current()
    home.create()
    units = known_units()
    print(streams.accounts(speakers(units), Layout(home, 0, [], units).broker_passwords))


@app.command()
def supervise() -> None:
    """監督者を前面で動かす（up が自分で起動するので、普段は要らない）。"""
    from deploy.onebox.supervisor import main as run

    run()


def _greet(home: Home, console: Console) -> None:
    from deploy.onebox.staff import people

    url = read_json(home.manifest).get("url")
    names = {one.sub: one for one in people()}
    lines = [
        f"\n[bold]{url}[/bold] を開いてください。 / Open [bold]{url}[/bold] in a browser on this machine.",
        "誰として入るか / sign in as:",
        *(f"  {names[sub].name}（{names[sub].team}）  {english}" for sub, english in SUGGESTED.items()),
        "止める / stop: make down    様子 / status: make status    ログ / logs: make logs UNIT=intake",
    ]
    for line in lines:
        console.print(line, soft_wrap=True)


def main() -> None:
    try:
        app()
    except Trouble as trouble:
        _say(trouble)
    except OSError as error:
        if (trouble_ := explained(error)) is None:
            raise
        _say(trouble_)


def _say(trouble: Trouble) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"\n[red bold]{escape(trouble.ja)}[/red bold]\n{escape(trouble.en)}", soft_wrap=True)
    if trouble.detail:
        console.print(f"[dim]{escape(trouble.detail)}[/dim]", soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
