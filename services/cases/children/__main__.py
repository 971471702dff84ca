"""python -m services.cases.children"""

from shared.runtime.serve import run

if __name__ == "__main__":
    run("services.cases.children")
