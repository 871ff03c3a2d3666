# The vectors of schedule_test.go, from RFC 5869 with nothing but HMAC.
import hashlib, hmac

def expand(prk, info, n):
    out, t, i = b"", b"", 1
    while len(out) < n:
        t = hmac.new(prk, t + info + bytes([i]), hashlib.sha256).digest()
        out, i = out + t, i + 1
    return out[:n]

def info(what, step):
    return b"getvpn " + what + b"\0" + b"0badcafe" + b"\0" + step.to_bytes(8, "big")

s = b"0123456789abcdef0123456789abcdef"
for what, n in (b"key", 36), (b"spi", 4), (b"iv", 16):
    print(what.decode(), expand(s, info(what, 7), n).hex())
s = expand(s, info(b"next", 7), 32)
print("next", s.hex())
print("stir", hmac.new(b"fresh randomness", s, hashlib.sha256).hexdigest())
