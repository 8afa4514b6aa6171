"""A local Kling for anybody's client: `ensure` one in the background, or serve one with `kling-pipe emulator serve`.

Light to import: the server, Pillow and PyAV come in only where they run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.emulator.accounts import Account, credentials
    from kling_pipe.emulator.daemon import ensure
    from kling_pipe.emulator.options import Options
    from kling_pipe.emulator.server_info import ServerInfo
    from kling_pipe.emulator.upload_client import EmulatorLinkStore

__all__ = [
    "Account",
    "EmulatorLinkStore",
    "Options",
    "ServerInfo",
    "credentials",
    "ensure",
]
__getattr__ = on_demand(
    __name__,
    {
        "accounts": "Account credentials",
        "daemon": "ensure",
        "options": "Options",
        "server_info": "ServerInfo",
        "upload_client": "EmulatorLinkStore",
    },
)
