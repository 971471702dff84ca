"""`python -m shared.desk.assets [--dev]`: fetches what is missing; fast when nothing is."""

import sys

from shared.desk.assets import AssetsFailed, install


def main(arguments: list[str]) -> int:
    try:
        changed = install(dev="--dev" in arguments, tell=lambda line: print(line, flush=True))
    except AssetsFailed as error:
        print(error.sentence, file=sys.stderr)
        return 1
    if not changed:
        print("画面の部品はそろっています。")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
