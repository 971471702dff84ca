"""python -m services.notify"""

from shared.runtime.serve import run

if __name__ == "__main__":
    run("services.notify")
