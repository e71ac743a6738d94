"""A file system of its own that shows another folder: stop its process, and whoever touches it hangs as at a dead mount.

It speaks the kernel's protocol over /dev/fuse itself (linux/fuse.h, version 7.31), one request after the other, and
needs root but no library. `python mirror.py SOURCE FOLDER` mounts SOURCE on FOLDER, says "mounted" and serves until
it is unmounted. The kernel keeps locks and pages, so that SQLite works on it with its shared memory.
"""

import ctypes
import errno
import os
import resource
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

MAX_WRITE = 2**17
KEEP_CACHE = 1 << 1
ASYNC_READ, ATOMIC_TRUNCATE, BIG_WRITES = 1 << 0, 1 << 3, 1 << 5
MODE, UID, GID, SIZE, ATIME, MTIME, ATIME_NOW, MTIME_NOW = 1, 2, 4, 8, 16, 32, 128, 256
NO_ANSWER = {2, 36, 42}
"""FORGET, INTERRUPT, BATCH_FORGET."""
IN, OUT = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
ATTRIBUTES, ENTRY = struct.Struct("<6Q10I"), struct.Struct("<4QII")


def attributes(found: os.stat_result) -> bytes:
    """What the kernel is told of a file."""
    times = found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns
    seconds, parts = (time // 10**9 for time in times), (time % 10**9 for time in times)
    return ATTRIBUTES.pack(
        found.st_ino, found.st_size, found.st_blocks, *seconds, *parts,
        found.st_mode, found.st_nlink, found.st_uid, found.st_gid, found.st_rdev & 0xFFFFFFFF, found.st_blksize, 0,
    )  # fmt: skip


class Mirror:
    """The requests, by number. Files are known by descriptors that only name them, so that renames do not matter."""

    def __init__(self, source: Path) -> None:
        root = os.open(source, os.O_PATH)
        self._names = {1: root}
        self._by_file: dict[tuple[int, int], int] = {}
        self._looked: dict[int, int] = {1: 1}
        self._listings: dict[int, list[tuple[str, int, int]]] = {}
        self._next = 2
        self.requests: dict[int, Callable[[int, memoryview], bytes]] = {
            1: self._lookup, 2: self._forget, 3: self._getattr, 4: self._setattr, 5: self._readlink, 6: self._symlink,
            8: self._mknod, 9: self._mkdir, 10: self._unlink, 11: self._rmdir, 12: self._rename, 13: self._link,
            14: self._open, 15: self._read, 16: self._write, 17: self._statfs, 18: self._release, 20: self._fsync,
            25: self._flush, 26: self._init, 27: self._opendir, 28: self._readdir, 29: self._releasedir,
            30: self._fsyncdir, 35: self._create, 36: self._flush, 38: self._flush, 42: self._forget_many,
        }  # fmt: skip

    # --- names ------------------------------------------------------------------------------------------

    def _path(self, node: int) -> str:
        return f"/proc/self/fd/{self._names[node]}"

    def _entry(self, parent: int, name: str) -> bytes:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=self._names[parent])
        found = os.fstat(descriptor)
        key = found.st_dev, found.st_ino
        node = self._by_file.get(key)
        if node is None:
            node, self._next = self._next, self._next + 1
            self._by_file[key], self._names[node] = node, descriptor
        else:
            os.close(descriptor)
        self._looked[node] = self._looked.get(node, 0) + 1
        return ENTRY.pack(node, 0, 0, 0, 0, 0) + attributes(found)

    def _drop(self, node: int, times: int) -> None:
        self._looked[node] -= times
        if node != 1 and self._looked[node] <= 0:
            descriptor = self._names.pop(node)
            found = os.fstat(descriptor)
            del self._looked[node], self._by_file[found.st_dev, found.st_ino]
            os.close(descriptor)

    def _lookup(self, node: int, data: memoryview) -> bytes:
        return self._entry(node, _names(data)[0])

    def _forget(self, node: int, data: memoryview) -> bytes:
        self._drop(node, struct.unpack_from("<Q", data)[0])
        return b""

    def _forget_many(self, _node: int, data: memoryview) -> bytes:
        (count,) = struct.unpack_from("<I", data)
        for number in range(count):
            self._drop(*struct.unpack_from("<QQ", data, 8 + 16 * number))
        return b""

    def _init(self, _node: int, data: memoryview) -> bytes:
        _major, _minor, ahead, flags = struct.unpack_from("<4I", data)
        wanted = flags & (ASYNC_READ | ATOMIC_TRUNCATE | BIG_WRITES)
        return struct.pack("<4IHHIIHHI7I", 7, 31, ahead, wanted, 64, 48, MAX_WRITE, 1, 0, 0, 0, *[0] * 7)

    # --- what a file is -----------------------------------------------------------------------------------

    def _getattr(self, node: int, _data: memoryview) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + attributes(os.fstat(self._names[node]))

    def _setattr(self, node: int, data: memoryview) -> bytes:
        valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = struct.unpack_from(
            "<IIQQQQQQ8I", data
        )
        path = self._path(node)
        if valid & MODE:
            Path(path).chmod(stat.S_IMODE(mode))
        if valid & (UID | GID):
            os.chown(path, uid if valid & UID else -1, gid if valid & GID else -1)
        if valid & SIZE:
            os.truncate(path, size)
        if valid & (ATIME_NOW | MTIME_NOW):
            os.utime(path)
        elif valid & (ATIME | MTIME):
            before = Path(path).stat()
            accessed = atime * 10**9 + atime_ns if valid & ATIME else before.st_atime_ns
            changed = mtime * 10**9 + mtime_ns if valid & MTIME else before.st_mtime_ns
            os.utime(path, ns=(accessed, changed))
        return self._getattr(node, data)

    def _readlink(self, node: int, _data: memoryview) -> bytes:
        return os.fsencode(os.readlink("", dir_fd=self._names[node]))

    def _statfs(self, _node: int, _data: memoryview) -> bytes:
        found = os.statvfs(self._path(1))
        counts = found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree
        return struct.pack("<5Q10I", *counts, found.f_bsize, found.f_namemax, found.f_frsize, *[0] * 7)

    # --- what a folder holds --------------------------------------------------------------------------------

    def _symlink(self, node: int, data: memoryview) -> bytes:
        name, target = _names(data)
        os.symlink(target, name, dir_fd=self._names[node])
        return self._entry(node, name)

    def _mknod(self, node: int, data: memoryview) -> bytes:
        mode, device, umask = struct.unpack_from("<III", data)
        (name,) = _names(data[16:])
        os.mknod(name, mode & ~umask, device, dir_fd=self._names[node])
        return self._entry(node, name)

    def _mkdir(self, node: int, data: memoryview) -> bytes:
        mode, umask = struct.unpack_from("<II", data)
        (name,) = _names(data[8:])
        os.mkdir(name, mode & ~umask, dir_fd=self._names[node])
        return self._entry(node, name)

    def _unlink(self, node: int, data: memoryview) -> bytes:
        os.unlink(_names(data)[0], dir_fd=self._names[node])
        return b""

    def _rmdir(self, node: int, data: memoryview) -> bytes:
        os.rmdir(_names(data)[0], dir_fd=self._names[node])
        return b""

    def _rename(self, node: int, data: memoryview) -> bytes:
        (target,) = struct.unpack_from("<Q", data)
        old, new = _names(data[8:])
        os.rename(old, new, src_dir_fd=self._names[node], dst_dir_fd=self._names[target])
        return b""

    def _link(self, node: int, data: memoryview) -> bytes:
        (old,) = struct.unpack_from("<Q", data)
        (name,) = _names(data[8:])
        os.link(self._path(old), name, dst_dir_fd=self._names[node], follow_symlinks=True)
        return self._entry(node, name)

    def _opendir(self, node: int, _data: memoryview) -> bytes:
        descriptor = os.open(self._path(node), os.O_RDONLY | os.O_DIRECTORY)
        self._listings[descriptor] = []
        return struct.pack("<QII", descriptor, 0, 0)

    def _readdir(self, _node: int, data: memoryview) -> bytes:
        descriptor, offset, size = struct.unpack_from("<QQI", data)
        if offset == 0:
            with os.scandir(descriptor) as entries:
                found = [(entry.name, entry.inode(), _kind(entry)) for entry in entries]
            own = os.fstat(descriptor).st_ino
            self._listings[descriptor] = [(".", own, stat.S_IFDIR), ("..", own, stat.S_IFDIR), *found]
        answer = b""
        for place, (name, inode, kind) in enumerate(self._listings[descriptor][offset:], offset + 1):
            raw = os.fsencode(name)
            one = struct.pack("<QQII", inode, place, len(raw), kind >> 12) + raw
            one += b"\0" * (-len(one) % 8)
            if len(answer) + len(one) > size:
                break
            answer += one
        return answer

    def _releasedir(self, node: int, data: memoryview) -> bytes:
        self._listings.pop(struct.unpack_from("<Q", data)[0], None)
        return self._release(node, data)

    def _fsyncdir(self, _node: int, data: memoryview) -> bytes:
        os.fsync(struct.unpack_from("<Q", data)[0])
        return b""

    # --- what is in a file ------------------------------------------------------------------------------------

    def _opened(self, node: int, flags: int) -> bytes:
        flags = flags & ~(os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        return struct.pack("<QII", os.open(self._path(node), flags | os.O_CLOEXEC), KEEP_CACHE, 0)

    def _open(self, node: int, data: memoryview) -> bytes:
        return self._opened(node, struct.unpack_from("<I", data)[0])

    def _create(self, node: int, data: memoryview) -> bytes:
        flags, mode, umask = struct.unpack_from("<III", data)
        (name,) = _names(data[16:])
        flags = (flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW) & ~os.O_APPEND
        descriptor = os.open(name, flags, mode & ~umask, dir_fd=self._names[node])
        try:
            return self._entry(node, name) + struct.pack("<QII", descriptor, KEEP_CACHE, 0)
        except OSError:
            os.close(descriptor)
            raise

    def _read(self, _node: int, data: memoryview) -> bytes:
        descriptor, offset, size = struct.unpack_from("<QQI", data)
        return os.pread(descriptor, size, offset)

    def _write(self, _node: int, data: memoryview) -> bytes:
        descriptor, offset, size = struct.unpack_from("<QQI", data)
        return struct.pack("<II", os.pwrite(descriptor, data[40 : 40 + size], offset), 0)

    def _fsync(self, _node: int, data: memoryview) -> bytes:
        os.fsync(struct.unpack_from("<Q", data)[0])
        return b""

    def _release(self, _node: int, data: memoryview) -> bytes:
        os.close(struct.unpack_from("<Q", data)[0])
        return b""

    def _flush(self, _node: int, _data: memoryview) -> bytes:
        return b""


def _names(data: memoryview) -> list[str]:
    return [os.fsdecode(name) for name in bytes(data).split(b"\0")[:-1]]


def _kind(entry: "os.DirEntry[str]") -> int:
    if entry.is_symlink():
        return stat.S_IFLNK
    return stat.S_IFDIR if entry.is_dir(follow_symlinks=False) else stat.S_IFREG


def mount(device: int, folder: Path) -> None:
    """Have the kernel show what comes from the device on a folder; OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    if library.mount(b"mirror", os.fsencode(folder), b"fuse.mirror", 0, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))


def serve(device: int, mirror: Mirror) -> None:
    """Answer until the folder is unmounted."""
    buffer = bytearray(MAX_WRITE + 2**16)
    while True:
        try:
            size = os.readv(device, [buffer])
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                continue
            raise
        _, code, unique, node, *_ = IN.unpack_from(buffer)
        number, answer = answered(mirror, code, node, memoryview(buffer)[IN.size : size])
        if code not in NO_ANSWER:
            try:
                os.writev(device, [OUT.pack(OUT.size + len(answer), -number, unique), answer])
            except OSError as error:
                if error.errno != errno.ENOENT:  # nobody waits for it any more
                    raise


def answered(mirror: Mirror, code: int, node: int, data: memoryview) -> tuple[int, bytes]:
    """The number of an error, or 0, and the answer to one request."""
    request = mirror.requests.get(code)
    if request is None:
        return errno.ENOSYS, b""
    try:
        return 0, request(node, data)
    except OSError as error:
        return error.errno or errno.EIO, b""
    except KeyError:
        return errno.ESTALE, b""


def main() -> None:
    """Mount, say so, serve."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.umask(0)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    mirror = Mirror(source)
    mount(device, folder)
    print("mounted", flush=True)
    serve(device, mirror)


if __name__ == "__main__":
    main()
