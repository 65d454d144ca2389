"""`python -m tests.bench [NAME[:ARGUMENT,...] ...]`: run the benchmarks of those names, all without one.

Each figure is a JSON line. A benchmark is a module here with `results()`, which yields its figures and takes the
arguments, as texts.
"""

import importlib
import json
import pkgutil
import sys

import tests.bench


def main(names: list[str]) -> None:
    there = [module.name for module in pkgutil.iter_modules(tests.bench.__path__) if not module.name.startswith("_")]
    benchmarks = [name for name in there if hasattr(importlib.import_module(f"tests.bench.{name}"), "results")]
    asked = [name.partition(":") for name in names or benchmarks]
    if unknown := sorted({name for name, _, _ in asked} - set(benchmarks)):
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(benchmarks)}")
    for name, _, given in asked:
        arguments = given.split(",") if given else []
        for figure in importlib.import_module(f"tests.bench.{name}").results(*arguments):
            print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
