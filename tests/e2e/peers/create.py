"""The CLI's create against bulkhead-api and an agent of our own. usage: create.py PREPARED TEST"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop/peers"))

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import envelope
import rig as r

CLI = os.path.join(r.ROOT, r.BUILD, "bulkhead")
CANARY = "canary-4be2"
KEY = X25519PrivateKey.generate()


def signature(prepared, name, key, ca="ca"):
    """The CA's, as bulkhead-secretd --init makes it."""
    statement = b"bulkhead-sealing-key-v1\0" + name.encode() + b"\0" + key
    return subprocess.run(["openssl", "dgst", "-sha256", "-sign", os.path.join(prepared, ca + ".key")],
                          input=statement, stdout=subprocess.PIPE, check=True).stdout


class Cluster:
    """A rig whose agent knows one node and keeps the secrets it is sent."""

    def __init__(self, prepared, nodes=None):
        self.rig = r.Rig(prepared, {"ListNodes": self.list_nodes, "PutSecret": self.put,
                                    "CreateProject": self.project})
        key = envelope.raw(KEY.public_key())
        self.nodes = nodes
        if nodes is None:
            self.nodes = [("node-1", key, signature(prepared, "node-1", key))]
        self.puts, self.projects = [], []
        self.wait = 0
        self.context = os.path.join(self.rig.dir, "context.yaml")
        with open(self.context, "w") as f:
            f.write("server: 127.0.0.1:%d\nserverName: node\nca: %s/ca.pem\n"
                    "certificate: %s/alice.pem\nkey: %s/alice.key\nproject: green\n" % (
                        self.rig.port, prepared, prepared, prepared))

    def list_nodes(self, rig, call):
        answer = rig.node.ListNodesResponse()
        for name, key, proof, *asked in self.nodes:
            node = answer.nodes.add(name=name, sealing_key=key, sealing_key_signature=proof)
            # The node that is asked tells its condition, and nobody else's.
            if asked != [False]:
                node.conditions.add(type="Ready", status="True")
        rig.reply(call, answer, end=True)

    def put(self, rig, call):
        time.sleep(self.wait)
        self.puts.append((rig.node.PutSecretRequest.FromString(call.message), call.message))
        rig.reply(call, self.puts[-1][0].secret, end=True)

    def project(self, rig, call):
        self.projects.append(rig.node.CreateProjectRequest.FromString(call.message).name)
        rig.reply(call, rig.node.Project(name=self.projects[-1]), end=True)

    def run(self, *args):
        p = subprocess.run([CLI, "create", *args, "--context", self.context], timeout=30,
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return p.returncode, p.stdout, p.stderr

    def refused(self, why, *args):
        code, out, err = self.run(*args)
        assert code == 1 and out == "" and why in err, (code, out, err)
        assert CANARY not in err and not self.puts

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return self.rig.__exit__(*exc)


def opened(put, project, name):
    from k8s.io.api.core.v1 import core_pb2 as core
    plain = envelope.open_(KEY, project, name, "node-1", put.secret.sealed)
    message = core.Secret.FromString(plain)
    assert [f.name for f, _ in message.ListFields()] == ["data"]
    return dict(message.data)


def project(prepared):
    with Cluster(prepared) as c:
        assert c.run("project", "red") == (0, "project/red created\n", "")
        assert c.projects == ["red"]
        c.refused("'Red' is no project name", "project", "Red")
        c.refused("is no project name", "project", "a" * 64)
        assert c.projects == ["red"]


def sealed(prepared):
    with Cluster(prepared) as c:
        path = os.path.join(c.rig.dir, "tls.key")
        with open(path, "wb") as f:
            f.write(bytes(range(256)))
        got = c.run("secret", "generic", "db", "-n", "red", "--from-literal=password=a=b c",
                    "--from-literal", "empty=", "--from-file=" + path, "--from-file=odd=" + path)
        assert got == (0, "secret/db created\n", ""), got
        put, _ = c.puts[0]
        assert (put.secret.project, put.secret.name, put.secret.type, put.secret.node,
                put.replace) == ("red", "db", "Opaque", "node-1", False), put
        assert {k.name: k.size for k in put.secret.keys} == {
            "password": 5, "empty": 0, "tls.key": 256, "odd": 256}
        assert opened(put, "red", "db") == {
            "password": b"a=b c", "empty": b"", "tls.key": bytes(range(256)),
            "odd": bytes(range(256))}
        for other in (("blue", "db"), ("red", "db2")):
            try:
                opened(put, *other)
                raise AssertionError("opened for %s" % (other,))
            except InvalidTag:
                pass
        got = c.run("secret", "generic", "db", "--replace", "--type=example.org/x",
                    "--from-literal=a=1")
        assert got == (0, "secret/db replaced\n", ""), got
        put, _ = c.puts[1]
        assert (put.secret.project, put.secret.type, put.replace) == (
            "green", "example.org/x", True), put


def silence(prepared):
    with Cluster(prepared) as c:
        c.wait = 2
        p = subprocess.Popen(
            [CLI, "create", "secret", "generic", "db", "--from-literal=password=" + CANARY,
             "--context", c.context], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        seen = []

        def wiped():
            with open("/proc/%d/cmdline" % p.pid, "rb") as f:
                seen.append(f.read())
            return b"password=" in seen[-1] and CANARY.encode() not in seen[-1]

        r.eventually("argv is wiped", wiped)
        out = p.communicate(timeout=20)[0].decode()
        assert p.returncode == 0 and CANARY not in out, out
        for call in c.rig.calls:
            assert CANARY.encode() not in call.message


def limits(prepared):
    with Cluster(prepared) as c:
        path = os.path.join(c.rig.dir, "big")
        with open(path, "wb") as f:
            f.write(bytes(1 << 20))
        assert c.run("secret", "generic", "db", "--from-file", path)[0] == 0
        assert len(opened(c.puts.pop()[0], "green", "db")["big"]) == 1 << 20
        c.refused("at most 1048576", "secret", "generic", "db", "--from-file", path,
                  "--from-literal=one=" + CANARY)
        with open(path, "ab") as f:
            f.write(b"x")
        c.refused("at most 1048576 bytes", "secret", "generic", "db", "--from-file", path)


def bad_input(prepared):
    with Cluster(prepared) as c:
        c.refused("no key is given", "secret", "generic", "db")
        c.refused("takes KEY=VALUE", "secret", "generic", "db", "--from-literal=" + CANARY)
        c.refused("key 'a/b'", "secret", "generic", "db", "--from-literal=a/b=" + CANARY)
        c.refused("key 'a': given twice", "secret", "generic", "db", "--from-literal=a=" + CANARY,
                  "--from-literal=a=2")
        c.refused("/nonexistent", "secret", "generic", "db", "--from-file=/nonexistent/x")
        c.refused("'Db' is no secret name", "secret", "generic", "Db", "--from-literal=a=1")
        c.refused("'tls'", "secret", "tls", "db", "--from-literal=a=1")


def nodes(prepared):
    public = envelope.raw(KEY.public_key())
    cases = (([], "does not say which one it is"),
             ([("a", public, b"", False), ("b", public, b"", False)], "does not say which one it is"),
             ([("a", public, b"", False), ("b", b"", b"")], "node 'b' has no sealing key yet"),
             ([("a", b"", b"")], "no sealing key yet"),
             ([("a", bytes(32), signature(prepared, "a", bytes(32)))], "not a usable X25519 key"))
    for several, why in cases:
        with Cluster(prepared, several) as c:
            c.refused(why, "secret", "generic", "db", "--from-literal=a=" + CANARY)


def forged(prepared):
    """A taken-over bulkhead-api or clusterd hands out another key than the CA signed."""
    key = envelope.raw(KEY.public_key())
    own = envelope.raw(X25519PrivateKey.generate().public_key())
    good = signature(prepared, "node-1", key)
    unsigned = "node 'node-1': its sealing key has no signature of the cluster's CA"
    wrong = "its sealing key is not signed by the CA of the context for this node"
    cases = (("node-1", key, b"", unsigned), ("node-1", own, good, wrong),
             ("node-2", key, good, wrong), ("node-1", key, good[:-1], wrong),
             ("node-1", key, good + b"\0", wrong), ("node-1", key, bytes(72), wrong),
             ("node-1", key, bytes(100000), wrong),
             ("node-1", key, signature(prepared, "node-1", key, "node"), wrong),
             ("node-1", key, signature(prepared, "node-1", key, "other"), wrong))
    for name, offered, proof, why in cases:
        with Cluster(prepared, [(name, offered, proof)]) as c:
            c.refused(why, "secret", "generic", "db", "--from-literal=a=" + CANARY)


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1])
