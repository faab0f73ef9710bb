"""How clients and clusters look in a notebook, and where their dashboard is found.

Start at `dashboard_link` and `cluster_html`. The configuration ``distributed.dashboard.link`` says how addresses look
from outside, for instance behind JupyterHub's proxy.
"""

from __future__ import annotations

import os
from html import escape
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from raskal import config
from raskal.utils import format_bytes

__all__ = ["cluster_html", "dashboard_link"]

_LINK = "{scheme}://{host}:{port}/status"
_WORKERS_MAX = 20
_LOCAL = ("127.0.0.1", "localhost", "::1")


def dashboard_link(told: str | None, scheduler_address: str) -> str | None:
    """The dashboard's address as a browser reaches it.

    Parameters
    ----------
    told : str or None
        As the scheduler told it.
    scheduler_address : str
        Where this process reaches the scheduler: the host of a dashboard that listens everywhere.

    Returns
    -------
    str or None
        Of the form that the configuration ``distributed.dashboard.link`` gives: ``{scheme}``, ``{host}``, ``{port}``
        and environment variables such as ``{JUPYTERHUB_SERVICE_PREFIX}`` are put in. None without a dashboard.

    Raises
    ------
    ValueError
        If the configured form names something that is not there.

    Notes
    -----
    Off this machine, and behind a proxy, the address carries the dashboard's token, which opens nothing but the
    dashboard.

    Examples
    --------
    >>> dashboard_link("http://0.0.0.0:8787/status?token=ab", "tls://node-1:8786")
    'http://node-1:8787/status?token=ab'
    >>> dashboard_link("http://127.0.0.1:8787/status?token=ab", "tls://127.0.0.1:8786")
    'http://127.0.0.1:8787/status'
    """
    if told is None:
        return None
    parts = urlsplit(told)
    host = parts.hostname or "127.0.0.1"
    if host in ("0.0.0.0", "::"):
        host = urlsplit(scheduler_address).hostname or host
    template = config.get("distributed.dashboard.link", _LINK) or _LINK
    fields = {**os.environ, "scheme": parts.scheme, "host": f"[{host}]" if ":" in host else host, "port": parts.port}
    try:
        link = template.format(**fields)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"the configuration distributed.dashboard.link is {template!r}, in which {error} has no value\n"
            "hint: use {scheme}, {host}, {port} and environment variables that are set"
        ) from None
    if template == _LINK and host in _LOCAL:
        return link
    made = urlsplit(link)
    query = "&".join(filter(None, [made.query, parts.query]))
    return urlunsplit(made._replace(query=query))


def cluster_html(title: str, link: str | None, address: str, workers: list[dict[str, Any]]) -> str:
    """A client or a cluster for a notebook.

    Parameters
    ----------
    title : str
        What it is.
    link : str or None
        The dashboard's address.
    address : str
        The scheduler's address.
    workers : list of dict
        With ``name``, ``address``, ``nthreads`` and ``memory_limit``.

    Returns
    -------
    str
        HTML in which every name is escaped.
    """
    dashboard = f'<a href="{escape(link)}" target="_blank" rel="noopener">{escape(link)}</a>' if link else "none"
    threads = sum(worker["nthreads"] for worker in workers)
    memory = sum(worker["memory_limit"] for worker in workers)
    facts = {
        "Scheduler": escape(address),
        "Dashboard": dashboard,
        "Workers": f"{len(workers)}, {threads} threads",
        "Memory": escape(format_bytes(memory)) if memory else "no limit",
    }
    rows = "".join(
        f'<tr><th style="text-align:left;font-weight:600">{name}</th><td style="text-align:left">{value}</td></tr>'
        for name, value in facts.items()
    )
    head = "".join(
        f'<th style="text-align:left">{name}</th>' for name in ("Name", "Address", "Threads", "Memory limit")
    )
    listed = "".join(
        f'<tr><td style="text-align:left">{escape(worker["name"])}</td>'
        f'<td style="text-align:left"><code>{escape(worker["address"])}</code></td><td>{worker["nthreads"]}</td>'
        f"<td>{escape(format_bytes(worker['memory_limit'])) if worker['memory_limit'] else 'none'}</td></tr>"
        for worker in workers[:_WORKERS_MAX]
    )
    more = f"<p>and {len(workers) - _WORKERS_MAX} more</p>" if len(workers) > _WORKERS_MAX else ""
    details = (
        f"<details><summary>Workers</summary><table><tr>{head}</tr>{listed}</table>{more}</details>" if workers else ""
    )
    return f"<div><h4 style='margin:0 0 4px'>{escape(title)}</h4><table>{rows}</table>{details}</div>"
