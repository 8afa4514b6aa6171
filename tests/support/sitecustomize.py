"""Python imports a module of this name by itself when it starts: the processes that tests start are cut off too."""

import loopback_only  # noqa: F401  (importing it is the effect)
