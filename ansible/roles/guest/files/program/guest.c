#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int complain(const char *what)
{
    dprintf(2, "testbed: %s: %s\n", what, strerror(errno));
    return 1;
}

int make_folder(const char *path)
{
    return mkdir(path, 0755) && errno != EEXIST ? complain(path) : 0;
}

int write_file(const char *path, const void *content, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return complain(path);
    int failed = write(fd, content, size) != (ssize_t)size;
    if (failed)
        complain(path);
    close(fd);
    return failed;
}

int main(int count, char **words)
{
    const char *slash = strrchr(words[0], '/');
    const char *name = slash ? slash + 1 : words[0];

    if (!strcmp(name, "identify") && count == 1)
        return identify();
    if (!strcmp(name, "hold") && count == 2)
        return hold(words[1]);
    if (getpid() == 1)
        return access("/modules", F_OK) ? serve() : boot();
    dprintf(2, "usage: identify < LINES, or hold FILE\n");
    return 2;
}
