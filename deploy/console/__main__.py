"""`python -m deploy.console` runs the unit; `python -m deploy.console trace R8-0001` prints a flow."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from deploy.console.terminal import as_json, draw, wait_for
from deploy.console.waterfall import Waterfall
from shared.runtime.database import Database
from shared.runtime.problems import Refusal
from shared.runtime.unit import TREE

app = typer.Typer(add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """運用コンソール。"""
    if context.invoked_subcommand is None:
        from shared.runtime.serve import run

        run("deploy.console")


def _of_the_box() -> str | None:
    """The console's database as the one box wrote it down (box.json in TSUNAGARI_HOME, by default .tsunagari/)."""
    manifest = Path(os.environ.get("TSUNAGARI_HOME") or TREE / ".tsunagari") / "box.json"
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["databases"]["console"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def _find(url: str, number: str, wait: float, statements: bool) -> list[Waterfall]:
    database = Database(url, "console-cli", pool_size=1)
    try:
        return await wait_for(database, number, wait, statements=statements)
    finally:
        await database.close()


@app.command()
def trace(
    number: Annotated[str, typer.Argument(help="受付番号（R8-0001）または記録番号（trace id）")],
    as_json_text: Annotated[bool, typer.Option("--json", help="機械が読む形で")] = False,
    wait: Annotated[float, typer.Option(help="記録が届くのを待つ秒数", min=0, max=600)] = 10,
    statements: Annotated[bool, typer.Option("--statements", help="SQL を一文ずつ")] = False,
    database_url: Annotated[str | None, typer.Option(help="運用コンソールのデータベース", envvar="CONSOLE_DATABASE_URL")] = None,
) -> None:
    """一つの受付から知らせまでの流れを、待ち時間とともに見せる。"""
    # DATABASE_URL comes last: beside a one box it names the server that replaces the embedded one, not the console's database
    url = database_url or _of_the_box() or os.environ.get("DATABASE_URL")
    if url is None:
        _stop("運用コンソールのデータベースが分かりません。make up で起動するか、--database-url を付けてください。", 2)
    try:
        with Console(stderr=True).status(f"{number} の記録を待っています…"):
            found = asyncio.run(_find(url, number, wait, statements))
    except Refusal as refusal:
        _stop(f"{number}: {refusal.sentence}", 1)
    except (DBAPIError, OSError) as error:
        _stop(f"運用コンソールのデータベースにつながりません（{type(error).__name__}）。make status で様子を見てください。", 2)
    if as_json_text:
        print(as_json(number, found))
    else:
        draw(Console(width=None if sys.stdout.isatty() else 150), number, found)


def _stop(sentence: str, code: int) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
