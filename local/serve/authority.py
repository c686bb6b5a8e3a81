"""A certificate authority of this data folder: the service calls https addresses alone, so receivers on this
machine need certificates that it trusts.
"""

from collections.abc import Sequence
from pathlib import Path

from local.serve.secret_files import write_private

_CERTIFICATE, _KEY = "authority.pem", "authority.key"


def prepare_authority(data: Path) -> Path:
    """Make the authority where there is none yet. Returns the file of its certificate, for those who are to
    trust it.
    """
    certificate, key = data / _CERTIFICATE, data / _KEY
    if not (certificate.is_file() and key.is_file()):
        import trustme

        made = trustme.CA(organization_name="genai-voice on this machine")
        write_private(key, made.private_key_pem.bytes().decode())
        write_private(certificate, made.cert_pem.bytes().decode())
    return certificate


def issue_certificate(data: Path, hosts: Sequence[str]) -> bytes:
    """Issue a key and its certificate for these hosts, as PEM. Raises OSError when there is no authority."""
    import trustme

    ca = trustme.CA.from_pem((data / _CERTIFICATE).read_bytes(), (data / _KEY).read_bytes())
    return ca.issue_cert(*hosts).private_key_and_cert_chain_pem.bytes()
