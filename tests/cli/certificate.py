"""Reads a private key (PEM) and writes a self-signed certificate for it (PEM)."""

import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

key = serialization.load_pem_private_key(sys.stdin.buffer.read(), password=None)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
start = datetime.datetime(2023, 1, 1, tzinfo=datetime.timezone.utc)
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(1)
    .not_valid_before(start)
    .not_valid_after(start + datetime.timedelta(days=365))
    .sign(key, hashes.SHA256())
)
sys.stdout.write(certificate.public_bytes(serialization.Encoding.PEM).decode())
