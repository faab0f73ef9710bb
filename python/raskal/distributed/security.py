"""Who is let in, and by which certificates: `Security`.

Start at `Security`. Without one, a scheduler makes its own certificate and token when it starts, and those who may read
its file are let in; a `Security` names certificates of one's own instead.
"""

from __future__ import annotations

import os
from html import escape
from typing import Any

from raskal import config

__all__ = ["Security", "contact_of"]

_ROLES = ("client", "scheduler", "worker")
_FIELDS = ("tls_ca_file", *(f"tls_{role}_{part}" for role in _ROLES for part in ("cert", "key")))
_OTHERS = ("tls_ciphers", "tls_max_version", "tls_min_version", "require_encryption", "extra_conn_args")


class Security:
    """Certificates of a cluster.

    Parameters
    ----------
    require_encryption : bool, optional
        Whether connections must be encrypted: always so, unless a scheduler was started with ``--insecure``.
    tls_ca_file : str, optional
        The authority that signs the cluster's certificates: a file in PEM.
    tls_client_cert, tls_client_key, tls_scheduler_cert, tls_scheduler_key, tls_worker_cert, tls_worker_key : str,
    optional
        Certificate and private key of each role: files in PEM.
    tls_min_version, tls_max_version, tls_ciphers
        TLS 1.3 and its ciphers are used whatever is said; a maximum below that is refused.

    Raises
    ------
    TypeError
        If another argument is given.
    ValueError
        If TLS 1.3 is excluded.

    Examples
    --------
    >>> from raskal.distributed import Security
    >>> Security(tls_ca_file="ca.pem", tls_client_cert="own.pem", tls_client_key="own.key")
    Security(tls_ca_file='ca.pem', tls_client_cert='own.pem', tls_client_key='own.key')
    """

    def __init__(self, require_encryption: bool | None = None, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - set(_FIELDS) - set(_OTHERS))
        if unknown:
            raise TypeError(
                f"Security got unknown arguments {unknown}\nhint: there are {', '.join((*_FIELDS, *_OTHERS))}"
            )
        self.require_encryption = True if require_encryption is None else require_encryption
        self.extra_conn_args: dict[str, Any] = dict(kwargs.get("extra_conn_args") or {})
        self.tls_ciphers = kwargs.get("tls_ciphers")
        self.tls_min_version = kwargs.get("tls_min_version", 1.3)
        self.tls_max_version = kwargs.get("tls_max_version")
        if self.tls_max_version not in (None, 1.3, "1.3") and not hasattr(self.tls_max_version, "name"):
            raise ValueError(
                f"tls_max_version={self.tls_max_version!r} excludes TLS 1.3, the only version that is spoken"
            )
        for field in _FIELDS:
            value = kwargs.get(field)
            if value is None:
                value = config.get(_setting(field), None)
            setattr(self, field, None if value is None else os.fspath(value))

    @classmethod
    def of(cls, value: Any) -> Security | None:
        """A `Security` from what can be passed for one: None, True, a dictionary of its arguments, or itself."""
        if value is None or value is True or value is False:
            configured = cls()
            return configured if configured._files() else None
        if isinstance(value, dict):
            return cls(**value)
        if isinstance(value, cls):
            return value
        raise TypeError(f"security must be a Security, a dictionary of its arguments or True, got {value!r}")

    @classmethod
    def temporary(cls, **kwargs: Any) -> Security:
        """A security that needs no files: the scheduler makes certificate and token when it starts."""
        return cls(**kwargs)

    def _files(self) -> dict[str, str]:
        return {field: getattr(self, field) for field in _FIELDS if getattr(self, field) is not None}

    def get_tls_config_for_role(self, role: str) -> dict[str, Any]:
        """The files of a role: ``client``, ``scheduler`` or ``worker``."""
        if role not in _ROLES:
            raise ValueError(f"role must be one of {_ROLES}, got {role!r}")
        return {
            "tls_cert": getattr(self, f"tls_{role}_cert"),
            "tls_key": getattr(self, f"tls_{role}_key"),
            "tls_ca_file": self.tls_ca_file,  # type: ignore[attr-defined]
        }

    def get_connection_args(self, role: str) -> dict[str, Any]:
        """The files of a role, those that there are."""
        files = self.get_tls_config_for_role(role)
        if files["tls_cert"] is not None and files["tls_key"] is None:
            raise ValueError(f"tls_{role}_cert needs tls_{role}_key")
        return {name: file for name, file in files.items() if file is not None}

    get_listen_args = get_connection_args

    def options(self, role: str) -> list[str]:
        """The same as options of the `raskal` command."""
        return [
            part
            for name, file in self.get_connection_args(role).items()
            for part in (f"--{name.replace('_', '-')}", file)
        ]

    def __repr__(self) -> str:
        return f"Security({', '.join(f'{name}={value!r}' for name, value in self._files().items())})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in self._files().items()
        )
        return f"<table>{rows}</table>" if rows else "<b>Security</b>: made by the scheduler when it starts"


def _setting(field: str) -> str:
    _, *rest = field.split("_")
    if rest == ["ca", "file"]:
        return "distributed.comm.tls.ca-file"
    role, part = rest
    return f"distributed.comm.tls.{role}.{part}"


def contact_of(security: Any) -> dict[str, Any]:
    """What a client needs to be let in by certificates of one's own."""
    known = Security.of(security)
    return {} if known is None else known.get_connection_args("client")
