"""bulkhead-api with well-behaved clients. usage: api_basic.py PREPARED TEST"""
import os
import sys
import threading
import time

import grpc

import rig as r


def status_of(f):
    try:
        f()
    except grpc.RpcError as e:
        return e.code(), e.details()
    return None, None


def unary(prepared):
    with r.Rig(prepared) as rig, rig.channel() as channel:
        answer = rig.method(channel, "GetVersion")(rig.node.GetVersionRequest(), timeout=5)
        assert (answer.version, answer.node) == ("fake", "n")
        call = rig.calls[0]
        assert call.principal.name == "alice", call
        assert list(call.principal.groups) == ["red", "blue"], call
        assert call.method == "GetVersion" and call.peer.startswith("ipv4:127.0.0.1:"), call
        # An empty message is an answer too.
        rig.handlers["DeletePod"] = lambda g, c: g.reply(c, b"", end=True)
        rig.method(channel, "DeletePod")(rig.node.DeletePodRequest(name="x"), timeout=5)
        assert rig.calls[1].message == rig.node.DeletePodRequest(name="x").SerializeToString()


def large(prepared):
    """A request and a response that travel in a memfd."""
    def apply(rig, call):
        request = rig.node.ApplyPodRequest.FromString(call.message)
        rig.reply(call, rig.node.ApplyPodResponse(pod=request.pod, result="created"), end=True)

    with r.Rig(prepared, {"ApplyPod": apply}) as rig, rig.channel() as channel:
        request = rig.node.ApplyPodRequest()
        for i in range(30):
            request.pod.metadata.annotations["a%d" % i] = "x" * 100000
        answer = rig.method(channel, "ApplyPod")(request, timeout=10)
        assert answer.pod == request.pod and answer.result == "created"


def errors(prepared):
    codes = {1: "INVALID_ARGUMENT", 2: "NOT_FOUND", 3: "ALREADY_EXISTS", 4: "PERMISSION_DENIED",
             5: "UNAUTHENTICATED", 6: "RESOURCE_EXHAUSTED", 7: "FAILED_PRECONDITION",
             8: "UNIMPLEMENTED", 9: "UNAVAILABLE", 10: "INTERNAL", 11: "CANCELLED",
             12: "DEADLINE_EXCEEDED", 99: "INTERNAL"}
    with r.Rig(prepared) as rig, rig.channel() as channel:
        for code, name in codes.items():
            rig.handlers["DeletePod"] = lambda g, c: g.reply(
                c, code=code, text="pod 'é': \"quoted\" 100%", end=True)
            got = status_of(lambda: rig.method(channel, "DeletePod")(
                rig.node.DeletePodRequest(), timeout=5))
            assert got == (grpc.StatusCode[name], "pod 'é': \"quoted\" 100%"), (code, got)
        unknown = channel.unary_unary("/bulkhead.v1.Node/Nothing")
        assert status_of(lambda: unknown(b"", timeout=5))[0] == grpc.StatusCode.UNIMPLEMENTED
        raw = channel.unary_unary("/bulkhead.v1.Node/DeletePod")
        for bad in (b"\x0a\x02\xff\xfe", b"\x0a\x02a\x00", b"\xff", b"\xfa\x01\x01x", b"\x0a\x05a"):
            before = len(rig.calls)
            got = status_of(lambda: raw(bad, timeout=5))
            assert got[0] == grpc.StatusCode.INVALID_ARGUMENT, (bad, got)
            assert len(rig.calls) == before
        assert "DeletePodRequest" in got[1]


def stream(prepared):
    def watch(rig, call):
        for i in range(1000):
            rig.reply(call, rig.node.PodEvent(sequence=i + 1, type="ADDED"))
        rig.reply(call, end=True)

    with r.Rig(prepared, {"WatchPods": watch}) as rig, rig.channel() as channel:
        events = list(rig.method(channel, "WatchPods")(rig.node.ListPodsRequest(), timeout=10))
        assert [e.sequence for e in events] == list(range(1, 1001))
        time.sleep(0.1)
        assert rig.cancels == []


