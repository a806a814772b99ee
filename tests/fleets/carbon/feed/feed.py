"""A minimal websocket server (RFC 6455) that sends a text each second.

Other requests get the chain up to this service, or status 503 if the previous service does not answer.
"""

import base64
import hashlib
import http.server
import os
import signal
import socket
import threading
import time
import urllib.request

BEFORE = os.environ["FEED_BEFORE"]
MODE = os.environ.get("FEED_MODE", "plain")
GREETING = "reading"
# The constant of the websocket handshake.
CONSTANT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(text):
    """Returns a text of less than 126 bytes as one frame, unmasked like all frames of a server."""
    data = text.encode()
    return bytes([0x81, len(data)]) + data


class Feed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.upgrade()
        else:
            self.answer()

    def answer(self):
        try:
            with urllib.request.urlopen(BEFORE, timeout=2) as page:
                status, text = 200, f"{page.read().decode().strip()} > feed"
        except OSError as problem:
            status, text = 503, f"feed: {problem}"
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def upgrade(self):
        key = self.headers.get("Sec-WebSocket-Key", "")
        accept = base64.b64encode(hashlib.sha1((key + CONSTANT).encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.close_connection = True
        count = 0
        try:
            while True:
                count += 1
                self.wfile.write(frame(f"{GREETING} {count} from {socket.gethostname()} in {MODE}"))
                time.sleep(1)
        except OSError:
            return

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Feed)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)


main()
