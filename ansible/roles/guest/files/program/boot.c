/* From the initrd to the root: what a busybox would do with twenty processes, without one.
 *
 * The root is the image, read-only, under a layer in memory: whatever a guest writes there goes with it.
 * No other disk is touched: a guest whose memory is copied must not have looked at a disk that its copies change.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISK "/dev/vda"
#define DISK_WITHIN_MS 10000

static void load(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "/lib/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
        complain(path);
    close(fd);
    unlink(path); /* the initrd's memory is freed by emptying it */
}

static void load_all(void)
{
    char name[256];
    FILE *list = fopen("/modules", "r");
    if (!list)
        return;
    while (fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = 0;
        load(name);
    }
    fclose(list);
    unlink("/modules");
}

static int disk_is_there(void)
{
    for (int waited = 0; access(DISK, F_OK); waited += 10) {
        if (waited >= DISK_WITHIN_MS)
            return 0;
        usleep(10000);
    }
    return 1;
}

static int mount_root(void)
{
    if (make_folder("/lower") || make_folder("/upper") || make_folder("/root"))
        return 1;
    if (mount(DISK, "/lower", "ext4", MS_RDONLY | MS_NOATIME, ""))
        return complain("mount " DISK);
    if (mount("layer", "/upper", "tmpfs", 0, "mode=0755"))
        return complain("mount a tmpfs");
    if (make_folder("/upper/files") || make_folder("/upper/work"))
        return 1;
    if (mount("root", "/root", "overlay", MS_NOATIME, "lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work"))
        return complain("mount the overlay");
    return 0;
}

int boot(void)
{
    if (make_folder("/dev") || mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755"))
        return complain("mount /dev");
    int console = open("/dev/console", O_RDWR);
    if (console >= 0)
        for (int fd = 0; fd < 3; fd++)
            dup2(console, fd);
    if (console > 2)
        close(console);
    load_all();
    if (!disk_is_there())
        return complain(DISK);
    if (mount_root())
        return 1;
    if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL))
        return complain("move /dev");
    unlink("/init");
    if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
        return complain("enter the root");
    execl(GUEST, "init", NULL);
    return complain(GUEST);
}