def cancel(prepared):
    """The agent is told when the client goes away, by cancel, deadline or disconnect."""
    with r.Rig(prepared, {"WatchPods": lambda g, c: g.reply(c, g.node.PodEvent(sequence=1)),
                          "DeletePod": lambda g, c: None}) as rig:
        with rig.channel() as channel:
            call = rig.method(channel, "WatchPods")(rig.node.ListPodsRequest(), timeout=30)
            next(call)
            call.cancel()
            r.eventually("cancel", lambda: rig.cancels == [rig.calls[0].id])
            got = status_of(lambda: rig.method(channel, "DeletePod")(
                rig.node.DeletePodRequest(), timeout=0.3))
            assert got[0] == grpc.StatusCode.DEADLINE_EXCEEDED, got
            r.eventually("deadline", lambda: rig.cancels[1:] == [rig.calls[1].id])
            call = rig.method(channel, "WatchPods")(rig.node.ListPodsRequest(), timeout=30)
            next(call)
        r.eventually("disconnect", lambda: rig.cancels[2:] == [rig.calls[2].id])
        # A reply that crosses the cancellation is dropped.
        rig.reply(rig.calls[0], rig.node.PodEvent(sequence=2), end=True)
        assert rig.works()


def slow_watcher(prepared):
    """A client that does not read is ended by name, and costs bounded memory."""
    def watch(rig, call):
        event = rig.node.PodEvent(sequence=1)
        event.pod.metadata.annotations["x"] = "y" * 30000
        for _ in range(2000):
            if call.id in rig.cancels:
                return
            rig.reply(call, event)

    with r.Rig(prepared, {"WatchPods": watch}) as rig, rig.channel() as channel:
        call = rig.method(channel, "WatchPods")(rig.node.ListPodsRequest(), timeout=30)
        r.eventually("the agent is told", lambda: rig.cancels, 20)
        got = status_of(lambda: list(call))
        assert got[0] == grpc.StatusCode.RESOURCE_EXHAUSTED, got
        assert "too slowly" in got[1], got
        assert rig.rss_kb("VmHWM") < 96 * 1024, rig.rss_kb("VmHWM")
        assert rig.works()


def agent_gone(prepared):
    """fd 3 closed: calls end UNAVAILABLE, the process ends with 0."""
    with r.Rig(prepared, {"WatchPods": lambda g, c: g.reply(c, g.node.PodEvent(sequence=1))}) as rig:
        with rig.channel() as channel:
            call = rig.method(channel, "WatchPods")(rig.node.ListPodsRequest(), timeout=30)
            next(call)
            rig.sock.shutdown(2)
            got = status_of(lambda: next(call))
            assert got[0] == grpc.StatusCode.UNAVAILABLE and "restarting" in got[1], got
            assert rig.proc.wait(10) == 0


def bad_agent(prepared):
    """A frame outside the table ends the connection, and with it the process."""
    with r.Rig(prepared) as rig:
        rig.frames.send(r.CALL, b"")
        assert rig.proc.wait(10) == 0
        assert "peer may not send" in rig.log_text()


