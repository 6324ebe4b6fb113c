"""Prints what comes to UDP port 9999 within a second, one line each, after it said it listens."""
import socket
import time

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 9999))
print("listening", flush=True)
end = time.monotonic() + 1
while time.monotonic() < end:
    server.settimeout(max(end - time.monotonic(), 0.01))
    try:
        print(server.recv(2000).decode(), flush=True)
    except TimeoutError:
        break
