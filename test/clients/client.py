# SPDX-License-Identifier: MIT
"""Small real clients for the tests beside this file: HTTP over plain sockets (so
that a test sees every byte and who closes first), and UDP echo."""

import socket
import threading
import time


def http(address, target="/", *, method="GET", headers=(), source=None, timeout=5):
    """One request on one connection; (status, headers, body) after the server closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        if source:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(source)
        connection.connect(address)
        lines = [f"{method} {target} HTTP/1.1", "Host: test", "Connection: close", *headers]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = bytearray()
        while piece := connection.recv(65536):
            answer += piece
    return http_parse(bytes(answer))


def http_parse(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    named = dict(field.split(": ", 1) for field in fields if ": " in field)
    return int(first.split()[1]), {name.lower(): value for name, value in named.items()}, body


class Echo(threading.Thread):
    """Sends numbered datagrams until it is told to stop, and counts the answers."""

    def __init__(self, address, inside=None, pause=0.02):
        super().__init__(daemon=True)
        self.address, self.pause, self.inside = address, pause, inside
        self.sent = self.answered = self.wrong = 0
        self.longest = 0.0           # seconds from one answer to the next
        self.ending = threading.Event()
        # Made here, in the network of the thread that makes this object.
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(1)

    def run(self):
        last = time.monotonic()
        with self.socket:
            while not self.ending.is_set():
                text = b"datagram %d" % self.sent
                self.socket.sendto(text, self.address)
                self.sent += 1
                try:
                    while (got := self.socket.recv(2000)) != text:
                        self.wrong += not text.startswith(got[:9])
                    self.answered += 1
                    self.longest = max(self.longest, time.monotonic() - last)
                    last = time.monotonic()
                except OSError:
                    pass
                time.sleep(self.pause)

    def stop(self):
        self.ending.set()
        self.join(5)