def logs(prepared):
    """Rotated files, tail, limit, timestamps, stderr, follow and the end of the container."""
    with r.Rig(prepared) as rig, rig.channel() as channel:
        d = os.path.join(rig.dir, "logs")
        os.mkdir(d)

        def line(n, stream="stdout", tag="F"):
            return "2026-01-02T03:04:%02d.000000001Z %s %s line %d\n" % (n, stream, tag, n)

        def write(name, text, mode="a"):
            with open(os.path.join(d, name), mode) as f:
                f.write(text)

        write("0.log", line(59))
        write("1.log.2", line(1) + line(2))
        write("1.log.1", line(3, "stderr") + line(4, tag="P"))
        write("1.log", line(5) + line(6))
        held = []

        def open_logs(g, call):
            request = g.node.PodLogsRequest.FromString(call.message)
            dirfd = os.open(d, os.O_RDONLY)
            import ctypes
            libc = ctypes.CDLL(None)
            ino = libc.inotify_init1(0o4000)
            assert libc.inotify_add_watch(ino, d.encode(), 0x2 | 0x100 | 0x80) >= 0
            g.reply(call, stream=r.STREAM_LOGS, fds=[dirfd, ino])
            os.close(dirfd)
            os.close(ino)
            held.append(call)
            if not request.follow:
                g.reply(call, end=True)

        rig.handlers["PodLogs"] = open_logs

        def read(**options):
            options.setdefault("tail_lines", -1)
            got = rig.method(channel, "PodLogs")(rig.node.PodLogsRequest(**options), timeout=10)
            return list(got)

        text = lambda messages: b"".join(m.data for m in messages).decode()
        everything = "line 1\nline 2\nline 3\nline 4line 5\nline 6\n"
        assert text(read()) == everything, read()
        assert text(m for m in read() if m.from_stderr) == "line 3\n"
        for n in range(8):
            want = ["line 1\n", "line 2\n", "line 3\n", "line 4", "line 5\n", "line 6\n"]
            want = "".join(want[-n:] if n else [])
            assert text(read(tail_lines=n)) == want, (n, text(read(tail_lines=n)))
        assert text(read(limit_bytes=10)) == everything[:10]
        assert text(read(previous=True)) == "line 59\n"
        assert text(read(tail_lines=1, timestamps=True)) == line(6).replace("stdout F ", "")
        assert text(read(since_seconds=1)) == ""
        bad = status_of(lambda: read(tail_lines=-5))
        assert bad[0] == grpc.StatusCode.INVALID_ARGUMENT and "tail_lines" in bad[1], bad

        held.clear()
        call = rig.method(channel, "PodLogs")(
            rig.node.PodLogsRequest(follow=True, tail_lines=0), timeout=20)
        r.eventually("follow", lambda: held)
        write("1.log", line(7))
        assert next(call).data == b"line 7\n"
        # Rotated while followed, twice: nothing is lost, nothing twice.
        write("1.log", line(8))
        os.rename(os.path.join(d, "1.log.1"), os.path.join(d, "1.log.3"))
        os.rename(os.path.join(d, "1.log"), os.path.join(d, "1.log.2"))
        write("1.log.1", line(9))
        write("1.log", line(10), "w")
        got = b""
        while got.count(b"\n") < 3:
            got += next(call).data
        assert got == b"line 8\nline 9\nline 10\n", got
        write("1.log", line(11))
        rig.reply(held[0], end=True)
        assert b"".join(m.data for m in call) == b"line 11\n"
        # Cut short by a full disk, with the next record behind it: both are passed over.
        write("1.log", line(12)[:20] + line(13) + line(14))
        assert text(read()).endswith("line 11\nline 14\n")


def exec_pipes(prepared):
    """stdin to stdout through a process's pipes, 8 MiB each way, stderr, exit code."""
    import subprocess

    def run(rig, call):
        request = rig.node.ExecRequest.FromString(call.message)
        assert not request.stdin
        p = subprocess.Popen(list(request.start.command), stdin=-1, stdout=-1, stderr=-1)
        rig.reply(call, stream=r.STREAM_EXEC,
                  fds=[p.stdin.fileno(), p.stdout.fileno(), p.stderr.fileno()])
        p.stdin.close(), p.stdout.close(), p.stderr.close()
        rig.reply(call, rig.node.ExecResponse(exited=True, exit_code=p.wait()), end=True)

    with r.Rig(prepared, {"Exec": run}) as rig, rig.channel() as channel:
        data = os.urandom(1 << 20) * 8

        def requests():
            first = rig.node.ExecRequest(stdin=b"first ")
            first.start.command.extend(["sh", "-c", "cat; echo done >&2; exit 7"])
            first.start.stdin = True
            yield first
            for i in range(0, len(data), 100000):
                yield rig.node.ExecRequest(stdin=data[i:i + 100000])
            yield rig.node.ExecRequest(stdin_closed=True)

        got = list(rig.method(channel, "Exec")(requests(), timeout=60))
        assert b"".join(m.stdout for m in got) == b"first " + data
        assert b"".join(m.stderr for m in got) == b"done\n"
        assert [(m.exited, m.exit_code) for m in got][-1] == (True, 7)
        assert not any(m.exited for m in got[:-1])
        assert rig.rss_kb("VmHWM") < 96 * 1024, rig.rss_kb("VmHWM")

        def one(**kwargs):
            def gen():
                first = rig.node.ExecRequest()
                first.start.command.extend(["sh", "-c", "exec sleep 1"])
                yield first
                yield rig.node.ExecRequest(**kwargs)
            return status_of(lambda: list(rig.method(channel, "Exec")(gen(), timeout=10)))

        for bad, field in ((dict(stdin=b"x"), "stdin"), (dict(rows=3), "rows"),
                           (dict(start=dict(tty=True)), "start")):
            code, text = one(**bad)
            assert code == grpc.StatusCode.INVALID_ARGUMENT and field in text, (code, text)
        code, text = status_of(lambda: list(rig.method(channel, "Exec")(
            iter([rig.node.ExecRequest(stdin=b"x")]), timeout=10)))
        assert code == grpc.StatusCode.INVALID_ARGUMENT and "start" in text, (code, text)


