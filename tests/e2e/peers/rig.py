"""A bulkhead-api of one's own: certificates, the process itself, and an agent at the other end.

The agent and the clients here share no code with Bulkhead: frames are packed by hand, messages by
Google's protobuf, gRPC by grpcio.
"""
import array
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.environ.get("B", "build")
API = os.path.join(ROOT, BUILD, "bulkhead-api")
UID = 64123

CALL, CALL_CANCEL, CALL_REPLY = 1, 2, 3
HEADER = struct.Struct("=6I")
MAGIC = 0x42484B31
STREAM_LOGS, STREAM_EXEC, STREAM_IMPORT = 1, 2, 3


def openssl(*args, **kwargs):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **kwargs)


class Pki:
    """A CA and certificates beneath 'path'; 'issue' makes <name>.pem and <name>.key."""

    def __init__(self, path, name="ca"):
        self.path = path
        self.ca = os.path.join(path, name + ".pem")
        self.ca_key = os.path.join(path, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=" + name, "-keyout", self.ca_key, "-out", self.ca,
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, subject, usage="clientAuth", san=None, days=2):
        base = os.path.join(self.path, name)
        ext = "extendedKeyUsage=%s\n" % usage
        if san:
            ext += "subjectAltName=%s\n" % san
        with open(base + ".ext", "w") as f:
            f.write(ext)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8",
                "-multivalue-rdn", "-subj", subject, "-keyout", base + ".key", "-out", base + ".csr")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.ca, "-CAkey", self.ca_key,
                "-CAcreateserial", "-days", str(days), "-extfile", base + ".ext", "-out",
                base + ".pem")
        return base + ".pem", base + ".key"


def prepare(path):
    """Everything that does not change between tests: certificates and Python messages."""
    pki = Pki(path)
    pki.issue("node", "/CN=node", usage="serverAuth,clientAuth", san="DNS:node,IP:127.0.0.1")
    pki.issue("alice", "/CN=alice/O=red/O=blue")
    pki.issue("nameless", "/O=red")
    pki.issue("server-only", "/CN=mallory", usage="serverAuth")
    other = Pki(path, "other")
    other.issue("stranger", "/CN=alice/O=red")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=alice", "-keyout", os.path.join(path, "self.key"),
            "-out", os.path.join(path, "self.pem"))
    out = os.path.join(path, "py")
    os.mkdir(out)
    protos = [os.path.relpath(os.path.join(d, f), os.path.join(ROOT, "proto"))
              for d, _, files in os.walk(os.path.join(ROOT, "proto")) for f in files
              if f.endswith(".proto")]
    # In packages of the same name as ours ("grpc") Python would look for nothing else.
    protos = [p for p in protos if not p.startswith("grpc/")]
    subprocess.run(["protoc", "--proto_path=.", "--python_out=" + out, *protos], check=True,
                   stderr=subprocess.DEVNULL, cwd=os.path.join(ROOT, "proto"))


