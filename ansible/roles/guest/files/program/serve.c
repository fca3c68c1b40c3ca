/* Process 1 of a guest: mounts what every program expects, reaps, and runs scripts that come through the channel.
 *
 * The channel is the virtio port `testbed.agent`. In: LENGTH\n and so many bytes of a shell script. Out: STATUS LENGTH\n
 * and so many bytes, the end of what it printed. One after another. Nothing here polls: the kernel sends SIGIO when the
 * host connects, disconnects or has written, and SIGCHLD when something ends, so that an idle guest costs nothing.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT "testbed.agent"
#define BOOT "/etc/testbed/boot"
#define LONGEST_SCRIPT (16 << 20)
#define SAID (64 << 10)
/* Timers of a server's many threads may be late by so much, and are then served together. Without, fifty idle guests
 * take two cores. The kernel's own timers, TCP's above all, are not concerned. */
#define TIMER_SLACK_NS 300000000UL

enum { GONE = -1, NO_NUMBER = -2 };

static int port;
static sigset_t waited;
static pid_t running; /* the script that runs, or 0 */
static int ended;     /* its status, once `running` is 0 again */
static char said[2 * SAID];
static size_t length;

/* --- The guest --------------------------------------------------------------------------------------------------- */

static void mount_all(void)
{
    mkdir("/dev/pts", 0755);
    mkdir("/dev/shm", 0755);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") ||
        mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") ||
        mount("pts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=000") ||
        mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") ||
        mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") ||
        mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"))
        complain("mount");
    if (symlink("/proc/self/fd", "/dev/fd") || symlink("fd/0", "/dev/stdin") || symlink("fd/1", "/dev/stdout") ||
        symlink("fd/2", "/dev/stderr"))
        complain("/dev/fd");
    make_folder("/run/lock");
}

static void raise_loopback(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(control, SIOCSIFFLAGS, &lo))
        complain("lo");
    close(control);
}

static void take_name(void)
{
    char name[65] = "";
    int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, name, sizeof name - 1) > 0)
        sethostname(name, strcspn(name, "\n"));
    close(fd);
}

/* --- Processes --------------------------------------------------------------------------------------------------- */

static void reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == running) {
            ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            running = 0;
        }
}

static void wait_for_anything(void)
{
    siginfo_t what;
    while (sigwaitinfo(&waited, &what) < 0)
        ;
    reap();
}

static pid_t start(char *const words[], int output)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    int nothing = open("/dev/null", O_RDONLY);
    setsid();
    dup2(nothing, 0);
    dup2(output, 1);
    dup2(output, 2);
    sigprocmask(SIG_UNBLOCK, &waited, NULL);
    execv(words[0], words);
    complain(words[0]);
    _exit(127);
}

/* --- The channel ------------------------------------------------------------------------------------------------- */

static int asynchronous(int fd)
{
    return fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
}

static int open_port(void)
{
    char path[300], name[64];
    struct dirent *entry;
    DIR *ports = opendir("/sys/class/virtio-ports");
    while (ports && (entry = readdir(ports))) {
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? 0 : read(fd, name, sizeof name - 1);
        close(fd);
        if (got <= 0 || strncmp(name, PORT "\n", sizeof PORT))
            continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        closedir(ports);
        return open(path, O_RDWR | O_CLOEXEC);
    }
    if (ports)
        closedir(ports);
    errno = ENODEV;
    return -1;
}

static short state(short events)
{
    struct pollfd now = {.fd = port, .events = events};
    return poll(&now, 1, 0) > 0 ? now.revents : 0;
}

/* No host, and not for a moment only: data of one that has just connected can be here before the kernel knows of it. */
static int nobody_is_there(void)
{
    for (int looks = 0; state(0) & POLLHUP; looks++) {
        if (looks == 5)
            return 1;
        usleep(50000);
    }
    return 0;
}

/* Whether who asked is there no longer: nobody is, or somebody who asks for something else already. */
static int caller_is_gone(void)
{
    return (state(POLLIN) & POLLIN) || nobody_is_there();
}

