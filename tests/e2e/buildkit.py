"""Gives the BuildKit of a dockerd a socket of its own, as buildx's driver `remote` wants one.

    buildkit.py DOCKER_SOCKET SOCKET

dockerd has it behind a request of its API (POST /grpc), whose connection becomes gRPC's.
"""

import socket
import sys
import threading

REQUEST = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


def copy(source, target):
    while data := source.recv(1 << 16):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def serve(client, docker):
    server = socket.socket(socket.AF_UNIX)
    server.connect(docker)
    server.sendall(REQUEST)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = server.recv(1)
        if not byte:
            break
        head += byte
    if b" 101 " not in head.split(b"\r\n")[0]:
        sys.exit(f"{docker}: {head!r}")
    for pair in ((client, server), (server, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()


docker, place = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(place)
listener.listen()
while True:
    serve(listener.accept()[0], docker)
