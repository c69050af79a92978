"""A receiver on this machine: answers as it is told to, keeps all that it got."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """`statuses` are its next answers, then 200 for ever; a context manager."""

    def __init__(self, *statuses, headers=None):
        self.statuses, self.headers = list(statuses), headers or {}
        self.answer = None
        """A status for a body, instead of the next one; None for that."""
        self.got = []
        """(Path, headers, body) of each post."""
        self.taken = []
        """Bodies of those that were answered by 200."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                status = receiver.answer(body) if receiver.answer else None
                if status is None:
                    status = receiver.statuses.pop(0) if receiver.statuses else 200
                if status is None:  # breaks off
                    self.connection.close()
                    return
                if callable(status):
                    status(self)
                    return
                if status == 200:
                    receiver.taken.append(body)
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                receiver.got.append((self.path, {}, b"GET"))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
