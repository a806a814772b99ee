"""The last service of the chain. /reading returns one text from the feed's websocket; other paths are those of the chain."""

import base64
import hashlib
import os
import socket

import chain

HOST, PORT = os.environ["PORTAL_FEED"].split(":")
CONSTANT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def reading():
    """Upgrades a connection, checks the server's answer, and returns the first frame."""
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((HOST, int(PORT)), timeout=3) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        stream = connection.makefile("rb")
        head = iter(lambda: stream.readline().decode().strip(), "")
        status, *lines = list(head)
        accept = base64.b64encode(hashlib.sha1((key + CONSTANT).encode()).digest()).decode()
        if " 101 " not in status or f"Sec-WebSocket-Accept: {accept}" not in lines:
            raise ValueError(f"the server refused the upgrade: {status}")
        kind, size = stream.read(2)
        if kind != 0x81 or size > 125:
            raise ValueError("the first frame is not a short text")
        return stream.read(size).decode()


class Portal(chain.Link):
    def page(self):
        return (200, reading()) if self.path == "/reading" else super().page()


chain.serve(Portal)
