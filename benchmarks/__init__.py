"""How fast kling-pipe is, measured against a local Kling, a hand-written client, and the best that is possible.

`python -m benchmarks` runs all; `docs/performance.md` tells how to read the table. Not part of the package.
"""
