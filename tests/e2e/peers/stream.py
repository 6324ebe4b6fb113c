"""A TCP stream of numbered words. stream.py take: serves one connection on port 9100 and checks each byte;
stream.py ADDRESS: sends until SIGTERM, some 1 MB a second. Both say how many bytes at the end. Little is
under way at a time: what shares the path with it finds room in every queue."""
import signal
import socket
import struct
import sys
import time

PORT = 9100
WORDS = 1024  # in one go
ROOM = 8192


def words(first):
    return struct.pack(f"!{WORDS}Q", *range(first, first + WORDS))


def take():
    server = socket.create_server(("", PORT))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    print("listening", flush=True)
    peer, got, rest = server.accept()[0], 0, b""
    while data := peer.recv(65536):
        rest += data
        while len(rest) >= 8 * WORDS:
            if rest[: 8 * WORDS] != words(got // 8):
                sys.exit(f"wrong after {got} bytes")
            got += 8 * WORDS
            rest = rest[8 * WORDS :]
    print(f"{got + len(rest)} bytes", flush=True)


def send(address):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    peer, sent = socket.socket(), 0
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    peer.settimeout(60)
    peer.connect((address, PORT))
    while not stop:
        peer.sendall(words(sent // 8))
        sent += 8 * WORDS
        time.sleep(0.008)
    peer.shutdown(socket.SHUT_WR)
    peer.recv(1)  # until all was taken
    print(f"{sent} bytes", flush=True)


take() if sys.argv[1] == "take" else send(sys.argv[1])
