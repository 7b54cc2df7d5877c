/* SPDX-License-Identifier: MIT */
/*
 * How lwIP is configured: its raw interface only, under the libos's own sockets,
 * with limits that come from memory and not from pool sizes.
 */
#ifndef LIBOS_LWIPOPTS_H
#define LIBOS_LWIPOPTS_H

/* ---- the platform ----------------------------------------------------------- */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_TIMERS 1
#define LWIP_TIMERS_CUSTOM 1 /* timers.c: deadlines only while somebody needs them */
#define LWIP_STATS 0
#define LWIP_HOOK_FILENAME "hooks.h"

/* ---- memory: all of it from heap.c ---------------------------------------------- */
#define MEM_ALIGNMENT 8
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_SIZE (16 * 1024 * 1024) /* only for lwIP's own checks */
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_POOL_SIZE 16
#define PBUF_POOL_BUFSIZE 1536

/* ---- link and internet layer -------------------------------------------------- */
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define ARP_TABLE_SIZE 32
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 8
#define LWIP_NETIF_HWADDRHINT 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_LOOPBACK_MAX_PBUFS 256
#define IP_REASSEMBLY 1
#define IP_REASS_MAX_PBUFS 48 /* fragments held at most: a bound on what a flood can pin */
#define IP_FRAG 1
#define IP_FORWARD 0
#define LWIP_ICMP 1
#define LWIP_BROADCAST_PING 0
#define LWIP_RAW 0
#define LWIP_IGMP 0
#define LWIP_AUTOIP 0
#define LWIP_DNS 0
#define LWIP_DHCP 1
#define DHCP_DOES_ARP_CHECK 0 /* a second of boot */
#define LWIP_DHCP_GET_NTP_SRV 0

/* ---- checksums: ours, and only where the device does none ------------------------- */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHKSUM net_checksum
#define LWIP_CHECKSUM_ON_COPY 0

/* ---- transport --------------------------------------------------------------------- */
#define LWIP_UDP 1
#define SO_REUSE 1
#define LWIP_TCP 1
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND (128 * 1024)
#define TCP_WND_UPDATE_THRESHOLD (TCP_WND / 4)
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 1024
#define TCP_SNDLOWAT (32 * 1024)
#define TCP_SNDQUEUELOWAT 512
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 64
#define LWIP_TCP_SACK_OUT 1
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 255
#define LWIP_TCP_KEEPALIVE 1
#define TCP_TMR_INTERVAL 50    /* delayed ACK; retransmission in steps of 100 ms */
#define TCP_MSL 30000          /* so TIME_WAIT is a minute, as elsewhere */

#endif
