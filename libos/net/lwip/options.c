/* SPDX-License-Identifier: MIT */
/* Socket options of lwIP's endpoints. */
#include "endpoint.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* The options that both kinds of control block keep at the same place (IP_PCB). */
static struct ip_pcb *common(struct endpoint *endpoint)
{
    return (struct ip_pcb *)(void *)endpoint->udp;
}

static int flag_set(struct endpoint *endpoint, u8_t flag, int on)
{
    struct ip_pcb *pcb = common(endpoint);
    if (!pcb)
        return 0;
    if (on)
        ip_set_option(pcb, flag);
    else
        ip_reset_option(pcb, flag);
    return 0;
}

static int socket_set(struct endpoint *endpoint, int name, int number, const void *value, socklen_t length)
{
    switch (name) {
    case SO_REUSEADDR:
    case SO_REUSEPORT: return flag_set(endpoint, SOF_REUSEADDR, number);
    case SO_KEEPALIVE: return flag_set(endpoint, SOF_KEEPALIVE, number);
    case SO_BROADCAST: return flag_set(endpoint, SOF_BROADCAST, number);
    case SO_LINGER: {
        struct linger linger;
        if (length < sizeof linger)
            return -EINVAL;
        memcpy(&linger, value, sizeof linger);
        endpoint->linger_zero = linger.l_onoff && linger.l_linger == 0;
        return 0;
    }
    case SO_RCVBUF:
        if (endpoint->type == SOCK_DGRAM && number > 0)
            endpoint->in_limit = number < 4096 ? 4096 : number > 1 << 20 ? 1 << 20 : (uint32_t)number;
        return 0;
    case SO_SNDBUF:
    case SO_PRIORITY:
    case SO_OOBINLINE:
    case SO_DONTROUTE: return 0;
    default: return -ENOPROTOOPT;
    }
}

static int tcp_set(struct endpoint *endpoint, int name, int number)
{
    struct tcp_pcb *pcb = endpoint->tcp;
    if (endpoint->type != SOCK_STREAM)
        return -ENOPROTOOPT;
    if (!pcb)
        return -EINVAL;
    bool connection = !endpoint->listening;
    switch (name) {
    case TCP_NODELAY:
        if (connection && number)
            tcp_nagle_disable(pcb);
        else if (connection)
            tcp_nagle_enable(pcb);
        return 0;
    case TCP_KEEPIDLE:
        if (connection)
            pcb->keep_idle = (u32_t)number * 1000;
        return 0;
    case TCP_KEEPINTVL:
        if (connection)
            pcb->keep_intvl = (u32_t)number * 1000;
        return 0;
    case TCP_KEEPCNT:
        if (connection)
            pcb->keep_cnt = (u32_t)number;
        return 0;
    case TCP_CORK: /* sends are gathered for a round anyway */
    case TCP_QUICKACK:
    case TCP_DEFER_ACCEPT:
    case TCP_USER_TIMEOUT:
    case TCP_FASTOPEN: return 0;
    default: return -ENOPROTOOPT;
    }
}

static int ip_set(struct endpoint *endpoint, int name, int number)
{
    struct ip_pcb *pcb = common(endpoint);
    if (name == IP_TOS && pcb)
        pcb->tos = (u8_t)number;
    else if (name == IP_TTL && pcb)
        pcb->ttl = (u8_t)number;
    else if (name != IP_MTU_DISCOVER && name != IP_RECVERR)
        return -ENOPROTOOPT;
    return 0;
}

int option_set(struct endpoint *endpoint, int level, int name, const void *value, socklen_t length)
{
    int number = 0;
    if (!value || length < 1)
        return -EINVAL;
    memcpy(&number, value, length < sizeof number ? length : sizeof number);
    switch (level) {
    case SOL_SOCKET: return socket_set(endpoint, name, number, value, length);
    case IPPROTO_TCP: return tcp_set(endpoint, name, number);
    case IPPROTO_IP: return ip_set(endpoint, name, number);
    default: return -ENOPROTOOPT;
    }
}

/* ---- reading ---------------------------------------------------------------------- */

static int socket_get(struct endpoint *endpoint, int name)
{
    const struct ip_pcb *pcb = common(endpoint);
    u8_t options = pcb ? pcb->so_options : 0;
    int error = endpoint->error;
    switch (name) {
    case SO_ERROR: endpoint->error = 0; return error;
    case SO_TYPE: return endpoint->type;
    case SO_DOMAIN: return AF_INET;
    case SO_PROTOCOL: return endpoint->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    case SO_ACCEPTCONN: return endpoint->listening;
    case SO_REUSEADDR:
    case SO_REUSEPORT: return !!(options & SOF_REUSEADDR);
    case SO_KEEPALIVE: return !!(options & SOF_KEEPALIVE);
    case SO_BROADCAST: return !!(options & SOF_BROADCAST);
    case SO_SNDBUF: return TCP_SND_BUF;
    case SO_RCVBUF: return endpoint->type == SOCK_STREAM ? TCP_WND : (int)endpoint->in_limit;
    default: return -ENOPROTOOPT;
    }
}

static int tcp_get(struct endpoint *endpoint, int name)
{
    const struct tcp_pcb *pcb = endpoint->listening ? NULL : endpoint->tcp;
    if (endpoint->type != SOCK_STREAM)
        return -ENOPROTOOPT;
    switch (name) {
    case TCP_NODELAY: return pcb && tcp_nagle_disabled(pcb);
    case TCP_MAXSEG: return pcb ? pcb->mss : TCP_MSS;
    case TCP_KEEPIDLE: return pcb ? (int)(pcb->keep_idle / 1000) : 7200;
    case TCP_KEEPINTVL: return pcb ? (int)(pcb->keep_intvl / 1000) : 75;
    case TCP_KEEPCNT: return pcb ? (int)pcb->keep_cnt : 9;
    default: return -ENOPROTOOPT;
    }
}

static int ip_get(struct endpoint *endpoint, int name)
{
    const struct ip_pcb *pcb = common(endpoint);
    if (name == IP_TOS)
        return pcb ? pcb->tos : 0;
    if (name == IP_TTL)
        return pcb ? pcb->ttl : TCP_TTL;
    return -ENOPROTOOPT;
}

int option_get(struct endpoint *endpoint, int level, int name, void *value, socklen_t *length)
{
    int number;
    if (!value || !length)
        return -EFAULT;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger = { .l_onoff = endpoint->linger_zero };
        *length = *length < sizeof linger ? *length : sizeof linger;
        memcpy(value, &linger, *length);
        return 0;
    }
    switch (level) {
    case SOL_SOCKET: number = socket_get(endpoint, name); break;
    case IPPROTO_TCP: number = tcp_get(endpoint, name); break;
    case IPPROTO_IP: number = ip_get(endpoint, name); break;
    default: return -ENOPROTOOPT;
    }
    if (number < 0)
        return number;
    *length = *length < sizeof number ? *length : sizeof number;
    memcpy(value, &number, *length);
    return 0;
}
