"""`python -m services.intake`: 総合相談窓口を動かす。"""

from shared.runtime.serve import run

run("services.intake")
