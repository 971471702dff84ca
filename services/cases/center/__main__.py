"""python -m services.cases.center"""

from shared.runtime.serve import run

if __name__ == "__main__":
    run("services.cases.center")
