"""echoes.py ADDRESS: sends it 1,000 ICMP echo requests a second until SIGTERM, waits for the last
answers, and says how many were sent and how many were not answered."""
import signal
import socket
import struct
import sys
import time

EVERY = 0.001
LAST = 3


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def request(ident, number):
    body = struct.pack("!Q", number)
    head = struct.pack("!BBHHH", 8, 0, 0, ident, number & 0xFFFF)
    return head[:2] + struct.pack("!H", checksum(head + body)) + head[4:] + body


def take(sock, ident, waiting):
    while True:
        try:
            packet = sock.recv(200)
        except BlockingIOError:
            return
        kind, _, _, to, _ = struct.unpack("!BBHHH", packet[20:28])
        if kind == 0 and to == ident:
            waiting.discard(struct.unpack("!Q", packet[28:36])[0])


def runs(numbers):
    """Pairs of the first and last of each run of neighbours."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def main():
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    sock.setblocking(False)
    ident, sent, waiting = time.monotonic_ns() & 0xFFFF, 0, set()
    due = begin = time.monotonic()
    while not stop:
        waiting.add(sent)
        sock.sendto(request(ident, sent), (sys.argv[1], 0))
        sent += 1
        # Who was not run for a while does not send all at once what he missed.
        due = max(due + EVERY, time.monotonic() - EVERY)
        time.sleep(max(due - time.monotonic(), 0))
        take(sock, ident, waiting)
    rate = sent / (time.monotonic() - begin)
    end = time.monotonic() + LAST
    while waiting and time.monotonic() < end:
        time.sleep(0.01)
        take(sock, ident, waiting)
    for first, last in runs(sorted(waiting)):
        print(f"lost {first} to {last}")
    print(f"{sent} sent, {rate:.0f} a second, {len(waiting)} lost", flush=True)


main()
