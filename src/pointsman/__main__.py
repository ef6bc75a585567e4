"""``python -m pointsman`` is the command line."""

from pointsman.cli import main

main()
