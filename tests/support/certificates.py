"""An authority of the tests, and certificates that it issues."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Authority:
    """Signs certificates for ``localhost`` or whatever name."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def at(cls, folder: Path) -> "Authority":
        """A new one that keeps its files there."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = _named("the tests")
        built = _certificate("the tests", own, key, days=(-400, 400))
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return cls(folder, key, built.sign(key, hashes.SHA256()))

    @property
    def path(self) -> Path:
        """The file of its certificate."""
        path = self.folder / "authority.pem"
        path.write_bytes(self.certificate.public_bytes(_PEM))
        return path

    def trusted(self) -> ssl.SSLContext:
        """Trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.path))

    def server(self, name: str = "localhost", days: tuple[int, int] = (-1, 89)) -> ssl.SSLContext:
        """A server's side, with a certificate for ``name``; ``days`` from now to begin and end."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.issue(name, days))
        return context

    def issue(self, name: str, days: tuple[int, int] = (-1, 89)) -> Path:
        """Return the file of a certificate and its key, for a name or an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        built = _certificate(name, self.certificate.subject, key, days)
        is_address = name.replace(".", "").isdigit()
        subject = x509.IPAddress(ip_address(name)) if is_address else x509.DNSName(name)
        names = x509.SubjectAlternativeName([subject])
        issued = built.add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        secret = key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / f"{name}{days[1]}.pem"
        path.write_bytes(issued.public_bytes(_PEM) + secret)
        return path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    begins, ends = (datetime.now(UTC) + timedelta(days=each) for each in days)
    serial = x509.random_serial_number()
    return x509.CertificateBuilder(issuer, _named(name), key.public_key(), serial, begins, ends)
