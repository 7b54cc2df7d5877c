/* SPDX-License-Identifier: MIT */
/* Connections: what each still has to read and to send, and which has been idle longest. */
#ifndef HTTPD_CONNECTION_H
#define HTTPD_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONNECTIONS 1024u
#define IDLE_SECONDS 30u

struct connection;

/* Takes over an accepted, non-blocking socket. */
void connection_open(int epoll, int fd, uint64_t now);
/* The socket is readable, writable or broken (EPOLL bits). */
void connection_event(struct connection *connection, uint32_t events, uint64_t now);
/* Closes what has been idle too long; returns the milliseconds until the next such moment, -1: never. */
int connection_expire(uint64_t now);

#endif
