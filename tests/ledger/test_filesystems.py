"""Where the ledger's file may be."""

from pathlib import Path

import pytest

from gateway.ledger import filesystem_of, is_remote, is_volatile

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / /tmp rw - tmpfs tmpfs rw
31 22 0:27 / /srv rw - nfs4 server:/export rw,vers=4.2
32 31 0:28 / /srv/local rw - xfs /dev/vdb rw
33 22 0:29 / /with\\040blank rw - cifs //server/share rw
34 22 0:30 / /data rw - ext4 /dev/vdc rw
35 34 0:31 / /data rw - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "remote", "volatile"),
    [
        ("/var/lib/ledger.db", "ext4", False, False),
        ("/tmp/ledger.db", "tmpfs", False, True),  # noqa: S108 (nothing is written)
        ("/tmpfoo/ledger.db", "ext4", False, False),  # noqa: S108
        ("/srv/a/ledger.db", "nfs4", True, False),
        ("/srv/local/ledger.db", "xfs", False, False),
        ("/with blank/ledger.db", "cifs", True, False),
        ("/data/ledger.db", "overlay", False, True),
    ],
)
def test_the_file_system_of_a_file_is_found(
    path: str, kind: str, remote: bool, volatile: bool
) -> None:
    """The mount that a path is under says what kind of file system it is on."""
    assert filesystem_of(Path(path), MOUNTS) == kind
    assert (is_remote(kind), is_volatile(kind)) == (remote, volatile)


def test_an_unknown_file_system_is_not_refused() -> None:
    """Where the system does not list its mounts, nothing is known of a path."""
    assert filesystem_of(Path("/srv/ledger.db"), "") is None
