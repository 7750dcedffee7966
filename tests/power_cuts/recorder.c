/* Records every change that a process makes to the files under one directory, in one total order.
 *
 * Loaded with LD_PRELOAD. POWER_CUTS_ROOT is the directory, POWER_CUTS_LOG the file that records are appended to.
 * With POWER_CUTS_ENOSYS set, sync_file_range says that there is no such call.
 *
 * A change is made and recorded under one lock, so the order of the records is the order of the changes. A sync is two
 * records, one before it begins and one after it returned: it vouches for what was recorded before it began. What
 * this file cannot follow is recorded as unsupported, and fails the test; what it does not see at all shows when the
 * replayed state is compared with the real directory.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { START = 1, OPEN, WRITE, TRUNCATE, ALLOCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, RMDIR, CLOSE, DUP,
            UNSUPPORTED };
enum sync_kind { FSYNC, FDATASYNC, SYNC_FILE_RANGE };

struct header {
    uint32_t size; /* of the whole record */
    uint32_t kind;
    int32_t fd;
    int32_t flags;
    uint64_t a, b;
};

#define MOST_FDS 65536
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static int no_sync_file_range;
static unsigned char tracked[MOST_FDS];
static uint64_t syncs;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static void append(const struct iovec *parts, int count) {
    struct iovec left[3];
    memcpy(left, parts, sizeof(*parts) * (size_t)count);
    int at = 0;
    while (at < count) {
        ssize_t done = REAL(writev)(log_fd, left + at, count - at);
        if (done < 0) {
            if (errno == EINTR) continue;
            abort();
        }
        while (at < count && (size_t)done >= left[at].iov_len) done -= (ssize_t)left[at++].iov_len;
        if (at < count) {
            left[at].iov_base = (char *)left[at].iov_base + done;
            left[at].iov_len -= (size_t)done;
        }
    }
}

static void record(enum kind kind, int fd, int flags, uint64_t a, uint64_t b, const void *data, size_t length) {
    int saved = errno;
    struct header header = {(uint32_t)(sizeof header + length), kind, fd, flags, a, b};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)data, length}};
    append(parts, length ? 2 : 1);
    errno = saved;
}

static void start(void) {
    const char *directory = getenv("POWER_CUTS_ROOT"), *log = getenv("POWER_CUTS_LOG");
    if (!directory || !log) return;
    no_sync_file_range = getenv("POWER_CUTS_ENOSYS") != NULL;
    root_length = strlen(directory);
    if (root_length >= sizeof root) abort();
    memcpy(root, directory, root_length + 1);
    log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) abort();
    record(START, -1, 0, 0, 0, NULL, 0);
}

static void enter(void) {
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
}
static void leave(void) {
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
}
static int is_tracked(int fd) { return log_fd >= 0 && fd >= 0 && fd < MOST_FDS && tracked[fd]; }

/* The path from the root on, or NULL if it lies elsewhere; "" is the root itself. */
static const char *inside(int directory, const char *path, char *buffer) {
    int saved = errno;
    if (log_fd < 0 || !path) return NULL;
    if (path[0] == '/') {
        if (strlen(path) >= PATH_MAX) return NULL;
        strcpy(buffer, path);
    } else {
        if (directory == AT_FDCWD) {
            if (!getcwd(buffer, PATH_MAX)) return NULL;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
            ssize_t length = readlink(link, buffer, PATH_MAX - 1);
            if (length < 0) return NULL;
            buffer[length] = 0;
        }
        if (strlen(buffer) + strlen(path) + 2 > PATH_MAX) return NULL;
        strcat(buffer, "/");
        strcat(buffer, path);
    }
    errno = saved;
    size_t length = strlen(buffer);
    while (length > 1 && buffer[length - 1] == '/') buffer[--length] = 0;
    if (strncmp(buffer, root, root_length) || (buffer[root_length] && buffer[root_length] != '/')) return NULL;
    return buffer[root_length] ? buffer + root_length + 1 : buffer + root_length;
}

