"""The table of a run."""

from collections import Counter

from tests.faults.run import Result

_HEAD = ("障害 / fault", "回 / times", "回復 / recovery s (median, max)", "出来事 / events", "欠落 / missing", "重複 / duplicate", "逆順 / disorder")


def table(result: Result) -> str:
    """Markdown, so that it can be put into RESULTS.md as it is."""
    lines = [f"| {' | '.join(_HEAD)} |", f"|---{'|---:' * (len(_HEAD) - 1)}|"]
    for row in result.rows:
        times = sorted(row.recovery)
        recovery = f"{times[len(times) // 2]:.1f}, {times[-1]:.1f}" if times else "–"
        lines.append(f"| {row.name} | {row.times} | {recovery} | {row.events} | {row.missing} | {row.duplicate} | {row.disorder} |")
    return "\n".join([*lines, "", *_invariants(result)])


def _invariants(result: Result) -> list[str]:
    kinds = Counter(finding.kind.value for finding in result.findings)
    counts = " · ".join(f"{result.counts[name]} {name}" for name in ("kills", "freezes", "partitions"))
    lines = [
        f"{result.events} events, {result.effects} effects, {result.messages} messages in {result.seconds:.0f} s · {counts} · seed {result.seed}",
        f"quiet after {result.quiet_after:.1f} s",
        "約束は守られた / every invariant held (I1–I7)" if not kinds else f"守られなかった / broken: {dict(kinds)}",
    ]
    return lines + [f"  {finding.kind}: {finding.unit} {finding.what}" for finding in result.findings[:40]]
