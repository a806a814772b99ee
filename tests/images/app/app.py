"""Writes rows to PostgreSQL, counts them in Redis, and serves HTTP: / /health /count /metrics."""

import http.server
import os
import signal
import socket
import sys
import threading
import time

sys.path.append("/usr/lib/python3/dist-packages")
import psycopg2

VERSION = "@VERSION@"
NAME = os.environ.get("APP_NAME", socket.gethostname())
PERIOD = float(os.environ.get("APP_PERIOD", "0.5"))


def secret(variable):
    with open(os.environ[variable], encoding="utf-8") as file:
        return file.read().strip()


class Redis:
    """A client with the part of the protocol that AUTH, INCR and GET need."""

    def __init__(self, host, port, password):
        self.stream = socket.create_connection((host, port), timeout=3).makefile("rwb")
        self.call("AUTH", password)

    def call(self, *words):
        parts = [f"*{len(words)}\r\n"] + [f"${len(word)}\r\n{word}\r\n" for word in words]
        self.stream.write("".join(parts).encode())
        self.stream.flush()
        line = self.stream.readline().decode().strip()
        if not line or line[0] == "-":
            raise OSError(f"redis answered {line!r}")
        if line[0] == "$":
            size = int(line[1:])
            return self.stream.read(size + 2)[:size].decode() if size >= 0 else None
        return line[1:]


class Writer:
    """Writes over two connections and opens both again after any failure."""

    def __init__(self):
        self.lock = threading.Lock()
        self.written = 0
        self.rows = 0
        self.counted = 0
        self.failures = 0
        self.error = "not connected yet"
        self.database = self.redis = None

    def connect(self):
        env = os.environ
        self.database = psycopg2.connect(
            host=env["DATABASE_HOST"], port=int(env.get("DATABASE_PORT", "5432")), dbname=env["DATABASE_NAME"],
            user=env["DATABASE_USER"], password=secret("DATABASE_PASSWORD_FILE"), connect_timeout=3,
        )
        self.database.autocommit = True
        with self.database.cursor() as cursor:
            # CREATE IF NOT EXISTS alone is not safe when several instances start together.
            cursor.execute("BEGIN; SELECT pg_advisory_xact_lock(71901);"
                           "CREATE TABLE IF NOT EXISTS work (id bigserial PRIMARY KEY, app text, version text,"
                           " at timestamptz DEFAULT now()); COMMIT")
        self.redis = Redis(env["REDIS_HOST"], int(env.get("REDIS_PORT", "6379")), secret("REDIS_PASSWORD_FILE"))

    def write(self):
        if self.redis is None:
            self.connect()
        with self.database.cursor() as cursor:
            cursor.execute("INSERT INTO work (app, version) VALUES (%s, %s)", (NAME, VERSION))
            cursor.execute("SELECT count(*) FROM work")
            rows = cursor.fetchone()[0]
        counted = int(self.redis.call("INCR", "work"))
        with self.lock:
            self.written += 1
            self.rows, self.counted, self.error = rows, counted, ""

    def run(self):
        while True:
            try:
                self.write()
            except Exception as problem:  # noqa: BLE001 - /health reports any failure, and the loop tries again
                with self.lock:
                    self.failures += 1
                    self.error = f"{type(problem).__name__}: {problem}".strip()
                print(f"cannot write: {self.error}", file=sys.stderr)
                self.database = self.redis = None
            time.sleep(PERIOD)


WRITER = Writer()


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with WRITER.lock:
            status, text = self.page()
        body = (text + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def page(self):
        if self.path == "/":
            return 200, VERSION
        if self.path == "/health":
            return (503, WRITER.error) if WRITER.error else (200, "ok")
        if self.path == "/count":
            return 200, f"rows {WRITER.rows}\nredis {WRITER.counted}\nwritten {WRITER.written}"
        if self.path == "/metrics":
            return 200, (f"app_rows {WRITER.rows}\napp_redis {WRITER.counted}\napp_written_total {WRITER.written}\n"
                         f"app_failures_total {WRITER.failures}\napp_info{{version=\"{VERSION}\",app=\"{NAME}\"}} 1")
        return 404, "no such page"

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        # Ignore a health check that disconnects before it has read the answer.
        problem = sys.exc_info()[1]
        if not isinstance(problem, ConnectionError):
            print(f"cannot answer {client_address[0]}: {problem!r}", file=sys.stderr)


def main():
    threading.Thread(target=WRITER.run, daemon=True).start()
    server = Server(("0.0.0.0", 8080), Pages)
    # The first process of a container has no default signal handlers. Accepted requests are still answered.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"application {VERSION} listens on 8080", file=sys.stderr)
    server.serve_forever(poll_interval=0.1)


main()