def exec_slow(prepared):
    """A client that does not read stops the process's output, and loses none of it."""
    import subprocess
    seen = {}

    def run(rig, call):
        p = subprocess.Popen(["sh", "-c", "head -c 20000000 /dev/zero; echo end"], stdin=-1,
                             stdout=-1, stderr=-1)
        rig.reply(call, stream=r.STREAM_EXEC,
                  fds=[p.stdin.fileno(), p.stdout.fileno(), p.stderr.fileno()])
        p.stdin.close(), p.stdout.close(), p.stderr.close()
        code = p.wait()
        seen["at"] = time.monotonic()
        rig.reply(call, rig.node.ExecResponse(exited=True, exit_code=code), end=True)

    with r.Rig(prepared, {"Exec": run}) as rig:
        with rig.channel(options=[("grpc.http2.lookahead_bytes", 65536),
                                  ("grpc.http2.bdp_probe", 0)]) as channel:
            first = rig.node.ExecRequest()
            first.start.command.append("x")
            call = rig.method(channel, "Exec")(iter([first]), timeout=60)
            begun = time.monotonic()
            time.sleep(4)
            got = list(call)
            assert seen["at"] - begun > 3.5, "the output was buffered somewhere"
            assert sum(len(m.stdout) for m in got) == 20000004
            assert got[-1].exited


def exec_tty(prepared):
    """A terminal: echo, resize, end of transmission; output that somebody keeps open is cut."""
    import pty
    import subprocess

    def run(rig, call):
        request = rig.node.ExecRequest.FromString(call.message)
        master, slave = pty.openpty()
        p = subprocess.Popen(list(request.start.command), stdin=slave, stdout=slave, stderr=slave,
                             start_new_session=True)
        os.close(slave)
        rig.reply(call, stream=r.STREAM_EXEC, fds=[master])
        os.close(master)
        rig.reply(call, rig.node.ExecResponse(exited=True, exit_code=p.wait()), end=True)

    with r.Rig(prepared, {"Exec": run}) as rig, rig.channel() as channel:
        ready = threading.Event()

        def requests():
            first = rig.node.ExecRequest()
            first.start.command.extend(["sh", "-c", "read x; stty size; cat; exit 3"])
            first.start.tty = first.start.stdin = True
            yield first
            yield rig.node.ExecRequest(rows=33, columns=77)
            yield rig.node.ExecRequest(stdin=b"go\n")
            ready.wait(10)
            yield rig.node.ExecRequest(stdin_closed=True)

        call = rig.method(channel, "Exec")(requests(), timeout=20)
        text, last = b"", None
        for m in call:
            text, last = text + m.stdout, m
            if b"33 77" in text:
                ready.set()
        assert b"33 77" in text and last.exited and last.exit_code == 3, (text, last)

        def background():
            first = rig.node.ExecRequest()
            first.start.command.extend(["sh", "-c", "trap '' HUP; sleep 6 & echo hi; exit 4"])
            first.start.tty = first.start.stdin = True
            yield first
            time.sleep(5)

        begun = time.monotonic()
        got = list(rig.method(channel, "Exec")(background(), timeout=20))
        assert got[-1].exit_code == 4 and time.monotonic() - begun < 5.5, got


