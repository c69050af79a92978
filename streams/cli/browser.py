"""`--open`: a page in the browser of whoever looks at this screen."""

from __future__ import annotations

import os
import sys
import webbrowser


def browse(address: str) -> bool:
    """Whether a browser of this screen has taken it; without a screen none is asked, for one in text would stay."""
    if any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY")):
        return False
    shown = sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return shown and webbrowser.open(address)
