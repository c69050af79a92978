"""An S3 in a process of its own: a test that waits in Python would slow down all who wait for it.

    python pipeline_s3.py PORT    # says `up`; then on its input: away, back. Ends with its starter.

What it holds outlives its absence.
"""

from __future__ import annotations

import logging
import sys

from moto.server import ThreadedMotoServer


def main(port):
    """Until its input ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(port), verbose=False)
    server.start()
    tell("up")
    for line in sys.stdin:
        if line.strip() == "away":
            server.stop()
        else:
            server.start()
        tell(line.strip())


def tell(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
