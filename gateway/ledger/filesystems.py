"""Which file system a file is on (Linux only): locks and shared memory need a local one."""

from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_REMOTE = frozenset(
    {
        *("afs", "ceph", "cifs", "coda", "fuse.glusterfs", "fuse.sshfs", "gfs2", "glusterfs"),
        *("lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs"),
    }
)
_VOLATILE = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})


def filesystem_of(path: Path, mounts: str | None = None) -> str | None:
    """The kind of file system that a file is on, or would be; None where nobody says.

    ``mounts`` is a text like that of ``/proc/self/mountinfo`` (proc_pid_mountinfo(5)).
    """
    if mounts is None:
        mounts = _MOUNTS.read_text() if _MOUNTS.exists() else ""
    found = [_mount(line) for line in mounts.splitlines()]
    place = path.resolve()
    over = [(len(at.parts), kind) for at, kind in found if place.is_relative_to(at)]
    # Of two mounts on one place, the later one hides the earlier.
    return max(reversed(over), key=lambda one: one[0])[1] if over else None


def is_remote(kind: str) -> bool:
    """Whether locks and shared memory may not work, because other machines have the files too."""
    return kind in _REMOTE


def is_volatile(kind: str) -> bool:
    """Whether the files go with the machine's memory, or with the container."""
    return kind in _VOLATILE


def _mount(line: str) -> tuple[Path, str]:
    before, _, after = line.partition(" - ")
    # Blanks and the like are written as octal escapes.
    at = before.split(" ")[4].encode().decode("unicode_escape").encode("latin-1").decode()
    return Path(at), after.split(" ")[0]
