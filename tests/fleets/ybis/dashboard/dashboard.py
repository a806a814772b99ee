"""Lists the containers of this host's engine, one per line: name, state and image."""

import http.client
import http.server
import json
import signal
import socket
import threading

SOCKET = "/var/run/docker.sock"


class Engine(http.client.HTTPConnection):
    """The engine's API over its socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(SOCKET)


def listed():
    engine = Engine("engine")
    engine.request("GET", "/containers/json?all=1")
    containers = json.load(engine.getresponse())
    return "".join(f"{one['Names'][0][1:]} {one['State']} {one['Image']}\n" for one in containers)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, text = 200, listed()
        except OSError as problem:
            status, text = 503, f"the engine does not answer: {problem}\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8088), Page)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)


main()
