"""Names stay in their folder: no `..`, and no symbolic link that leads out of it.

The folder itself may be a link, which somebody made to keep films on a large disk; a link below it is followed only as
far as it stays there. A branch may carry links, and what is written, renamed and swept follows them.
"""

from __future__ import annotations

import os
from pathlib import Path

from kling_pipe.errors import LocalStateError


def inside(root: Path, relative: str) -> Path:
    """The full path of a name below `root`. Raises LocalStateError for one that leaves its folder there."""
    if "://" in relative:
        raise LocalStateError(f"`{relative}` is kept in a bucket", hint="name the bucket: --out, or KLING_PIPE_OUT")
    path = Path(os.path.normpath(root / relative))
    base = Path(os.path.normpath(root))
    if "\0" in relative or not path.is_relative_to(base):
        raise LocalStateError(f"`{_shown(relative)}` lies outside of `{root}`", hint="nothing was changed")
    parts = path.relative_to(base).parts
    must_stay(path, base / parts[0] if len(parts) > 1 else base)
    return path


def must_stay(path: Path, base: Path) -> None:
    """Raise LocalStateError when a link below `base` leads `path` out of where `base` really is."""
    real = os.path.realpath(base)
    if stays(os.path.realpath(path), real):
        return
    link = next((one for one in (*reversed(path.parents), path) if _leads_out(one, base, real)), path)
    hint = f"remove the link; to keep results elsewhere, make `{base}` itself a link. Nothing was changed"
    raise LocalStateError(f"the link `{link}` leads out of `{base}`", hint=hint)


def stays(real: str, base: str) -> bool:
    """Whether one real path is another one, or below it."""
    return real == base or real.startswith(base.rstrip(os.sep) + os.sep)


def _leads_out(path: Path, base: Path, real: str) -> bool:
    return path != base and path.is_relative_to(base) and path.is_symlink() and not stays(os.path.realpath(path), real)


def _shown(name: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in name[:200])
