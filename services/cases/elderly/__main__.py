"""python -m services.cases.elderly"""

from shared.runtime.serve import run

if __name__ == "__main__":
    run("services.cases.elderly")
