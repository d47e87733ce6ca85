"""Fresh key material for a new installation. Pure but for randomness."""

import secrets

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def new_secret() -> bytes:
    """Return 64 random characters, safe in a text file."""
    return secrets.token_urlsafe(48).encode("ascii")


def new_aes_key() -> bytes:
    """Return 32 random bytes: an AES-256 key."""
    return secrets.token_bytes(32)


def new_ed25519_pem() -> bytes:
    """Return a new Ed25519 private key (RFC 8032) as unencrypted PKCS 8 PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def new_rsa_pem() -> bytes:
    """Return a new RSA key of 2,048 bits as PEM; allauth's OpenID provider signs with RSA only."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
