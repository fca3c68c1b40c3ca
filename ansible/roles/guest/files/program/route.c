/* The default route, by netlink: the older ioctl can't say that what leaves the site has smaller packets than its LAN. */
#include "route.h"

#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAN_MTU 1500

struct request {
    struct nlmsghdr head;
    struct rtmsg route;
    char attributes[128];
};

static struct rtattr *add(struct request *request, unsigned short kind, const void *content, unsigned short size)
{
    struct rtattr *made = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len));
    made->rta_type = kind;
    made->rta_len = RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(made), content, size);
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + RTA_ALIGN(made->rta_len);
    return made;
}

static int ask(struct request *request)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[256];
    } reply;
    int link = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int failed = link < 0 || send(link, request, request->head.nlmsg_len, 0) < 0 || recv(link, &reply, sizeof reply, 0) < 0;
    if (!failed && reply.error.error) {
        errno = -reply.error.error;
        failed = 1;
    }
    close(link);
    return failed ? complain("GATEWAY") : 0;
}

int route_by(const char *card, const char *gateway)
{
    struct in_addr via;
    int device = (int)if_nametoindex(card);
    unsigned mtu = WAN_MTU;
    struct request request = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                 .nlmsg_type = RTM_NEWROUTE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
        .route = {.rtm_family = AF_INET,
                  .rtm_table = RT_TABLE_MAIN,
                  .rtm_protocol = RTPROT_BOOT,
                  .rtm_scope = RT_SCOPE_UNIVERSE,
                  .rtm_type = RTN_UNICAST},
    };
    if (inet_pton(AF_INET, gateway, &via) != 1) {
        errno = EINVAL;
        return complain("GATEWAY");
    }
    add(&request, RTA_GATEWAY, &via, sizeof via);
    add(&request, RTA_OIF, &device, sizeof device);
    struct rtattr *metrics = add(&request, RTA_METRICS, NULL, 0);
    struct rtattr *largest = add(&request, RTAX_MTU, &mtu, sizeof mtu);
    metrics->rta_len += RTA_ALIGN(largest->rta_len);
    return ask(&request);
}