static int open_in(int directory, const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    enter();
    int fd = REAL(openat)(directory, path, flags, mode);
    const char *name = fd >= 0 ? inside(directory, path, buffer) : NULL;
    if (name && fd < MOST_FDS) {
        tracked[fd] = 1;
        record(OPEN, fd, flags, 0, 0, name, strlen(name));
    } else if (name) {
        record(UNSUPPORTED, fd, 0, 0, 0, "fd", 2);
    } else if (fd >= 0 && fd < MOST_FDS) {
        tracked[fd] = 0;
    }
    leave();
    return fd;
}

#define MODE_OF(flags, mode)                                   \
    mode_t mode = 0;                                           \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                   \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        mode = (mode_t)va_arg(rest, int);                      \
        va_end(rest);                                          \
    }
int open(const char *path, int flags, ...) { MODE_OF(flags, mode) return open_in(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags, mode) return open_in(AT_FDCWD, path, flags, mode); }
int openat(int directory, const char *path, int flags, ...) { MODE_OF(flags, mode) return open_in(directory, path, flags, mode); }
int openat64(int directory, const char *path, int flags, ...) { MODE_OF(flags, mode) return open_in(directory, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_in(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open_in(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static void record_vector(int fd, uint64_t offset, const struct iovec *parts, int count, size_t done) {
    for (int at = 0; at < count && done; at++) {
        size_t length = parts[at].iov_len < done ? parts[at].iov_len : done;
        if (length) record(WRITE, fd, 0, offset, 0, parts[at].iov_base, length);
        offset += length;
        done -= length;
    }
}

/* Runs a write at the file's own position (or, with a position, there) and records what was written. */
#define WRITING(call, position, parts, count)                                              \
    if (log_fd < 0 || !is_tracked(fd)) return call;                                        \
    enter();                                                                               \
    ssize_t done = call;                                                                   \
    if (done > 0) {                                                                        \
        off64_t from = (position);                                                         \
        if (from < 0) from = lseek64(fd, 0, SEEK_CUR) - done;                              \
        record_vector(fd, (uint64_t)from, parts, count, (size_t)done);                     \
    }                                                                                      \
    leave();                                                                               \
    return done;

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec whole = {(void *)data, length};
    WRITING(REAL(write)(fd, data, length), -1, &whole, 1)
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    struct iovec whole = {(void *)data, length};
    WRITING(REAL(pwrite)(fd, data, length, offset), offset, &whole, 1)
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    struct iovec whole = {(void *)data, length};
    WRITING(REAL(pwrite64)(fd, data, length, offset), offset, &whole, 1)
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    WRITING(REAL(writev)(fd, parts, count), -1, parts, count)
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    WRITING(REAL(pwritev)(fd, parts, count, offset), offset, parts, count)
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    WRITING(REAL(pwritev64)(fd, parts, count, offset), offset, parts, count)
}

/* Runs a call under the lock and records it if it succeeded. */
#define CHANGING(call, when, ...)                              \
    enter();                                                   \
    int result = call;                                         \
    if (result == 0 && log_fd >= 0 && (when)) record(__VA_ARGS__); \
    leave();                                                   \
    return result;

int ftruncate(int fd, off_t length) {
    CHANGING(REAL(ftruncate)(fd, length), is_tracked(fd), TRUNCATE, fd, 0, (uint64_t)length, 0, NULL, 0)
}
int ftruncate64(int fd, off64_t length) {
    CHANGING(REAL(ftruncate64)(fd, length), is_tracked(fd), TRUNCATE, fd, 0, (uint64_t)length, 0, NULL, 0)
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
    CHANGING(REAL(fallocate)(fd, mode, offset, length), is_tracked(fd), ALLOCATE, fd, mode, (uint64_t)offset, (uint64_t)length, NULL, 0)
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    CHANGING(REAL(fallocate64)(fd, mode, offset, length), is_tracked(fd), ALLOCATE, fd, mode, (uint64_t)offset, (uint64_t)length, NULL, 0)
}
int posix_fallocate(int fd, off_t offset, off_t length) {
    CHANGING(REAL(posix_fallocate)(fd, offset, length), is_tracked(fd), ALLOCATE, fd, 0, (uint64_t)offset, (uint64_t)length, NULL, 0)
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    CHANGING(REAL(posix_fallocate64)(fd, offset, length), is_tracked(fd), ALLOCATE, fd, 0, (uint64_t)offset, (uint64_t)length, NULL, 0)
}

static uint64_t sync_begins(int fd, enum sync_kind kind) {
    enter();
    uint64_t token = ++syncs;
    if (is_tracked(fd)) record(SYNC_BEGIN, fd, kind, token, 0, NULL, 0);
    leave();
    return token;
}
static void sync_ended(int fd, enum sync_kind kind, uint64_t token) {
    enter();
    if (is_tracked(fd)) record(SYNC_END, fd, kind, token, 0, NULL, 0);
    leave();
}
int fsync(int fd) {
    uint64_t token = sync_begins(fd, FSYNC);
    int result = REAL(fsync)(fd);
    if (result == 0) sync_ended(fd, FSYNC, token);
    return result;
}
int fdatasync(int fd) {
    uint64_t token = sync_begins(fd, FDATASYNC);
    int result = REAL(fdatasync)(fd);
    if (result == 0) sync_ended(fd, FDATASYNC, token);
    return result;
}
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
    if (no_sync_file_range && is_tracked(fd)) {
        errno = ENOSYS;
        return -1;
    }
    uint64_t token = sync_begins(fd, SYNC_FILE_RANGE);
    int result = REAL(sync_file_range)(fd, offset, length, flags);
    if (result == 0) sync_ended(fd, SYNC_FILE_RANGE, token);
    return result;
}

static void record_rename(const char *from, const char *to) {
    if (!from && !to) return;
    if (!from || !to) {
        record(UNSUPPORTED, -1, 0, 0, 0, "rename over the border", 22);
        return;
    }
    char both[2 * PATH_MAX];
    size_t first = strlen(from) + 1, second = strlen(to);
    memcpy(both, from, first);
    memcpy(both + first, to, second);
    record(RENAME, -1, 0, 0, 0, both, first + second);
}
static int rename_in(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
    enter();
    int result = flags ? REAL(renameat2)(from_directory, from, to_directory, to, flags)
                       : REAL(renameat)(from_directory, from, to_directory, to);
    if (result == 0) {
        const char *a = inside(from_directory, from, from_buffer), *b = inside(to_directory, to, to_buffer);
        if ((flags & ~RENAME_NOREPLACE) && (a || b)) record(UNSUPPORTED, -1, 0, 0, 0, "renameat2", 9);
        else record_rename(a, b);
    }
    leave();
    return result;
}
int rename(const char *from, const char *to) { return rename_in(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return rename_in(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return rename_in(a, from, b, to, flags); }

#define NAMING(call, directory, path, kind)                                         \
    char buffer[PATH_MAX];                                                          \
    enter();                                                                        \
    int result = call;                                                              \
    const char *name = result == 0 ? inside(directory, path, buffer) : NULL;        \
    if (name) record(kind, -1, 0, 0, 0, name, strlen(name));                        \
    leave();                                                                        \
    return result;
int unlink(const char *path) { NAMING(REAL(unlink)(path), AT_FDCWD, path, UNLINK) }
int unlinkat(int directory, const char *path, int flags) {
    NAMING(REAL(unlinkat)(directory, path, flags), directory, path, flags & AT_REMOVEDIR ? RMDIR : UNLINK)
}
int rmdir(const char *path) { NAMING(REAL(rmdir)(path), AT_FDCWD, path, RMDIR) }
int mkdir(const char *path, mode_t mode) { NAMING(REAL(mkdir)(path, mode), AT_FDCWD, path, MKDIR) }
int mkdirat(int directory, const char *path, mode_t mode) { NAMING(REAL(mkdirat)(directory, path, mode), directory, path, MKDIR) }

static void forget(int fd) {
    if (!is_tracked(fd)) return;
    record(CLOSE, fd, 0, 0, 0, NULL, 0);
    tracked[fd] = 0;
}
int close(int fd) {
    if (log_fd >= 0 && fd == log_fd) return 0;
    enter();
    forget(fd);
    int result = REAL(close)(fd);
    leave();
    return result;
}
/* closedir closes the descriptor where nobody sees it. */
DIR *fdopendir(int fd) {
    enter();
    forget(fd);
    leave();
    return REAL(fdopendir)(fd);
}

static int copied(int from, int to) {
    if (to >= 0 && is_tracked(from)) {
        if (to < MOST_FDS) tracked[to] = 1;
        record(DUP, from, 0, (uint64_t)to, 0, NULL, 0);
    }
    return to;
}
#define COPYING(call, from)               \
    enter();                              \
    int to = copied(from, call);          \
    leave();                              \
    return to;
int dup(int fd) { COPYING(REAL(dup)(fd), fd) }
int dup2(int fd, int wanted) { COPYING(REAL(dup2)(fd, wanted), fd) }
int dup3(int fd, int wanted, int flags) { COPYING(REAL(dup3)(fd, wanted, flags), fd) }
static int fcntl_in(int fd, int command, void *argument) {
    if (command != F_DUPFD && command != F_DUPFD_CLOEXEC) return REAL(fcntl)(fd, command, argument);
    COPYING(REAL(fcntl)(fd, command, argument), fd)
}
#define ARGUMENT_OF(command, argument)          \
    va_list rest;                               \
    va_start(rest, command);                    \
    void *argument = va_arg(rest, void *);      \
    va_end(rest);
int fcntl(int fd, int command, ...) { ARGUMENT_OF(command, argument) return fcntl_in(fd, command, argument); }
int fcntl64(int fd, int command, ...) { ARGUMENT_OF(command, argument) return fcntl_in(fd, command, argument); }

static void unsupported(const char *name) {
    enter();
    if (log_fd >= 0) record(UNSUPPORTED, -1, 0, 0, 0, name, strlen(name));
    leave();
}
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if ((flags & MAP_SHARED) && (protection & PROT_WRITE) && is_tracked(fd)) unsupported("mmap");
    return REAL(mmap)(address, length, protection, flags, fd, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
    if ((flags & MAP_SHARED) && (protection & PROT_WRITE) && is_tracked(fd)) unsupported("mmap");
    return REAL(mmap64)(address, length, protection, flags, fd, offset);
}
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t length, unsigned flags) {
    if (is_tracked(to)) unsupported("copy_file_range");
    return REAL(copy_file_range)(from, a, to, b, length, flags);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t count) {
    if (is_tracked(to)) unsupported("sendfile");
    return REAL(sendfile)(to, from, offset, count);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t count) {
    if (is_tracked(to)) unsupported("sendfile");
    return REAL(sendfile64)(to, from, offset, count);
}
#define TWO_NAMES(call, a, from, b, to)                                                              \
    char from_buffer[PATH_MAX], to_buffer[PATH_MAX];                                                 \
    int result = call;                                                                               \
    if (result == 0 && (inside(a, from, from_buffer) || inside(b, to, to_buffer))) unsupported("link"); \
    return result;
int link(const char *from, const char *to) { TWO_NAMES(REAL(link)(from, to), AT_FDCWD, from, AT_FDCWD, to) }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    TWO_NAMES(REAL(linkat)(a, from, b, to, flags), a, from, b, to)
}
int truncate(const char *path, off_t length) {
    TWO_NAMES(REAL(truncate)(path, length), AT_FDCWD, path, AT_FDCWD, path)
}
int truncate64(const char *path, off64_t length) {
    TWO_NAMES(REAL(truncate64)(path, length), AT_FDCWD, path, AT_FDCWD, path)
}
