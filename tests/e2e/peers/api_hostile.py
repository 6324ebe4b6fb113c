"""bulkhead-api with hostile clients. usage: api_hostile.py PREPARED TEST"""
import os
import socket
import ssl
import sys
import time

import grpc

import rig as r


def call_raw(channel, method, data, **kwargs):
    """A unary call whose request is these very bytes."""
    f = channel.unary_unary("/bulkhead.v1.Node/" + method, request_serializer=lambda b: b,
                            response_deserializer=lambda b: b)
    try:
        return None, f(data, timeout=kwargs.pop("timeout", 10), **kwargs)
    except grpc.RpcError as e:
        return e.code(), e.details()


def field(number, payload):
    """A length-delimited field."""
    out, n = bytearray([number << 3 | 2]), len(payload)
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]) + payload)


def flood(prepared):
    """Connections past the descriptor limit: the listener lives on when they are gone."""
    with r.Rig(prepared, nofile=64) as rig:
        held = []
        for _ in range(300):
            try:
                held.append(socket.create_connection(("127.0.0.1", rig.port), timeout=0.5))
            except OSError:
                break
        assert len(held) > 64, len(held)
        time.sleep(1)
        for s in held:
            s.close()
        r.eventually("an answer after the flood", lambda: rig.works(timeout=5), 15)


def huge_message(prepared):
    """A message of 300 MB: not kept in memory until its size is found to be too large."""
    with r.Rig(prepared) as rig:
        rig.works()
        options = [("grpc.max_send_message_length", -1)]
        with rig.channel(options=options) as channel:
            code, _ = call_raw(channel, "ApplyPod", bytes(300 << 20), timeout=60)
        assert code is not None
        peak = rig.rss_kb("VmHWM")
        assert peak < 128 << 10, "peak of %d KiB" % peak
        assert rig.works()


def over_limit(prepared):
    """One byte past the limit of a message is refused by its status, the limit itself is not."""
    with r.Rig(prepared, {"ApplyPod": lambda g, c: g.reply(c, b"", end=True)}) as rig:
        options = [("grpc.max_send_message_length", -1)]
        with rig.channel(options=options) as channel:
            code, text = call_raw(channel, "ApplyPod", bytes((4 << 20) + 1))
            assert code == grpc.StatusCode.RESOURCE_EXHAUSTED, (code, text)
        assert rig.works()


def gzip_bomb(prepared):
    """64 MB of zeros in 65 KB: no compression is taken."""
    with r.Rig(prepared) as rig:
        rig.works()
        options = [("grpc.max_send_message_length", -1)]
        with rig.channel(options=options) as channel:
            code, text = call_raw(channel, "ApplyPod", bytes(64 << 20),
                                  compression=grpc.Compression.Gzip)
        assert code == grpc.StatusCode.UNIMPLEMENTED, (code, text)
        peak = rig.rss_kb("VmHWM")
        assert peak < 64 << 10, "peak of %d KiB" % peak
        assert rig.works()


def recursion(prepared):
    """Nesting 10,000 deep, in a known message and in an unknown field: refused, nobody falls."""
    with r.Rig(prepared) as rig, rig.channel() as channel:
        for number in (1, 99 % 16):
            data = b""
            for _ in range(10000):
                data = field(number, data)
            code, text = call_raw(channel, "ApplyPod", data)
            assert code == grpc.StatusCode.INVALID_ARGUMENT, (number, code, text)
        groups = bytes([15 << 3 | 3]) * 20000
        code, text = call_raw(channel, "ApplyPod", groups)
        assert code == grpc.StatusCode.INVALID_ARGUMENT, (code, text)
        assert rig.works()


def many_entries(prepared):
    """2 MB of empty map entries would be 53 MB of heap: the count is capped."""
    with r.Rig(prepared) as rig, rig.channel() as channel:
        rig.works()
        before = rig.rss_kb("VmHWM")
        meta = field(11, b"") * (1 << 20)
        code, text = call_raw(channel, "ApplyPod", field(1, field(1, meta)))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "100000 fields" in text, (code, text)
        assert rig.rss_kb("VmHWM") - before < 24 << 10, (before, rig.rss_kb("VmHWM"))
        assert rig.works()


def bad_strings(prepared):
    """Text that is no UTF-8, and NUL bytes in text."""
    with r.Rig(prepared) as rig, rig.channel() as channel:
        for name in (b"\xff\xfe", b"web\0x", b"\xed\xa0\x80"):
            code, text = call_raw(channel, "ApplyPod", field(1, field(1, field(1, name))))
            assert code == grpc.StatusCode.INVALID_ARGUMENT, (name, code, text)
        assert not rig.calls, rig.calls


