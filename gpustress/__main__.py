"""`python -m gpustress` is the command line."""

from .cli import main

main()
