# Writes ecdsa.txt: rekeys signed with ECDSA, made without a line of this project, from RFC 6407 and RFC 4754 §7-8 alone.
# The signature keys are those of RFC 4754 §8. Needs the package cryptography (OpenSSL).
import os, struct
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

W256 = 0xDC51D3866A15BACDE33D96F992FCA99DA7E6EF0934E7097559C27F1614C88A7F
W384 = 0x0BEB646634BA87735D77AE4809A0EBEA865535DE4C1E1DCB692E84708E81A5AF62E528C38B2A81B35309668D73524D9F

print("# Rekeys signed with ECDSA: see ecdsa.py.")
for name, curve, w, hash, octets in (("256", ec.SECP256R1(), W256, hashes.SHA256(), 32), ("384", ec.SECP384R1(), W384, hashes.SHA384(), 48)):
    key = ec.derive_private_key(w, curve)
    spi, kek, iv = os.urandom(16), os.urandom(32), os.urandom(16)
    seq = struct.pack(">BBHI", 12, 0, 8, 1)  # SEQ 1, then DELETE
    delete = struct.pack(">BBHIBBH", 9, 0, 16, 2, 1, 4, 1) + struct.pack(">I", 0x1001)  # GDOI, ESP, one SPI, then SIG
    used = 28 + len(seq) + len(delete) + 4 + 2 * octets
    header = spi + struct.pack(">BBBBI", 18, 0x10, 33, 1, 0)  # SEQ is first, version 1.0, GROUPKEY-PUSH, E
    r, s = decode_dss_signature(key.sign(b"rekey" + header + struct.pack(">I", used) + seq + delete, ec.ECDSA(hash)))
    sig = struct.pack(">BBH", 0, 0, 4 + 2 * octets) + r.to_bytes(octets, "big") + s.to_bytes(octets, "big")
    plain = seq + delete + sig
    plain += bytes(-len(plain) % 16)
    cipher = Cipher(algorithms.AES(kek), modes.CBC(iv)).encryptor()
    body = cipher.update(plain) + cipher.finalize()
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    for field, value in (("spi", spi), ("kek", kek), ("iv", iv), ("spki", spki), ("push", header + struct.pack(">I", 28 + len(body)) + body)):
        print(field + name, value.hex())
