"""`tsunagari messaging …` (or `python -m shared.messaging.commands messaging …`)."""

import typer

from shared.messaging.commands import aside, audit, drill, provisioning, rebuilding, retention, status, streams
from shared.messaging.commands.say import Refused, refuse

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="つながり / Tsunagari")
messaging = typer.Typer(no_args_is_help=True, help="便りの背骨を見る・直す / look after the backbone")
app.add_typer(messaging, name="messaging")
for part in (status, aside, streams, rebuilding, provisioning, drill):
    part.register(messaging)
retaining = typer.Typer(no_args_is_help=True, help="保存期間と消去 / what is due, what must stay, what must go again")
app.add_typer(retaining, name="retention")
retention.register(retaining)
auditing = typer.Typer(no_args_is_help=True, help="だれが見たか、監査は守られているか / who saw whom, and does the audit hold")
app.add_typer(auditing, name="audit")
audit.register(auditing)


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