class Frames:
    """The agent's end of the socket pair."""

    def __init__(self, sock):
        self.sock = sock
        self.serial = 0
        self.lock = threading.Lock()

    def recv(self):
        data, anc, _, _ = self.sock.recvmsg(1 << 17, socket.CMSG_SPACE(64 * 4))
        if not data:
            return None
        fds = array.array("i")
        for level, kind, blob in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(blob[: len(blob) - len(blob) % fds.itemsize])
        magic, kind, _, _, flags, size = HEADER.unpack_from(data)
        assert magic == MAGIC
        body = data[HEADER.size:]
        if flags & 1:
            with mmap.mmap(fds[0], size, prot=mmap.PROT_READ) as m:
                body = m.read(size)
        for fd in fds:
            os.close(fd)
        assert len(body) == size
        return kind, body

    def send(self, kind, body, fds=()):
        flags, fds = 0, list(fds)
        memfd = -1
        if len(body) > 32768:
            memfd = os.memfd_create("reply", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            with os.fdopen(os.dup(memfd), "wb") as f:
                f.write(body)
            import fcntl
            fcntl.fcntl(memfd, 1033, 2 | 4 | 8)
            fds.insert(0, memfd)
            flags = 1
        with self.lock:
            self.serial += 1
            head = HEADER.pack(MAGIC, kind, self.serial, 0, flags, len(body))
            socket.send_fds(self.sock, [head + (b"" if flags else body)], fds)
        if memfd >= 0:
            os.close(memfd)


class Rig:
    """Starts bulkhead-api; 'handlers' maps a method's name to f(rig, call), run in a thread."""

    def __init__(self, prepared, handlers=None, nofile=None, key="node"):
        sys.path.insert(0, os.path.join(prepared, "py"))
        from bulkhead.v1 import ipc_pb2, node_pb2
        self.ipc, self.node = ipc_pb2, node_pb2
        self.prepared = prepared
        self.handlers = handlers or {}
        self.calls, self.cancels = [], []
        self.dir = tempfile.mkdtemp(prefix="bulkhead-api-test.")
        self.empty = os.path.join(self.dir, "empty")
        os.mkdir(self.empty, 0o755)
        os.chmod(self.dir, 0o755)
        for name in ("ca.pem", key + ".pem", key + ".key"):
            shutil.copy(os.path.join(prepared, name), self.dir)
        self.files = [os.path.join(self.dir, n) for n in ("ca.pem", key + ".pem", key + ".key")]
        self.proc = None
        self.start(nofile)

    def start(self, nofile=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = open(os.path.join(self.dir, "log"), "w+b")

        def child():
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)
            if nofile:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        self.proc = subprocess.Popen(
            [API, "--listen", "127.0.0.1:0", "--ca", self.files[0], "--cert", self.files[1],
             "--key", self.files[2], "--uid", str(UID), "--empty-root", self.empty],
            preexec_fn=child, close_fds=False, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log)
        theirs.close()
        self.sock = ours
        self.frames = Frames(ours)
        self.port = self.wait_for_port()
        self.thread = threading.Thread(target=self.serve, args=(self.frames,), daemon=True)
        self.thread.start()

    def log_text(self):
        with open(self.log.name, "rb") as f:
            return f.read().decode(errors="replace")

    def wait_for_port(self):
        for _ in range(1000):
            text = self.log_text()
            if "serving on " in text:
                return int(text.split("serving on 127.0.0.1:")[1].split()[0])
            if self.proc.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError("bulkhead-api did not start: exit %s: %s" % (self.proc.poll(), text))

    def serve(self, frames):
        try:
            while True:
                got = frames.recv()
                if got is None:
                    return
                kind, body = got
                if kind == CALL:
                    call = self.ipc.Call.FromString(body)
                    self.calls.append(call)
                    handler = self.handlers.get(call.method, default_handler)
                    threading.Thread(target=handler, args=(self, call), daemon=True).start()
                elif kind == CALL_CANCEL:
                    self.cancels.append(self.ipc.CallCancel.FromString(body).id)
        except OSError:
            return

    def reply(self, call, message=b"", end=False, code=0, text="", stream=0, fds=()):
        r = self.ipc.CallReply(id=call.id, end=end, stream=stream)
        r.message = message if isinstance(message, bytes) else message.SerializeToString()
        if code:
            r.error.code, r.error.text = code, text
        try:
            self.frames.send(CALL_REPLY, r.SerializeToString(), fds)
        except OSError:
            pass

    def credentials(self, who="alice", ca="ca"):
        import grpc

        def read(name):
            with open(os.path.join(self.prepared, name), "rb") as f:
                return f.read()

        if who is None:
            return grpc.ssl_channel_credentials(read(ca + ".pem"))
        return grpc.ssl_channel_credentials(read(ca + ".pem"), read(who + ".key"),
                                            read(who + ".pem"))

    def channel(self, who="alice", ca="ca", options=()):
        import grpc
        return grpc.secure_channel("127.0.0.1:%d" % self.port, self.credentials(who, ca),
                                   options=[("grpc.enable_retries", 0), *options])

    def method(self, channel, name):
        """A callable for a method of the Node service, of the right one of four kinds."""
        m = self.node.DESCRIPTOR.services_by_name["Node"].methods_by_name[name]
        from google.protobuf import message_factory
        factory = message_factory.MessageFactory()
        request, response = (factory.GetPrototype(t) for t in (m.input_type, m.output_type))
        streams = {"Exec": "stream_stream", "ImportImage": "stream_unary",
                   "WatchPods": "unary_stream", "PodLogs": "unary_stream"}
        make = getattr(channel, streams.get(name, "unary_unary"))
        return make("/bulkhead.v1.Node/" + name, request_serializer=request.SerializeToString,
                    response_deserializer=response.FromString)

    def rss_kb(self, field="VmRSS"):
        with open("/proc/%d/status" % self.proc.pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        return 0

    def works(self, timeout=5):
        """An ordinary call of a fresh client succeeds."""
        with self.channel() as channel:
            r = self.method(channel, "GetVersion")(self.node.GetVersionRequest(), timeout=timeout,
                                                   wait_for_ready=True)
            assert r.version == "fake", r
        return True

    def close(self):
        # A thread waits in recvmsg(): close() alone would leave the socket open.
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        try:
            code = self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            code = "killed: it did not end"
        text = self.log_text()
        shutil.rmtree(self.dir)
        return code, text

    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        code, text = self.close()
        if kind is not None:
            sys.stderr.write(text)
        elif code != 0:
            raise AssertionError("bulkhead-api ended with %s:\n%s" % (code, text))


def default_handler(rig, call):
    if call.method == "GetVersion":
        rig.reply(call, rig.node.GetVersionResponse(version="fake", node="n"), end=True)
    else:
        rig.reply(call, code=8, text="%s: not in this test" % call.method, end=True)


def eventually(what, condition, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("never happened: " + what)