def many_calls(prepared):
    """256 calls of one user at a time; one more is refused until one ends."""
    with r.Rig(prepared, {"WatchPods": lambda g, c: None}) as rig:
        # Channels of their own: one connection takes 100 streams.
        channels = [rig.channel(options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(3)]
        calls = [rig.method(channels[i // 90], "WatchPods")(rig.node.ListPodsRequest())
                 for i in range(256)]
        r.eventually("256 calls", lambda: len(rig.calls) == 256, 10)
        code, text = call_raw(channels[2], "GetVersion", b"")
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED, (code, text)
        assert "'alice' has too many calls under way (256)" in text, text
        calls[0].cancel()
        r.eventually("room again", lambda: call_raw(channels[2], "GetVersion", b"")[0] is None, 5)
        for call in calls:
            call.cancel()
        for channel in channels:
            channel.close()
        assert rig.works()


def slow_crowd(prepared):
    """Clients that do not read, each below its own limit: 32 MiB wait for all of them, no more."""
    event, watches, sent = {}, [], []
    count = 270  # times 30,000 bytes: below 8 MiB

    def watch(rig, call):
        watches.append(call.id)
        for _ in range(count):
            rig.reply(call, event["x"])
        sent.append(call.id)

    with r.Rig(prepared, {"WatchPods": watch}) as rig:
        event["x"] = rig.node.PodEvent(sequence=1)
        event["x"].pod.metadata.annotations["x"] = "y" * 30000
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        channels = [rig.channel(options=options) for _ in range(6)]
        calls = []
        for channel in channels:
            calls.append(rig.method(channel, "WatchPods")(rig.node.ListPodsRequest(), timeout=60))
            r.eventually("all is sent", lambda: len(sent) == len(calls), 20)
            assert rig.works()
            time.sleep(0.2)
            if rig.cancels:
                break
        # What the transport took from the queues of the others is not counted.
        assert 5 <= len(calls) <= 6 and rig.cancels == watches[-1:], (rig.cancels, watches, rig.rss_kb())
        code, text = status_of(calls[-1])
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "too slowly" in text, (code, text)
        assert rig.rss_kb("VmHWM") < 128 << 10, rig.rss_kb("VmHWM")
        # The others lose nothing, and what they read makes room.
        for call in calls[:-1]:
            assert sum(1 for _ in zip(range(count), call)) == count
            call.cancel()
        assert rig.works()
        for channel in channels:
            channel.close()


def status_of(call):
    """How a stream ends, read to there."""
    try:
        for _ in call:
            pass
    except grpc.RpcError as e:
        return e.code(), e.details()
    return None, None


def answered(rig, who, ca="ca"):
    """The status code of a call by this certificate."""
    with rig.channel(who, ca) as channel:
        code, _ = call_raw(channel, "GetVersion", b"", timeout=3)
        return code


def strangers(prepared):
    """No certificate, one of another CA, a self-signed one, one for servers, one without a name."""
    with r.Rig(prepared) as rig:
        no = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)
        for who in (None, "stranger", "self", "server-only", "nameless"):
            code = answered(rig, who)
            assert code in no, (who, code)
        assert not rig.calls, rig.calls
        assert rig.works()


def plain_text(prepared):
    """HTTP/2 without TLS, and plain HTTP: nothing but a closed connection."""
    with r.Rig(prepared) as rig:
        with grpc.insecure_channel("127.0.0.1:%d" % rig.port) as channel:
            code, _ = call_raw(channel, "GetVersion", b"", timeout=3)
            assert code == grpc.StatusCode.UNAVAILABLE, code
        with socket.create_connection(("127.0.0.1", rig.port), timeout=12) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            data = s.recv(4096)
            assert b"HTTP" not in data, data
        assert not rig.calls, rig.calls
        assert rig.works()


def tls_context(prepared, who):
    context = ssl.create_default_context(cafile=os.path.join(prepared, "ca.pem"))
    if who:
        context.load_cert_chain(os.path.join(prepared, who + ".pem"),
                                os.path.join(prepared, who + ".key"))
    context.set_alpn_protocols(["h2"])
    return context


def tls_connect(rig, context, session=None):
    """A handshake, and what the server says first; returns (version, session, resumed)."""
    with socket.create_connection(("127.0.0.1", rig.port), timeout=5) as s:
        with context.wrap_socket(s, server_hostname="node", session=session) as tls:
            tls.settimeout(1)
            try:
                tls.recv(1024)
            except TimeoutError:
                pass
            return tls.version(), tls.session, tls.session_reused


def old_tls(prepared):
    """Only TLS 1.3."""
    with r.Rig(prepared) as rig:
        context = tls_context(prepared, "alice")
        assert tls_connect(rig, context)[0] == "TLSv1.3"
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            tls_connect(rig, context)
        except (ssl.SSLError, ConnectionError):
            return
        raise AssertionError("TLS 1.2 was accepted")


def resumption(prepared):
    """A session is not resumed: each connection shows its certificate."""
    with r.Rig(prepared) as rig:
        context = tls_context(prepared, "alice")
        session = tls_connect(rig, context)[1]
        assert not tls_connect(rig, context, session)[2], "resumed"


def slow_handshake(prepared):
    """A connection that says nothing is closed."""
    with r.Rig(prepared) as rig:
        with socket.create_connection(("127.0.0.1", rig.port), timeout=25) as s:
            start = time.monotonic()
            assert s.recv(1) == b""
            assert time.monotonic() - start < 20
        assert rig.works()


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
