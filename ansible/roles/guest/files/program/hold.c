/* hold FILE: whoever opens FILE waits until it has its content.
 *
 * A server that is started on it loads, links and then waits in the middle of its start; the memory of a guest in that
 * state is copied, and each copy goes on with a file of its own. Prints `held` and goes on in the background: at the
 * first attempt to open FILE it makes FILE.wanted; at SIGUSR1 it copies FILE.new into FILE and lets go. Its process
 * number is in FILE.holder.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* Longer than any guest is kept: the kernel breaks a lease after so many seconds. */
#define LEASE_S "1000000"

static int mark(const char *file, const char *ending, const char *content)
{
    char path[300];
    snprintf(path, sizeof path, "%s%s", file, ending);
    return write_file(path, content, strlen(content), 0644);
}

static int put_content(int held, const char *file)
{
    char path[300];
    snprintf(path, sizeof path, "%s.new", file);
    int fresh = open(path, O_RDONLY | O_CLOEXEC);
    if (fresh < 0 || ftruncate(held, 0))
        return complain(path);
    ssize_t count;
    while ((count = sendfile(held, fresh, NULL, 1 << 20)) > 0)
        ;
    return count < 0 ? complain(path) : 0;
}

static int keep(const char *file, int ready)
{
    char number[20];
    sigset_t waited;
    siginfo_t what;

    sigemptyset(&waited);
    sigaddset(&waited, SIGIO);
    sigaddset(&waited, SIGUSR1);
    sigprocmask(SIG_BLOCK, &waited, NULL);
    setsid();
    int held = open(file, O_RDWR | O_CLOEXEC);
    snprintf(number, sizeof number, "%d\n", getpid());
    if (held < 0 || fcntl(held, F_SETLEASE, F_WRLCK) || mark(file, ".holder", number))
        return complain(file);
    dprintf(1, "held\n");
    if (write(ready, "", 1) != 1)
        return complain("pipe");
    close(ready);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    while (sigwaitinfo(&waited, &what) != SIGUSR1)
        mark(file, ".wanted", "");
    return put_content(held, file);
}

int hold(const char *file)
{
    char byte;
    int ends[2];
    if (write_file("/proc/sys/fs/lease-break-time", LEASE_S, strlen(LEASE_S), 0644))
        return 1;
    if (pipe2(ends, O_CLOEXEC))
        return complain("pipe");
    pid_t child = fork(); /* before the lease is taken: it belongs to the process that is told when it is broken */
    if (child < 0)
        return complain("fork");
    if (!child)
        return keep(file, ends[1]);
    close(ends[1]);
    return read(ends[0], &byte, 1) != 1;
}
