/* identify: lines KEY=VALUE on stdin make this guest another one, in one process and a few system calls.
 *
 * Unknown keys are passed over. The order is ours: entropy before anything may be drawn from it, the address last.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "route.h"

#define LONGEST (256 << 10)
#define SEED_BYTES 512

static char lines[LONGEST + 1];

static const char *value(const char *key)
{
    size_t size = strlen(key);
    for (const char *line = lines; *line; line += strlen(line) + 1)
        if (!strncmp(line, key, size) && line[size] == '=')
            return line + size + 1;
    return NULL;
}

/* Reads all lines; each then ends with a zero byte, and an empty one ends them all. */
static int read_lines(void)
{
    size_t size = 0;
    ssize_t count;
    while (size < LONGEST && (count = read(0, lines + size, LONGEST - size)) > 0)
        size += count;
    if (size == LONGEST) {
        errno = EFBIG;
        return complain("identify");
    }
    size_t kept = 0;
    for (size_t at = 0; at < size; at++)
        if (lines[at] != '\n')
            lines[kept++] = lines[at];
        else if (kept && lines[kept - 1])
            lines[kept++] = 0;
    lines[kept] = 0;
    return 0;
}

/* Decodes base64 in place; its size. Every line is used once. */
static size_t decode(char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = 0;
    unsigned bits = 0, held = 0;
    for (const char *at = text, *found; *at && (found = strchr(letters, *at)); at++) {
        bits = bits << 6 | (unsigned)(found - letters);
        held += 6;
        if (held >= 8)
            text[size++] = (char)(bits >> (held -= 8));
    }
    return size;
}

static int put_decoded(const char *key, const char *path, mode_t mode)
{
    char *text = (char *)value(key);
    return text ? write_file(path, text, decode(text), mode) : 0;
}

static int put_line(const char *key, const char *path, mode_t mode)
{
    char line[4096];
    const char *text = value(key);
    return text ? write_file(path, line, snprintf(line, sizeof line, "%.4000s\n", text), mode) : 0;
}

/* --- What a copy of a guest's memory shares with the others ------------------------------------------------------- */

static int seed(void)
{
    const char *digits = value("SEED");
    struct {
        struct rand_pool_info info;
        unsigned char bytes[SEED_BYTES];
    } pool;
    unsigned byte;
    int size = 0;
    if (!digits)
        return 0;
    while (size < SEED_BYTES && sscanf(digits + 2 * size, "%2x", &byte) == 1)
        pool.bytes[size++] = byte;
    pool.info.buf_size = size;
    pool.info.entropy_count = 8 * size;
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    int failed = fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) || ioctl(fd, RNDRESEEDCRNG);
    if (failed)
        complain("SEED");
    close(fd);
    return failed;
}

static int set_clock(void)
{
    const char *text = value("CLOCK");
    if (!text)
        return 0;
    double seconds = atof(text);
    struct timespec now = {.tv_sec = (time_t)seconds};
    now.tv_nsec = (long)((seconds - (double)now.tv_sec) * 1e9);
    return clock_settime(CLOCK_REALTIME, &now) ? complain("CLOCK") : 0;
}

static int name_it(void)
{
    const char *name = value("HOSTNAME");
    if (name && sethostname(name, strlen(name)))
        return complain("HOSTNAME");
    return put_line("HOSTNAME", "/etc/hostname", 0644) || put_line("MACHINE_ID", "/etc/machine-id", 0444) ||
           put_decoded("HOSTS", "/etc/hosts", 0644);
}

static int give_keys(void)
{
    if (value("AUTHORIZED_KEY") && mkdir("/root/.ssh", 0700) && errno != EEXIST)
        return complain("/root/.ssh");
    return put_decoded("HOST_KEY", "/etc/ssh/ssh_host_ed25519_key", 0600) ||
           put_line("HOST_PUB", "/etc/ssh/ssh_host_ed25519_key.pub", 0644) ||
           put_line("AUTHORIZED_KEY", "/root/.ssh/authorized_keys", 0600);
}

/* --- The network -------------------------------------------------------------------------------------------------- */

/* The guest's one interface that is not the loopback, whatever the kernel calls it. */
static int find_interface(char *name)
{
    struct dirent *entry;
    DIR *all = opendir("/sys/class/net");
    name[0] = 0;
    while (all && (entry = readdir(all)))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lo"))
            snprintf(name, IFNAMSIZ, "%.15s", entry->d_name);
    if (all)
        closedir(all);
    errno = ENODEV;
    return name[0] ? 0 : complain("no network interface");
}

static int set_flags(int control, struct ifreq *card, short flags)
{
    card->ifr_flags = flags;
    return ioctl(control, SIOCSIFFLAGS, card) ? complain(card->ifr_name) : 0;
}

static int set_mac(int control, struct ifreq *card)
{
    const char *text = value("MAC");
    unsigned char *mac = (unsigned char *)card->ifr_hwaddr.sa_data;
    if (!text)
        return 0;
    card->ifr_hwaddr.sa_family = ARPHRD_ETHER;
    if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
        errno = EINVAL;
    else if (!ioctl(control, SIOCSIFHWADDR, card))
        return 0;
    return complain("MAC");
}

static int set_address(int control, struct ifreq *card)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&card->ifr_addr;
    char text[32] = "";
    int prefix = 0;
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    if (sscanf(value("ADDRESS"), "%31[0-9.]/%d", text, &prefix) != 2 || prefix < 1 || prefix > 32 ||
        inet_pton(AF_INET, text, &address->sin_addr) != 1) {
        errno = EINVAL;
        return complain("ADDRESS");
    }
    if (ioctl(control, SIOCSIFADDR, card))
        return complain("ADDRESS");
    address->sin_addr.s_addr = htonl(~0u << (32 - prefix));
    return ioctl(control, SIOCSIFNETMASK, card) ? complain("ADDRESS") : 0;
}

static int join_network(void)
{
    struct ifreq card = {0};
    if (!value("MAC") && !value("ADDRESS"))
        return 0;
    if (find_interface(card.ifr_name))
        return 1;
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failed = set_flags(control, &card, 0) || set_mac(control, &card) ||
                 (value("ADDRESS") && set_address(control, &card)) || set_flags(control, &card, IFF_UP | IFF_RUNNING) ||
                 (value("GATEWAY") && route_by(card.ifr_name, value("GATEWAY")));
    close(control);
    return failed;
}

int identify(void)
{
    return read_lines() || seed() || set_clock() || name_it() || give_keys() || join_network();
}
