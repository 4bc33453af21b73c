"""Certificate authorities that outbound TLS trusts: certifi's, or the operator's own."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from requests.utils import DEFAULT_CA_BUNDLE_PATH

CA_BUNDLE_VARIABLES: Final = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Environment variables that name a file or a directory of authorities; the first one set counts.

The first two are those of requests, the others those of OpenSSL.
"""


class InvalidCaBundleError(Exception):
    """A variable names authorities that cannot be loaded.

    Args:
        variable: the environment variable.
        detail: what is wrong with its value.
    """

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__(f"{variable} {detail}")
        self.variable = variable
        self.detail = detail


def create_tls_context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a client context that verifies certificates and host names.

    Raises:
        InvalidCaBundleError: the variable's file or directory is missing or holds no
            certificate.
    """
    variable = next((name for name in CA_BUNDLE_VARIABLES if environ.get(name)), None)
    if variable is None:
        return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    path = Path(environ[variable])
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        detail = f"names {path}, which has no certificate"
        raise InvalidCaBundleError(variable, detail) from None
    except OSError as error:
        detail = f"names {path}, which cannot be read: {error.strerror}"
        raise InvalidCaBundleError(variable, detail) from None
