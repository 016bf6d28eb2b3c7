"""The bytes of the Enigma protocol, in a few lines of Python each.

Only what anybody can install is used: keccak and AES-GCM from PyCryptodome, MessagePack from msgpack. The curve is
written out, because the arithmetic is short and two details of it are particular to this protocol (`ecdh`, `recover`).
It is not constant time: good for a test, not for keeping secrets.
"""

import hashlib
import secrets

from Cryptodome.Cipher import AES
from Cryptodome.Hash import keccak


class Refused(Exception):
    """A signature or a ciphertext that does not hold."""


# --- Hashes and framing -----------------------------------------------------------------------------------------------


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash, which is not SHA3-256: the padding differs."""
    return keccak.new(digest_bits=256, data=data).digest()


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def length_prefixed(items: list) -> bytes:
    """What is hashed or signed is always a list of byte strings, each after its length as 8 bytes, big-endian."""
    return b"".join(u64(len(item)) + item for item in items)


# --- Keys: secp256k1, y^2 = x^3 + 7 over the integers mod P, N points -------------------------------------------------

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def add(a, b):
    """The sum of two points; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(scalar: int, point):
    result = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def point_bytes(point) -> bytes:
    """A public key on the wire: x and y, 64 bytes, without the 04 that others put in front."""
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def point_from(data: bytes):
    return int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")


class KeyPair:
    def __init__(self, secret: int = 0):
        self.secret = secret or 1 + secrets.randbelow(N - 1)
        self.public = point_bytes(multiply(self.secret, G))
        self.address = address_of(self.public)


def address_of(public: bytes) -> bytes:
    """20 bytes, as Ethereum makes them."""
    return keccak256(public)[12:]


def ecdh(secret: int, public: bytes) -> bytes:
    """The key that two key pairs share: SHA-256 of the shared point in its compressed form."""
    x, y = multiply(secret, point_from(public))
    return hashlib.sha256(bytes([2 + y % 2]) + x.to_bytes(32, "big")).digest()


def sign(secret: int, message: bytes) -> bytes:
    """r, s and v (27 or 28), 65 bytes, over the keccak of the message: no Ethereum prefix."""
    digest = int.from_bytes(keccak256(message), "big")
    nonce = 1 + secrets.randbelow(N - 1)
    x, y = multiply(nonce, G)
    r, s, odd = x % N, (digest + x * secret) * pow(nonce, -1, N) % N, y % 2
    if s > N // 2:
        s, odd = N - s, 1 - odd
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + odd])


def recover(message: bytes, signature: bytes) -> bytes:
    """The address of whoever signed the message. This is how every signature here is checked."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise Refused("a signature is 65 bytes and ends in 27 or 28")
    r, s, odd = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64] - 27
    y = pow(r**3 + 7, (P + 1) // 4, P)
    if not (0 < r < N and 0 < s <= N // 2) or (y * y - r**3 - 7) % P:
        raise Refused("no signature, or one that is not in the canonical (low s) form")
    digest = int.from_bytes(keccak256(message), "big")
    inverse = pow(r, -1, N)
    point = (r, y if y % 2 == odd else P - y)
    return address_of(point_bytes(add(multiply(-digest * inverse % N, G), multiply(s * inverse % N, point))))


# --- Secrecy: AES-256-GCM without associated data ---------------------------------------------------------------------


def encrypt(key: bytes, plaintext: bytes) -> bytes:
    """ciphertext, tag (16), initialisation vector (12): 28 bytes more than the plaintext."""
    vector = secrets.token_bytes(12)
    ciphertext, tag = AES.new(key, AES.MODE_GCM, nonce=vector).encrypt_and_digest(plaintext)
    return ciphertext + tag + vector


def decrypt(key: bytes, blob: bytes) -> bytes:
    if len(blob) < 28:
        raise Refused("too short to be encrypted")
    try:
        return AES.new(key, AES.MODE_GCM, nonce=blob[-12:]).decrypt_and_verify(blob[:-28], blob[-28:-12])
    except ValueError as error:
        raise Refused("does not decrypt") from error


# --- Arguments of a contract: the Solidity ABI, one 32-byte word each -------------------------------------------------


def uint(number: int) -> bytes:
    return number.to_bytes(32, "big")
