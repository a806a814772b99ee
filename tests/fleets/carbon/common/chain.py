"""One service of the chain. / lists the chain up to this service, and /health returns 200 while the previous one answers.

LINK_NAME is the name of the service, and LINK_BEFORE the address of the previous one.
"""

import http.server
import os
import signal
import threading
import urllib.request

NAME = os.environ["LINK_NAME"]
BEFORE = os.environ["LINK_BEFORE"]


def before():
    with urllib.request.urlopen(BEFORE, timeout=2) as answer:
        return answer.read().decode().strip()


class Link(http.server.BaseHTTPRequestHandler):
    """Handles GET requests. `page` returns the status and the text of a path."""

    def page(self):
        return 200, f"{before()} > {NAME}"

    def do_GET(self):
        try:
            status, text = self.page()
        except (OSError, ValueError) as problem:
            status, text = 503, f"{NAME}: {problem}"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def log_message(self, *_):
        pass


def serve(handler=Link):
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    serve()