def import_image(prepared):
    """The archive goes into the pipe; the verdict comes back, also when nobody reads on."""
    import hashlib
    seen = {}

    def take(rig, call):
        name = rig.node.ImportImageRequest.FromString(call.message)
        assert not name.data
        rd, wr = os.pipe()
        rig.reply(call, stream=r.STREAM_IMPORT, fds=[wr])
        os.close(wr)
        digest = hashlib.sha256()
        with os.fdopen(rd, "rb") as f:
            for chunk in iter(lambda: f.read(65536), b""):
                digest.update(chunk)
                if name.name == "broken":
                    break
        if name.name == "broken":
            time.sleep(0.5)
            rig.reply(call, code=1, text="archive: not a tar", end=True)
            return
        answer = rig.node.ImportImageResponse()
        answer.images.add(name=name.name, digest=digest.hexdigest())
        rig.reply(call, answer, end=True)

    with r.Rig(prepared, {"ImportImage": take}) as rig, rig.channel() as channel:
        data = os.urandom(1 << 20) * 20
        size = 1 << 19

        def requests(name):
            yield rig.node.ImportImageRequest(name=name, data=data[:size])
            for i in range(size, len(data), size):
                yield rig.node.ImportImageRequest(data=data[i:i + size])

        got = rig.method(channel, "ImportImage")(requests("img"), timeout=60)
        assert got.images[0].name == "img"
        assert got.images[0].digest == hashlib.sha256(data).hexdigest()
        got = status_of(lambda: rig.method(channel, "ImportImage")(requests("broken"), timeout=20))
        assert got == (grpc.StatusCode.INVALID_ARGUMENT, "archive: not a tar"), got
        twice = iter([rig.node.ImportImageRequest(name="a"), rig.node.ImportImageRequest(name="b")])
        got = status_of(lambda: rig.method(channel, "ImportImage")(twice, timeout=20))
        assert got[0] == grpc.StatusCode.INVALID_ARGUMENT and "name" in got[1], got
        assert rig.rss_kb("VmHWM") < 96 * 1024, rig.rss_kb("VmHWM")


