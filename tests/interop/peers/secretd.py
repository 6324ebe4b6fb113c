"""The agent's part towards bulkhead-secretd. usage: secretd.py PROGRAM DIRECTORY TEST"""
import base64
import ctypes
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import envelope

program, directory, test = sys.argv[1:]
sys.path.insert(0, os.path.join(directory, "py"))
from bulkhead.v1 import ipc_pb2 as ipc  # noqa: E402
from k8s.io.api.core.v1 import core_pb2 as core  # noqa: E402

HEADER = struct.Struct("=6I")
MAGIC = 0x42484B31
HELLO, STAGE, STAGED, PUBLISH, PUBLISHED = 8, 9, 10, 11, 12
UID = 64124
CANARY = "canary-8d1f0c"


class Secretd:
    def __init__(self):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(20)

        def child():
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)

        self.proc = subprocess.Popen(
            [program, "--keys", os.path.join(directory, "keys"), "--uid", str(UID), "--empty-root",
             os.path.join(directory, "empty"), "--issuer", "https://node-1"],
            preexec_fn=child, close_fds=False, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        self.serial = 0
        self.hello = ipc.SecretsHello.FromString(self.recv(HELLO))
        volume = os.path.join(directory, "volume")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"tmpfs", volume.encode(), b"tmpfs", 0,
                      b"size=65536,nr_inodes=64,mode=0755,uid=%d" % UID) != 0:
            raise OSError(ctypes.get_errno(), "mount")
        self.volume = os.open(volume, os.O_PATH | os.O_DIRECTORY)

    def recv(self, kind):
        data = self.sock.recv(1 << 17)
        magic, got, _, reply_to, flags, size = HEADER.unpack_from(data)
        assert (magic, got, flags, size) == (MAGIC, kind, 0, len(data) - HEADER.size), data
        assert kind == HELLO or reply_to == self.serial
        return data[HEADER.size:]

    def call(self, kind, message, answer, answer_type):
        body = message.SerializeToString()
        self.serial += 1
        socket.send_fds(self.sock, [HEADER.pack(MAGIC, kind, self.serial, 0, 0, len(body)) + body],
                        [self.volume])
        return answer_type.FromString(self.recv(answer))

    def stage(self, **fields):
        identity = ipc.PodIdentity(
            project="red", pod="web", pod_uid="pod-uid", service_account="builder",
            service_account_uid="sa-uid", node="node-1", node_uid="node-uid")
        message = ipc.SecretsStage(identity=identity, volume="v", default_mode=0o640, **fields)
        return self.call(STAGE, message, STAGED, ipc.SecretsStaged)

    def publish(self, staged):
        assert not staged.HasField("error"), staged
        published = self.call(
            PUBLISH, ipc.SecretsPublish(pod_uid="pod-uid", volume="v", directory=staged.directory),
            PUBLISHED, ipc.SecretsPublished)
        assert not published.HasField("error"), published

    def read(self, path):
        with open(os.path.join(directory, "volume", path), "rb") as f:
            return f.read()

    def close(self):
        self.sock.close()
        said = self.proc.stderr.read().decode()
        code = self.proc.wait(10)
        assert code == 0, (code, said)
        return said


def sealed(s, data, name="db", project="red", node="node-1"):
    plain = core.Secret(data=data).SerializeToString()
    return ipc.SecretSource(secret=ipc.ClusterSecret(
        project="red", name="db", node="node-1",
        sealed=envelope.seal(s.hello.sealing_key, project, name, node, plain)))


def secret(s):
    data = {"password": CANARY.encode(), "tls.key": bytes(range(256)) * 40}
    s.publish(s.stage(secrets=[sealed(s, data)]))
    for key, value in data.items():
        assert s.read(key) == value
        assert os.stat(os.path.join(directory, "volume", key)).st_mode & 0o7777 == 0o640
    assert s.close() == ""


def from_b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token(s):
    now = int(time.time())
    staged = s.stage(tokens=[ipc.TokenSource(path="token", audience="vault",
                                             expiration_seconds=7200)])
    s.publish(staged)
    text = s.read("token").decode()
    header, payload, signature = text.split(".")
    jwk, = json.loads(s.hello.jwks)["keys"]
    assert jwk["kty"] == "EC" and jwk["crv"] == "P-256" and jwk["use"] == "sig"
    key = ec.EllipticCurvePublicNumbers(
        int.from_bytes(from_b64(jwk["x"]), "big"), int.from_bytes(from_b64(jwk["y"]), "big"),
        ec.SECP256R1()).public_key()
    der = key.public_bytes(serialization.Encoding.DER,
                           serialization.PublicFormat.SubjectPublicKeyInfo)
    kid = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert kid == s.hello.key_id == jwk["kid"]
    assert json.loads(from_b64(header)) == {"alg": "ES256", "kid": kid}
    raw = from_b64(signature)
    assert len(raw) == 64
    key.verify(encode_dss_signature(int.from_bytes(raw[:32], "big"),
                                    int.from_bytes(raw[32:], "big")),
               (header + "." + payload).encode(), ec.ECDSA(hashes.SHA256()))
    claims = json.loads(from_b64(payload))
    iat = claims["iat"]
    assert now <= iat <= now + 20 and len(claims.pop("jti")) == 36
    assert staged.refresh_at == iat + 5760
    assert claims == {
        "iss": "https://node-1", "sub": "system:serviceaccount:red:builder", "aud": ["vault"],
        "iat": iat, "nbf": iat, "exp": iat + 7200,
        "kubernetes.io": {
            "namespace": "red", "serviceaccount": {"name": "builder", "uid": "sa-uid"},
            "pod": {"name": "web", "uid": "pod-uid"},
            "node": {"name": "node-1", "uid": "node-uid"}, "warnafter": iat + 5760}}
    assert s.close() == ""


def silence(s):
    good = {"password": CANARY.encode()}
    for wrong in ({"name": "db2"}, {"project": "blue"}, {"node": "node-2"}):
        staged = s.stage(secrets=[sealed(s, good, **wrong)])
        assert "sealed for another project, name or node" in staged.error.text, staged
        assert CANARY not in staged.error.text
    # Opened, and then refused: a key that is a path, and a message that is no secret.
    for data in ({"../" + CANARY: b"x"}, {CANARY + "/x": b"x"}):
        staged = s.stage(secrets=[sealed(s, data)])
        assert staged.error.code == 1, staged
    source = sealed(s, good)
    source.secret.sealed = envelope.seal(s.hello.sealing_key, "red", "db", "node-1",
                                         CANARY.encode())
    staged = s.stage(secrets=[source])
    assert staged.error.code == 1 and CANARY not in staged.error.text, staged
    assert os.listdir(os.path.join(directory, "volume")) == []
    assert CANARY not in s.close()


{"secret": secret, "token": token, "silence": silence}[test](Secretd())
