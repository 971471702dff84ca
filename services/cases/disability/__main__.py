"""python -m services.cases.disability"""

from shared.runtime.serve import run

if __name__ == "__main__":
    run("services.cases.disability")
