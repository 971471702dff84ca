"""`tsunagari messaging …` (or `python -m shared.messaging.commands messaging …`)."""

import typer

from shared.messaging.commands import aside, drill, provisioning, rebuilding, status, streams
from shared.messaging.commands.say import Refused, refuse

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="つながり / Tsunagari")
messaging = typer.Typer(no_args_is_help=True, help="便りの背骨を見る・直す / look after the backbone")
app.add_typer(messaging, name="messaging")
for part in (status, aside, streams, rebuilding, provisioning, drill):
    part.register(messaging)


@app.callback()
def _words() -> None:
    """つながりの運用 / for operators."""


def main() -> None:
    try:
        app(prog_name="tsunagari")
    except Refused as refused:
        refuse(refused)


if __name__ == "__main__":
    main()
