"""How much comes over: UDP, sent at a steady rate and counted where it arrives.

    rate.py send ADDRESS PORT       40 Mbit/s for a few seconds
    rate.py receive PORT            prints kilobits a second, headers included
"""

import socket
import sys
import time

PAYLOAD = 1400
ON_WIRE = PAYLOAD + 42
OFFERED = 40e6
SEND_SECONDS = 3.5
DRAIN_SECONDS = 0.8  # until what may come at once has come
COUNT_SECONDS = 1.5


def send(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.connect((address, port))
    begin = time.monotonic()
    sent = 0
    while (now := time.monotonic()) < begin + SEND_SECONDS:
        due = (now - begin) * OFFERED / (ON_WIRE * 8)
        while sent < due:
            sent += 1
            try:
                sock.send(bytes(PAYLOAD))
            except OSError:
                pass
        time.sleep(0.002)


def receive(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("", port))
    print("ready", file=sys.stderr, flush=True)
    sock.settimeout(10)
    sock.recv(PAYLOAD)
    begin = time.monotonic() + DRAIN_SECONDS
    sock.settimeout(0.05)
    received = 0
    while (now := time.monotonic()) < begin + COUNT_SECONDS:
        try:
            size = len(sock.recv(PAYLOAD))
        except TimeoutError:
            continue
        if now >= begin and size == PAYLOAD:
            received += ON_WIRE
    print(round(received * 8 / COUNT_SECONDS / 1000))


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]))
else:
    receive(int(sys.argv[2]))