/* Reads all of it, or GONE when the host leaves in the middle; with no host there it waits for one. */
static int read_all(char *into, size_t size, int begun)
{
    for (size_t got = 0; got < size;) {
        ssize_t count = read(port, into + got, size - got);
        if (count > 0)
            got += count;
        else if (count == 0 && (got || begun))
            return GONE;
        else
            wait_for_anything();
    }
    return 0;
}

static void forget_the_rest(void)
{
    while (read(port, said, sizeof said) > 0)
        ;
}

/* The length of the next script, or GONE or NO_NUMBER. */
static int read_header(void)
{
    char letter;
    int size = 0;
    for (int digits = 0;; digits++) {
        if (read_all(&letter, 1, digits))
            return GONE;
        if (letter == '\n' && digits)
            return size;
        if (letter < '0' || letter > '9' || (size = size * 10 + letter - '0') > LONGEST_SCRIPT)
            return NO_NUMBER;
    }
}

static void write_all(const char *from, size_t size)
{
    struct pollfd room = {.fd = port, .events = POLLOUT};
    while (size) {
        ssize_t count = write(port, from, size);
        if (count > 0) {
            from += count;
            size -= count;
        } else if (poll(&room, 1, 1000) > 0 && (room.revents & POLLHUP) && nobody_is_there()) {
            return;
        }
    }
}

static void answer(int status)
{
    char header[40];
    size_t kept = length > SAID ? SAID : length;
    write_all(header, snprintf(header, sizeof header, "%d %zu\n", status, kept));
    write_all(said + length - kept, kept);
}

/* --- Scripts ----------------------------------------------------------------------------------------------------- */

static void listen_to(int output)
{
    ssize_t count;
    while ((count = read(output, said + length, sizeof said - length)) > 0) {
        length += count;
        if (length > sizeof said - 4096) {
            memmove(said, said + length - SAID, SAID);
            length = SAID;
        }
    }
}

/* Runs a script to its end, whoever it leaves in the background; -1 when the caller left meanwhile. */
static int run(int script)
{
    char path[40];
    int ends[2];
    snprintf(path, sizeof path, "/proc/self/fd/%d", script);
    if (pipe2(ends, O_CLOEXEC) || asynchronous(ends[0]))
        return complain("pipe");
    running = start((char *[]){"/bin/sh", path, NULL}, ends[1]);
    close(ends[1]);
    pid_t group = running;
    int left = 0;
    length = 0;
    while (running) {
        wait_for_anything();
        listen_to(ends[0]);
        if (running && !left && caller_is_gone())
            left = !kill(-group, SIGKILL);
    }
    listen_to(ends[0]);
    close(ends[0]);
    return left ? -1 : ended;
}

static void serve_one(void)
{
    int size = read_header();
    if (size == NO_NUMBER) {
        forget_the_rest();
        length = snprintf(said, sizeof said, "expected a length of at most %d and a newline\n", LONGEST_SCRIPT);
        answer(125);
    }
    if (size < 0)
        return;
    int script = memfd_create("script", 0);
    char *place = ftruncate(script, size) ? MAP_FAILED : size ? mmap(NULL, size, PROT_WRITE, MAP_SHARED, script, 0) : NULL;
    if (place == MAP_FAILED) {
        length = snprintf(said, sizeof said, "no memory for a script of %d bytes\n", size);
        forget_the_rest();
        answer(125);
    } else if (!read_all(place, size, 1)) {
        int status = run(script);
        if (status >= 0)
            answer(status);
    }
    if (place && place != MAP_FAILED)
        munmap(place, size);
    close(script);
}

int serve(void)
{
    umask(022);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/root", 1);
    setenv("LANG", "C.UTF-8", 1);
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    sigemptyset(&waited);
    sigaddset(&waited, SIGIO);
    sigaddset(&waited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &waited, NULL);
    if (chdir("/"))
        complain("/");
    mount_all();
    raise_loopback();
    take_name();
    if (!access(BOOT, X_OK))
        start((char *[]){BOOT, NULL}, 2);
    port = open_port();
    if (port < 0 || asynchronous(port))
        complain("no channel (" PORT ")");
    dprintf(2, "testbed: ready\n");
    for (;;)
        if (port < 0)
            wait_for_anything();
        else
            serve_one();
}
