"""`python -m infra.cli`: the command line where no console script is on the PATH."""

from infra.cli.app import main

main()