def health_reflection(prepared):
    """Health, and a client that knows nothing but reflection makes a call."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    with r.Rig(prepared) as rig, rig.channel() as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=5) == b"\x08\x01"
        assert check(b"\x0a\x10bulkhead.v1.Node", timeout=5) == b"\x08\x01"
        assert status_of(lambda: check(b"\x0a\x01x", timeout=5))[0] == grpc.StatusCode.NOT_FOUND
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"\x0a\x01x", timeout=5)
        assert next(watch) == b"\x08\x03"
        watch.cancel()

        text = lambda field, s: bytes([field << 3 | 2, len(s)]) + s.encode()
        for version in ("v1", "v1alpha"):
            info = channel.stream_stream(
                "/grpc.reflection.%s.ServerReflection/ServerReflectionInfo" % version)
            got = list(info(iter([text(7, "*"), text(4, "bulkhead.v1.Node.ApplyPod"),
                                  text(3, "bulkhead/v1/node.proto"), text(4, "no.such")]),
                            timeout=5))
            assert len(got) == 4
            assert b"bulkhead.v1.Node" in got[0] and b"grpc.health.v1.Health" in got[0]
            assert b"bulkhead/v1/node.proto" in got[1] and b"core/v1/core.proto" in got[2]
            assert b"not found" in got[3]

        # file_descriptor_response = 4 { repeated bytes file_descriptor_proto = 1 }
        pool = descriptor_pool.DescriptorPool()
        wire = descriptor_pb2.FileDescriptorProto()
        wire.name, wire.package = "r.proto", "r"
        inner = wire.message_type.add(name="Files")
        inner.field.add(name="f", number=1, type=12, label=3)
        outer = wire.message_type.add(name="Answer")
        outer.field.add(name="files", number=4, type=11, label=1, type_name=".r.Files")
        factory = message_factory.MessageFactory(pool)
        pool.Add(wire)
        answer = factory.GetPrototype(pool.FindMessageTypeByName("r.Answer")).FromString(got[1])
        parsed = [descriptor_pb2.FileDescriptorProto.FromString(f) for f in answer.files.f]
        names = {p.name for p in parsed}
        assert all(d in names for p in parsed for d in p.dependency), names


def reload(prepared):
    """A new certificate is served without a restart; a broken one is not."""
    import ssl
    with r.Rig(prepared) as rig:
        os.chown(rig.files[2], r.UID, r.UID)

        def serial():
            context = ssl.create_default_context(cafile=os.path.join(prepared, "ca.pem"))
            context.check_hostname = False
            context.load_cert_chain(os.path.join(prepared, "alice.pem"),
                                    os.path.join(prepared, "alice.key"))
            import socket
            with socket.create_connection(("127.0.0.1", rig.port)) as s:
                with context.wrap_socket(s) as t:
                    return t.getpeercert()["serialNumber"]

        first = serial()
        with open(rig.files[1], "a") as f:
            f.write("broken")
        with open(rig.files[2], "w") as f:
            f.write("broken")
        assert serial() == first and "stay as they were" in rig.log_text(), rig.log_text()
        import shutil
        shutil.copy(os.path.join(prepared, "ca.pem"), rig.dir)
        pki = r.Pki.__new__(r.Pki)
        pki.path, pki.ca = rig.dir, os.path.join(prepared, "ca.pem")
        pki.ca_key = os.path.join(prepared, "ca.key")
        cert, key = pki.issue("new", "/CN=node", usage="serverAuth", san="IP:127.0.0.1")
        os.chown(key, r.UID, r.UID)
        os.rename(key, rig.files[2])
        os.rename(cert, rig.files[1])
        assert serial() != first, rig.log_text()
        assert rig.works()


def facts(prepared):
    """What /proc says about the process: no user, no capability, no way out."""
    with r.Rig(prepared) as rig:
        assert rig.works()
        pid = rig.proc.pid
        status = dict(l.split(":\t", 1) for l in open("/proc/%d/status" % pid) if ":\t" in l)
        assert status["Uid"].split() == [str(r.UID)] * 4, status["Uid"]
        assert status["Gid"].split() == [str(r.UID)] * 4, status["Gid"]
        assert status["Groups"].strip() == "", status["Groups"]
        for cap in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[cap], 16) == 0, (cap, status[cap])
        assert status["NoNewPrivs"].strip() == "1"
        for tid in os.listdir("/proc/%d/task" % pid):
            task = dict(l.split(":\t", 1) for l in open("/proc/%d/task/%s/status" % (pid, tid))
                        if ":\t" in l)
            assert task["Seccomp"].strip() == "2", (tid, task["Seccomp"])
            assert int(task["CapEff"], 16) == 0 and task["Uid"].split()[0] == str(r.UID)
        assert len(os.listdir("/proc/%d/task" % pid)) > 1
        assert os.listdir("/proc/%d/root/" % pid) == []
        same = lambda ns: os.readlink("/proc/%d/ns/%s" % (pid, ns)) == os.readlink(
            "/proc/self/ns/" + ns)
        assert same("net") and not same("mnt") and not same("ipc")
        listening = [l.split() for l in open("/proc/%d/net/tcp" % pid) if ":%04X " % rig.port in l]
        assert [l for l in listening if l[3] == "0A" and l[1].startswith("0100007F")], listening
        log = rig.log_text()
        assert "error" not in log, log


def second(prepared):
    """A second instance on the same port fails clearly; the first goes on."""
    import subprocess
    with r.Rig(prepared) as rig:
        import socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        p = subprocess.run([r.API, "--listen", "127.0.0.1:%d" % rig.port, "--ca", rig.files[0],
                            "--cert", rig.files[1], "--key", rig.files[2], "--uid", str(r.UID),
                            "--empty-root", rig.empty], capture_output=True, timeout=10,
                           preexec_fn=lambda: os.dup2(theirs.fileno(), 3), close_fds=False)
        assert p.returncode == 1, p
        assert b"cannot listen on 127.0.0.1:%d" % rig.port in p.stderr, p.stderr
        assert b"does another bulkhead-api run?" in p.stderr, p.stderr
        assert rig.works()


def usage(prepared):
    import subprocess
    good = ["--listen", "127.0.0.1:0", "--ca", prepared + "/ca.pem", "--cert",
            prepared + "/node.pem", "--key", prepared + "/node.key", "--uid", "1",
            "--empty-root", prepared]

    def run(*args):
        p = subprocess.run([r.API, *args], capture_output=True, timeout=10)
        return p.returncode, p.stderr.decode()

    for bad in ([], good[2:], good + ["x"], good + ["--uid", "0"], good + ["--uid", "1x"],
                good + ["--nothing", "1"]):
        code, text = run(*bad)
        assert code == 2 and "usage" in text, (bad, code, text)
    for option, value, what in (("--listen", "localhost:1", "localhost"),
                                ("--listen", "127.0.0.1", "ADDRESS:PORT"),
                                ("--listen", "127.0.0.1:x", "127.0.0.1:x"),
                                ("--ca", "/nonexistent/ca.pem", "/nonexistent/ca.pem"),
                                ("--cert", prepared + "/ca.key", "holds no PEM certificate"),
                                ("--key", prepared + "/ca.key", "does not belong")):
        code, text = run(*good, option, value)
        assert code == 1 and what in text, (option, value, code, text)


if __name__ == "__main__":
    if sys.argv[2] == "prepare":
        r.prepare(sys.argv[1])
    else:
        globals()[sys.argv[2]](sys.argv[1])
