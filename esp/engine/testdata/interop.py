"""ESP as scapy (and for AES-GMAC, which scapy lacks, pyca/cryptography) does it: the other side of TestInterop.

Reads a JSON list of cases from the standard input and writes the list of answers: with "open" the inner packet of a packet
in ESP, with "seal" the packet in ESP that carries an inner one. All octets are hexadecimal.
"""

import json
import struct
import sys
import warnings

warnings.simplefilter("ignore")  # of the cryptography library, about old ciphers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import CRYPT_ALGOS, ESP, SecurityAssociation

CIPHERS = {"gcm": "AES-GCM", "cbc": "AES-CBC", "ctr": "AES-CTR", "3des": "3DES", "null": "NULL", "chacha20": "CHACHA20-POLY1305"}
HASHES = {"sha1": "HMAC-SHA1-96", "sha256": "SHA2-256-128", "sha384": "SHA2-384-192", "sha512": "SHA2-512-256"}


def ip(octets):
    return (IP if octets[0] >> 4 == 4 else IPv6)(octets)


def outer_of(inner):
    """The header that preserves the addresses, RFC 5374 section 3.1."""
    if inner.version == 4:
        return IP(src=inner.src, dst=inner.dst, tos=inner.tos, ttl=inner.ttl, flags=inner.flags, id=1)
    return IPv6(src=inner.src, dst=inner.dst, tc=inner.tc, fl=inner.fl, hlim=inner.hlim)


class Scapy:
    """One SA of scapy."""

    def __init__(self, case):
        words = case["suite"].split("-")
        kind = words[0] if words[0] in CIPHERS else words[2]
        key, auth = bytes.fromhex(case["key"]), bytes.fromhex(case["auth"])
        self.algo = CRYPT_ALGOS[CIPHERS[kind]]
        self.make = lambda header: SecurityAssociation(
            ESP, spi=case["spi"], crypt_algo=CIPHERS[kind], crypt_key=key or None,
            auth_algo=HASHES[words[-1]] if auth else None, auth_key=auth or None, tunnel_header=header)

    def open(self, octets):
        packet = ip(octets)
        return bytes(self.make(outer_of(packet)).decrypt(packet))

    def seal(self, octets, seq, iv, more_padding):
        inner = ip(octets)
        sa = self.make(outer_of(inner))
        pad = type(self.algo).pad

        def longer(esp):
            esp = pad(self.algo, esp)
            esp.padlen += more_padding
            esp.padding = bytes(range(1, esp.padlen + 1))
            return esp

        self.algo.pad = longer
        try:
            return bytes(sa.encrypt(inner, seq_num=seq, iv=iv))
        finally:
            del self.algo.pad


class GMAC:
    """RFC 4543 section 3.3: all of it is additional data."""

    def __init__(self, case):
        key = bytes.fromhex(case["key"])
        self.spi, self.cipher, self.salt = case["spi"], AESGCM(key[:-4]), key[-4:]

    def open(self, octets):
        packet = ip(octets)
        esp = bytes(packet[ESP])
        self.cipher.decrypt(self.salt + esp[8:16], esp[-16:], esp[:-16])
        padlen, following = esp[-18], esp[-17]
        assert following == (4 if packet.version == 4 else 41), following
        assert esp[-18 - padlen:-18] == bytes(range(1, padlen + 1)), "padding"
        return esp[16:-18 - padlen]

    def seal(self, octets, seq, iv, more_padding):
        inner = ip(octets)
        padlen = -(len(octets) + 2) % 4 + more_padding
        body = struct.pack("!LL", self.spi, seq) + iv + octets + bytes(range(1, padlen + 1))
        body += bytes([padlen, 4 if inner.version == 4 else 41])
        body += self.cipher.encrypt(self.salt + iv, b"", body)
        return bytes(outer_of(inner) / ESP(body))


def answer(case):
    try:
        sa = (GMAC if case["suite"].endswith("-gmac") else Scapy)(case)
        if case["do"] == "open":
            return {"packet": sa.open(bytes.fromhex(case["packet"])).hex()}
        return {"packet": sa.seal(bytes.fromhex(case["packet"]), case["seq"], bytes.fromhex(case["iv"]), case["pad"]).hex()}
    except Exception as e:  # each case fails for itself
        return {"error": "%s: %s" % (type(e).__name__, e)}


json.dump([answer(c) for c in json.load(sys.stdin)], sys.stdout)
