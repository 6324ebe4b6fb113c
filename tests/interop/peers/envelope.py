"""Sealed envelopes by another hand: RFC 9180 base mode from python3-cryptography's primitives."""
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEM, KDF, AEAD = 0x0020, 0x0001, 0x0002
INFO = b"bulkhead secret envelope v1"


def raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite, prk, label, info, size):
    labeled = struct.pack(">H", size) + b"HPKE-v1" + suite + label + info
    return HKDFExpand(SHA256(), size, labeled).derive(prk)


def cipher(dh, enc, recipient, info):
    kem = b"KEM" + struct.pack(">H", KEM)
    suite = b"HPKE" + struct.pack(">HHH", KEM, KDF, AEAD)
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + recipient, 32)
    context = (b"\0" + extract(suite, b"", b"psk_id_hash", b"")
               + extract(suite, b"", b"info_hash", info))
    secret = extract(suite, shared, b"secret", b"")
    return (AESGCM(expand(suite, secret, b"key", context, 32)),
            expand(suite, secret, b"base_nonce", context, 12))


def hpke_seal(recipient, info, aad, plain, ephemeral=None):
    ephemeral = ephemeral or X25519PrivateKey.generate()
    enc = raw(ephemeral.public_key())
    aead, nonce = cipher(ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient)), enc,
                         recipient, info)
    return enc + aead.encrypt(nonce, plain, aad)


def hpke_open(private, info, aad, sealed):
    enc = sealed[:32]
    dh = private.exchange(X25519PublicKey.from_public_bytes(enc))
    aead, nonce = cipher(dh, enc, raw(private.public_key()), info)
    return aead.decrypt(nonce, sealed[32:], aad)


def head_of(public):
    return b"\1" + hashlib.sha256(public).digest()[:8]


def aad_of(head, project, name, node):
    return head + b"".join(struct.pack(">I", len(n.encode())) + n.encode()
                           for n in (project, name, node))


def seal(public, project, name, node, plain):
    head = head_of(public)
    return head + hpke_seal(public, INFO, aad_of(head, project, name, node), plain)


def open_(private, project, name, node, sealed):
    head = head_of(raw(private.public_key()))
    assert sealed[:9] == head, "sealed to another key"
    return hpke_open(private, INFO, aad_of(head, project, name, node), sealed[9:])
