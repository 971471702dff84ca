"""python -m services.cases.poverty"""

from shared.runtime.serve import run

if __name__ == "__main__":
    run("services.cases.poverty")
