"""`python -m kling_pipe`: the command line."""

from kling_pipe.cli import main

main()
